// A disk that fills up: a file system of 24 MB, and a limit on the length of files. What has no room is refused and
// says so, reads go on, nothing is lost, and there is work again when there is room again.
//
// The file system is a tmpfs in a mount namespace of its own, so that it goes with the processes that use it. Where
// none can be mounted the limit is the only full disk that is tried, and the output says why. CATALOG_ROUNDS is the
// number of commits that fail on it; CATALOG_SEED replays.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { type Test, test } from 'tap'
import { MiB } from '../../src/base/units.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Date.now() % 2 ** 31)
const LIMIT_BYTES = 6 * MiB
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning']
const MOUNT = 'mount -t tmpfs -o size=24m catalog-test "$1" && shift && exec "$@"'
/** As root, or as somebody who may be root in a namespace of users. */
const WAYS = [['--mount'], ['--user', '--map-root-user', '--mount']]

/** On a quiet machine a minute is enough; processes that work beside others may take ten. */
tap.setTimeout(1_200_000)

const scriptOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** Short, for there will be sockets in it; and nothing of it is left. */
function folders(t: Test): { small: string; large: string } {
  const folder = mkdtempSync(join(tmpdir(), 'catalog-full-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [small, large] = [join(folder, 'small'), join(folder, 'large')]
  for (const each of [small, large]) mkdirSync(each)
  return { small, large }
}

/** Arguments of `unshare` with which a file system can be mounted here; else what was said of the attempts. */
function mounting(folder: string): readonly string[] | string {
  const reasons: string[] = []
  for (const way of WAYS) {
    const tried = spawnSync('unshare', [...way, 'sh', '-c', MOUNT, 'sh', folder, 'true'], { encoding: 'utf8' })
    if (tried.status === 0) return way
    reasons.push(`unshare ${way.join(' ')}: ${tried.error?.message ?? tried.stderr.trim()}`)
  }
  return reasons.join('; ')
}

test(`a file system of 24 MB, CATALOG_SEED=${SEED}`, async (t) => {
  const { small, large } = folders(t)
  const way = mounting(small)
  if (typeof way === 'string') {
    t.comment(`No file system of 24 MB can be mounted here (${way}).`)
    t.comment('The limit on the length of files, in the next test, is the only full disk that is tried.')
    return
  }
  const script = [...NODE, scriptOf('small-disk.ts'), small, large, String(SEED)]
  await t.spawn('unshare', [...way, 'sh', '-c', MOUNT, 'sh', small, ...script], {}, 'on it')
})

test(`a limit on the length of files, CATALOG_SEED=${SEED}`, async (t) => {
  const { large } = folders(t)
  const script = [...NODE, scriptOf('limited-files.ts'), large, String(SEED)]
  await t.spawn('prlimit', [`--fsize=${LIMIT_BYTES}:unlimited`, ...script], {}, 'under it')
})
