// A provider whose disk has rotted: what it sends is refused, it is named, and nothing of it is kept.
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { HEADER_BYTES } from '../../src/store/extent.ts'
import { connected, sha256Of, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const BYTES = 24_000_000

test('bytes of a damaged provider are refused, and a sound one delivers', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, c: {} })
  const { a, c, purl, sha256 } = await soundAndDamaged(t, folder)
  const b = await startNode(t, join(folder, 'b'))
  await connected(b, a)
  await connected(b, c)
  const output = join(folder, 'fetched.bin')
  const { status, lines } = await b.run('fetch', purl, '--output', output)
  t.equal(status, 0)
  const failures = [{ peer: c.peerId, code: 'BLOB_CORRUPT' }]
  t.match(lines.at(-1), {
    type: 'fetched',
    bytes: BYTES,
    sha256,
    failures,
    sources: [{ peer: a.peerId, bytes: BYTES }],
  })
  t.equal(await sha256Of(output), sha256)
  const verified = await b.run('verify')
  t.match({ ...verified, lines: verified.lines.slice(-2) }, { status: 0, lines: [{ ok: true }, { artifacts: 1 }] })
})

test('nothing is kept or written when the only provider is damaged', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, c: {} })
  const { a, c, purl, sha256 } = await soundAndDamaged(t, folder)
  await a.stop()
  const b = await startNode(t, join(folder, 'b'))
  await connected(b, c)
  const before = (await b.run('status')).lines[0]
  const output = join(folder, 'fetched.bin')
  const { status, lines } = await b.run('fetch', purl, '--output', output)
  t.equal(status, 6)
  const details = { failures: [{ peer: c.peerId, code: 'BLOB_CORRUPT' }], heldBytes: 0 }
  t.match(lines.at(-1), { type: 'error', code: 'NO_PROVIDERS', message: new RegExp(c.peerId), details })
  t.notOk(existsSync(output))
  t.equal((await b.run('status')).lines[0]?.['blobs'], before?.['blobs'])
  t.match(await b.run('verify'), { status: 0, lines: [{ type: 'summary', artifacts: 0 }] })

  // The damaged node finds the damage itself, sets the file aside and serves no more of it.
  const found = await c.run('verify')
  t.equal(found.status, 4)
  t.match(found.lines.slice(-3), [{ ok: false }, { damaged: 1 }, { code: 'BLOB_CORRUPT' }])
  const again = await b.run('fetch', purl, '--output', output)
  t.match(again.lines.at(-1), { code: 'NO_PROVIDERS', details: { failures: [{ peer: c.peerId, code: 'NOT_FOUND' }] } })
  // With a sound provider back, both become whole.
  const back = await startNode(t, a.dataDir)
  for (const node of [b, c]) {
    await connected(node, back)
    const fetched = await node.run('fetch', purl, '--output', output)
    t.match(fetched.lines.at(-1), { type: 'fetched', sha256 })
    t.equal(await sha256Of(output), sha256)
  }
})

/** A has published a package, C has fetched it from A, and every byte of C's copy has been flipped since. */
async function soundAndDamaged(t: Test, folder: string) {
  const file = join(folder, 'noise.bin')
  writeFileSync(file, randomBytes(BYTES))
  const [a, c] = await Promise.all([startNode(t, join(folder, 'a')), startNode(t, join(folder, 'c'))])
  const published = await a.run('publish', file, '--type', 'generic', '--version', '1.0.0')
  const purl = String(published.lines[0]?.['purl'])
  await connected(c, a)
  t.match(await c.run('fetch', purl, '--output', join(folder, 'first.bin')), { status: 0 })
  t.match(await c.stop(), { status: 0 })
  flipBytes(c)
  const sha256 = await sha256Of(file)
  return { a, c: await startNode(t, c.dataDir), purl, sha256 }
}

/** All bytes of the one blob a node keeps, and nothing that says what they should be. */
function flipBytes({ dataDir }: TestNode): void {
  const pack = join(dataDir, 'packs/00000001.pack')
  const bytes = readFileSync(pack)
  for (let i = HEADER_BYTES; i < HEADER_BYTES + BYTES; i++) bytes[i] = (bytes[i] as number) ^ 0xff
  writeFileSync(pack, bytes)
}
