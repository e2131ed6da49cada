// The command line by itself: on a data directory that no node is running on, and as a person reads it.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import tap, { test } from 'tap'
import { run, runPlain } from './processes.ts'

tap.setTimeout(240_000)

const SOURCE = {
  'package.json': JSON.stringify({ name: 'sextant', version: '2.0.1', description: 'Angles at sea', license: 'MIT' }),
  'index.js': 'export const angle = 42\n',
}
const ESCAPE = '\u001b'

test('without a node running, commands work on the store itself', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const dataDir = ['--data-dir', join(folder, 'store')]
  const purl = 'pkg:npm/sextant@2.0.1'
  const published = await run(['publish', join(folder, 'source'), ...dataDir])
  t.match(published, { status: 0, lines: [{ type: 'published', purl, fresh: true, permission: 'public' }] })
  const summary = { type: 'summary', results: 1, peersAsked: 0, peersAnswered: 0 }
  t.match((await run(['search', 'angles', ...dataDir])).lines, [{ type: 'result', purl, trust: 'pinned' }, summary])
  t.match((await run(['info', 'pkg:npm/sextant', ...dataDir])).lines, [{ type: 'info', purl, local: true }])
  t.match((await run(['verify', ...dataDir])).lines, [
    { type: 'progress' },
    { purl, ok: true },
    { type: 'summary', damaged: 0 },
  ])
  t.match((await run(['status', ...dataDir])).lines, [{ type: 'status', online: false, releases: 1, blobs: 1 }])
  const pin = { type: 'trusted', purl: 'pkg:npm/sextant' }
  t.match((await run(['trust', ...dataDir])).lines, [{ ...pin, reason: 'published' }, { trusted: 1 }])
  t.match((await run(['trust', 'pkg:npm/sextant', ...dataDir])).lines, [{ ...pin, reason: 'trusted' }])
  t.match((await run(['trust', 'pkg:npm/sextant', '--remove', ...dataDir])).lines, [
    { type: 'untrusted', changed: true },
  ])
  const installed = await run(['install', purl, '--to', join(folder, 'installed'), ...dataDir])
  t.match(installed.lines, [{ type: 'installed', files: 2, sources: [] }])
  t.equal(readFileSync(join(folder, 'installed/sextant/index.js'), 'utf8'), SOURCE['index.js'])
  t.match((await run(['peers', ...dataDir])).lines, [{ type: 'summary', peers: 0 }])

  const alone = await run(['peers', 'add', '127.0.0.1:9', ...dataDir])
  t.match(alone, { status: 6, lines: [{ type: 'error', code: 'PEER_UNREACHABLE', hint: /catalog up --data-dir/ }] })
  t.match(await run(['info', 'pkg:npm/compass', ...dataDir]), { status: 3, lines: [{ code: 'NOT_FOUND' }] })
})

test('people read sentences, and colours only where they are wanted', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const dataDir = ['--data-dir', join(folder, 'store')]
  const published = await runPlain(['publish', join(folder, 'source'), ...dataDir])
  t.match(published, { status: 0, stderr: '' })
  t.match(
    published.stdout,
    /^Published pkg:npm\/sextant@2\.0\.1 \(public\)\n {2}sextant-2\.0\.1\.tgz {2}\d+ B {2}sha256 [0-9a-f]{64}\n$/,
  )
  const found = await runPlain(['search', 'sextant', ...dataDir])
  t.match(found.stdout, /^pkg:npm\/sextant@2\.0\.1 {2}trusted, here, 1 provider\n {2}Angles at sea\n/)
  t.match(found.stdout, /\n1 found in \d+ ms, no peers to ask\.\n$/)
  const coloured = await runPlain(['search', 'sextant', ...dataDir], { env: { FORCE_COLOR: '1' } })
  t.match(coloured.stdout, `pkg:npm/${ESCAPE}[1msextant${ESCAPE}[22m@2.0.1`, 'what matches is bold')
  const muted = await runPlain(['search', 'sextant', ...dataDir], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } })
  t.notMatch(muted.stdout, ESCAPE)
  const failed = await runPlain(['info', 'pkg:npm/compass', ...dataDir])
  t.match(failed, { status: 3, stdout: '', stderr: /^error: .*compass.*\nhint: .*catalog search/ })
})

test('help, version and wrong usage', async (t) => {
  const [bare, help, version, unknown, unknownJson] = await Promise.all([
    runPlain([]),
    runPlain(['--help']),
    runPlain(['--version']),
    runPlain(['sail']),
    run(['sail']),
  ])
  t.match(help, { status: 0, stderr: '' })
  t.match(help.stdout, /^Usage: catalog \[options\] \[command\]/)
  const commands = ['up', 'publish', 'search', 'fetch', 'install', 'verify', 'gc', 'pin', 'unpin', 'backup', 'restore']
  for (const command of [...commands, 'doctor', 'trust', 'complete', 'completion']) {
    t.match(help.stdout, new RegExp(`^ {2}${command}\\b`, 'm'))
  }
  t.match(help.stdout, /Exit status: 0 ok/)
  t.same(bare, help, 'no arguments ask for help')
  t.match(version, { status: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' })
  t.match(unknown, { status: 2, stdout: '', stderr: /unknown command 'sail'/ })
  const wrong = [
    ['verify', '--all', 'pkg:npm/a'],
    ['verify', '--rate', 'fast'],
    ['verify', '--rate', '0'],
    ['gc', '--pause', '--resume'],
    ['gc', '--dry-run', '--pause'],
    ['up', '--max-mirror-storage', 'much'],
    ['unpin'],
    ['backup'],
  ]
  const refused = await Promise.all(wrong.map((args) => run(args)))
  for (const [at, { status, lines }] of refused.entries()) {
    t.match({ status, lines }, { status: 2, lines: [{ type: 'error', code: 'USAGE' }] }, `${wrong[at]}`)
  }
  t.match(unknownJson, { status: 2, lines: [{ type: 'error', code: 'USAGE', message: /sail/ }], stderr: '' })
})

test('completion scripts are ones their shells can read', async (t) => {
  const folder = t.testdir({})
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, stdout } = await runPlain(['completion', shell])
    t.equal(status, 0)
    for (const word of ['publish', 'with-dependencies', 'control-port', 'rebuild-index', 'max-mirror-storage'])
      t.ok(stdout.includes(word), `${shell}: ${word}`)
    if (hasShell(shell)) t.doesNotThrow(() => execFileSync(shell, ['-n'], { input: stdout }), `${shell} -n`)
  }
  if (hasShell('bash')) {
    const { stdout } = await runPlain(['completion', 'bash'])
    const ask = 'COMP_WORDS=(catalog ins); COMP_CWORD=1; _catalog; echo "$COMPREPLY"'
    t.equal(execFileSync('bash', ['-c', `${stdout}\n${ask}`], { cwd: folder, encoding: 'utf8' }), 'install\n')
    const names = 'catalog() { [ "$3" = pkg:npm/rea ] && printf "%s\\n" pkg:npm/react \'pkg:npm/rea$(x)\'; }'
    const typed = (...words: string[]) =>
      `${names}; COMP_LINE="${words.join(' ')}"; COMP_POINT=99; COMP_WORDS=(${words.join(' ')}); COMP_CWORD=2; _catalog`
    const replies = (...words: string[]) =>
      execFileSync('bash', ['-c', `${stdout}\n${typed(...words)}; echo "\${COMPREPLY[@]}"`], { encoding: 'utf8' })
    t.equal(replies('catalog', 'info', 'pkg:npm/rea'), 'npm/react\n', 'after the colon, and no commands')
    t.equal(replies('catalog', 'info', 'rea'), 'pkg:npm/react\n')
    t.equal(replies('catalog', 'info', '--js'), '--json\n')
  }
  t.match(await runPlain(['completion', 'cmd']), { status: 2, stderr: /bash, zsh, fish/ })
})

function hasShell(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)))
}
