// Publishers that claim one name, and one that contradicts itself, as users see and settle it.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { eventually, type Line, run, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const PURL = 'pkg:generic/rope'

async function publish(dataDir: string, path: string): Promise<string> {
  const { status, lines, stderr } = await run([
    ...['publish', path, '--type', 'generic', '--name', 'rope', '--version', '1.0.0', '--data-dir', dataDir],
  ])
  if (status !== 0) throw new Error(JSON.stringify(lines) + stderr)
  return lines[0]?.['record'] as string
}

async function publisherOf(node: TestNode): Promise<string> {
  return (await node.run('status')).lines[0]?.['publisher'] as string
}

/** Have a node know all that others have. */
async function known(node: TestNode, ...others: TestNode[]): Promise<void> {
  for (const other of others) {
    await eventually('they synchronize', async () => (await node.run('sync', other.address)).lines.find(isSynced))
  }
}

const isSynced = ({ type }: Line) => type === 'synced'
const fetched = (node: TestNode, to: string) => node.run('fetch', `${PURL}@1.0.0`, '--output', to)
const conflictsOf = async (node: TestNode) => (await node.run('conflicts', 'show', PURL)).lines as Line[]

test('of two publishers that claim a name the user chooses one, or a rule does', async (t) => {
  const folder = t.testdir({ one: 'one', other: 'other' })
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startNode(t, join(folder, name))))
  if (!a || !b) throw new Error('both are started')
  const one = await publish(a.dataDir, join(folder, 'one'))
  const other = await publish(b.dataDir, join(folder, 'other'))
  const node = await startNode(t, join(folder, 'node'))
  await known(node, a, b)
  const refused = await fetched(node, join(folder, 'fetched'))
  t.match(refused.lines.at(-1), { code: 'UNTRUSTED' })
  const [conflict, summary] = await conflictsOf(node)
  t.match(conflict, {
    type: 'conflict',
    subject: PURL,
    kind: 'publishers',
    policy: 'manual',
    by: 'nothing',
    chosen: [],
  })
  const candidates = conflict?.['candidates'] as { record: string; publisher: string; signatures: unknown[] }[]
  t.strictSame(candidates.map(({ record }) => record).sort(), [one, other].sort())
  t.ok(
    candidates.every(({ signatures }) => signatures.length === 1),
    'with what proves it',
  )
  t.match(summary, { type: 'summary', conflicts: 1, open: 1 })
  const resolved = await node.run('conflicts', 'resolve', PURL, '--publisher', await publisherOf(b))
  t.match(resolved.lines, [{ type: 'resolved', purl: PURL }])
  t.match(await conflictsOf(node), [{ by: 'pin', chosen: [other] }, { open: 0 }])
  t.equal((await fetched(node, join(folder, 'fetched'))).status, 0)
  await node.stop()

  const env = { CATALOG_CONFLICT_POLICY: 'keep-both generic/ro*=newest' }
  const ruled = await startNode(t, join(folder, 'ruled'), { env })
  await known(ruled, a, b)
  t.equal((await fetched(ruled, join(folder, 'by-rule'))).status, 0)
  t.match(await conflictsOf(ruled), [{ policy: 'newest', by: 'policy', chosen: [other] }, { open: 0 }])

  await a.run('attest', `${PURL}@1.0.0`)
  const judge = { CATALOG_CONFLICT_POLICY: 'consensus', CATALOG_CONFLICT_ATTESTERS: await publisherOf(a) }
  await a.stop()
  const strict = await startNode(t, join(folder, 'a'), { env: judge })
  await known(strict, b)
  await strict.run('untrust', PURL)
  t.equal((await fetched(strict, join(folder, 'attested'))).status, 0)
})

test('a publisher that signs one version twice is shown with both signatures', async (t) => {
  const folder = t.testdir({ one: 'one', other: 'other' })
  const first = await publish(join(folder, 'a'), join(folder, 'one'))
  // A copy of its keys, as where a backup was restored beside it.
  await cp(join(folder, 'a/keys'), join(folder, 'b/keys'), { recursive: true })
  await rm(join(folder, 'b/keys/node.key'), { force: true })
  const records = [first, await publish(join(folder, 'b'), join(folder, 'other'))]
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startNode(t, join(folder, name))))
  if (!a || !b) throw new Error('both are started')
  const node = await startNode(t, join(folder, 'node'))
  await known(node, a, b)
  const refused = async () => (await fetched(node, join(folder, 'second'))).lines.at(-1)
  t.match(await refused(), { code: 'UNTRUSTED', hint: /conflicts show/ })
  const [conflict] = await conflictsOf(node)
  t.match(conflict, { subject: `${PURL}@1.0.0`, kind: 'contradiction', by: 'nothing' })
  const candidates = conflict?.['candidates'] as { record: string; publisher: string }[]
  t.strictSame(candidates.map(({ record }) => record).sort(), records.sort())
  t.equal(new Set(candidates.map(({ publisher }) => publisher)).size, 1)
  const chosen = records[1] as string
  t.equal((await node.run('conflicts', 'resolve', `${PURL}@1.0.0`, '--record', chosen.slice(0, 12))).status, 0)
  t.match(await conflictsOf(node), [{ by: 'resolution', chosen: [chosen] }, { open: 0 }])
  t.match((await fetched(node, join(folder, 'second'))).lines.at(-1), { type: 'fetched' })
})
