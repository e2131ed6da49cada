// Two nodes synchronize, and one of them is killed with SIGKILL in the middle of it, again and again, now the one that
// asked, now the other. After each kill they are started again, synchronize once more, and have the same: all that
// either had before, and nothing else.
//
// CATALOG_SEED replays. CATALOG_SYNC_KILLS is the number of kills.
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { seededRandom } from '../../src/base/random.ts'
import { CatalogNode } from '../../src/node.ts'
import { eventually, type Line, run, startNode, type TestNode } from '../integration/processes.ts'

const SEED = Number(process.env['CATALOG_SEED'] ?? Date.now() % 2 ** 31)
const KILLS = Number(process.env['CATALOG_SYNC_KILLS'] ?? 3)
const RELEASES = 1_500
/** From the start of the command that asks to the kill: most are in the middle of what follows, some behind its end. */
const KILL_MS = { min: 500, max: 2_500 }

tap.setTimeout(60_000 + KILLS * 60_000)

/** A data directory of a publisher with many releases. */
async function prepared(folder: string, name: string): Promise<void> {
  const source = join(folder, `${name}.txt`)
  writeFileSync(source, name)
  await using node = await CatalogNode.open({ dataDir: join(folder, name) })
  const all = Array.from({ length: RELEASES }, (_, number) => ({ name: `${name}-${number}`, version: '1.0.0' }))
  await Promise.all(all.map((named) => node.sharing.sharePackage(source, { type: 'generic', ...named })))
}

/** What a synchronization comes to; tried again while the other is still starting. */
async function synced(t: Test, node: TestNode, other: TestNode, ...flags: string[]): Promise<Line> {
  return eventually(
    'they synchronize',
    async () => {
      const { lines } = await node.run('sync', other.address, '--strategy', 'differential', ...flags)
      const done = lines.find(({ type }) => type === 'synced')
      if (!done) t.comment(JSON.stringify(lines))
      return done
    },
    60_000,
  )
}

async function releasesOf(node: TestNode): Promise<unknown> {
  return (await node.run('status')).lines[0]?.['releases']
}

test(`${KILLS} kills, CATALOG_SEED=${SEED} CATALOG_SYNC_KILLS=${KILLS}`, async (t) => {
  const folder = t.testdir({})
  await prepared(folder, 'a')
  await prepared(folder, 'b')
  const random = seededRandom(SEED)
  const cut = { asker: 0, answerer: 0 }
  for (let kill = 0; kill < KILLS; kill++) {
    const victim = kill % 2 === 0 ? 'asker' : 'answerer'
    const place = join(folder, `kill-${kill}`)
    mkdirSync(place)
    for (const name of ['a', 'b']) cpSync(join(folder, name), join(place, name), { recursive: true })
    if (await wasCut(t, place, victim, KILL_MS.min + random.fraction() * (KILL_MS.max - KILL_MS.min))) cut[victim]++
    await t.test(`kill ${kill + 1}, of the ${victim}`, (t) => areWhole(t, place))
  }
  t.comment(`in the middle: ${cut.asker} of the asker, ${cut.answerer} of the answerer`)
  t.ok(cut.asker + cut.answerer > 0, 'some were in the middle')
})

/** @returns whether the session had not ended yet */
async function wasCut(t: Test, place: string, victim: 'asker' | 'answerer', afterMs: number): Promise<boolean> {
  const [asker, answerer] = await Promise.all(['a', 'b'].map((name) => startNode(t, join(place, name))))
  if (!asker || !answerer) throw new Error('both are started')
  await asker.run('peers', 'add', answerer.address)
  const asking = asker.run('sync', answerer.peerId, '--strategy', 'full')
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  await (victim === 'asker' ? asker : answerer).kill()
  const { status } = await asking
  await (victim === 'asker' ? answerer : asker).kill()
  return status !== 0
}

async function areWhole(t: Test, place: string): Promise<void> {
  for (const name of ['a', 'b']) {
    const { lines } = await run(['doctor', '--data-dir', join(place, name)])
    t.match(lines.at(-1), { type: 'summary', findings: 0 }, 'what a store says of itself is true')
  }
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startNode(t, join(place, name))))
  if (!a || !b) throw new Error('both are started')
  // Who asks takes up what the other shows; who is asked, what it keeps already.
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    t.match(await synced(t, from, to), { unequal: 0 })
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    t.match(await synced(t, from, to, '--dry-run'), { lacking: 0, surplus: 0, unequal: 0 }, 'roots are equal')
  }
  for (const node of [a, b]) t.equal(await releasesOf(node), 2 * RELEASES, 'nothing is lost, nothing made up')
  await Promise.all([a.stop(), b.stop()])
}
