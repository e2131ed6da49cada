// A provider whose disk has rotted: what it sends is refused, it is named, and nothing of it is kept.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { listen } from '../../src/base/events.ts'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { CatalogNode } from '../../src/index.ts'
import { HEADER_BYTES } from '../../src/store/extent.ts'
import { connected, sha256Of, slowUpload, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const BYTES = 24_000_000
const SLOW = slowUpload('1 MB/s')
const PACK = 'packs/00000001.pack'
/** 128 MiB, and of each thousand chunks the one in its middle. */
const CHUNKS = 2_048
const BAD_CHUNKS = [500, 1_500]

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

test('a provider of which one chunk in a thousand is bad is found out, and left for a sound one', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'sparse.bin')
  writeSparse(file)
  const open = (name: string, env = {}) => startNode(t, join(folder, name), { env })
  const [sound, rotten] = await Promise.all([open('sound', SLOW), open('rotten')])
  const published = await sound.run('publish', file, '--type', 'generic', '--version', '1.0.0')
  const purl = String(published.lines[0]?.['purl'])
  await connected(rotten, sound)
  t.match(await sound.run('limits', '--up', 'unlimited'), { status: 0 })
  t.match(await rotten.run('pin', purl), { status: 0 })
  for (const chunk of BAD_CHUNKS) flipByte(rotten, chunk)

  const options = { dataDir: join(folder, 'node'), host: '127.0.0.1', controlPort: 0, bulkPort: 0, mdns: false }
  await using node = await CatalogNode.open(options)
  await node.start()
  for (const { address } of [sound, rotten]) await node.sharing.connectPeer(address)
  // So slow that nearly all is asked of the other one, until it is found out.
  t.match(await sound.run('limits', '--clear'), { status: 0 })
  const found = Promise.withResolvers<{ peer: string; chunk: number }>()
  t.teardown(listen('catalog:corrupt', found.resolve))
  const output = join(folder, 'fetched.bin')
  const fetching = node.sharing.fetchPackage(purl, output)
  const { peer, chunk } = await found.promise
  t.equal(peer, rotten.peerId)
  t.ok(BAD_CHUNKS.includes(chunk), `chunk ${chunk}`)
  t.match(await sound.run('limits', '--up', 'unlimited'), { status: 0 })
  const { failures, sources } = await fetching
  const ofRotten = failures.find(({ peer }) => peer === rotten.peerId)
  t.match(ofRotten, { code: 'BLOB_CORRUPT' })
  t.comment(sources.map(({ peer, bytes }) => `${bytes} of ${peer === rotten.peerId ? 'rotten' : 'sound'}`).join(', '))
  t.equal(await sha256Of(output), await sha256Of(file))
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
  const pack = join(dataDir, PACK)
  const bytes = readFileSync(pack)
  for (let i = HEADER_BYTES; i < HEADER_BYTES + BYTES; i++) bytes[i] = (bytes[i] as number) ^ 0xff
  writeFileSync(pack, bytes)
}

/** A byte of a chunk of the one blob a node keeps. */
function flipByte({ dataDir }: TestNode, chunk: number): void {
  const file = openSync(join(dataDir, PACK), 'r+')
  const byte = Buffer.alloc(1)
  const at = HEADER_BYTES + chunk * CHUNK_BYTES + 7
  readSync(file, byte, 0, 1, at)
  writeSync(file, Buffer.of(byte.readUInt8() ^ 1), 0, 1, at)
  closeSync(file)
}

/** A file with holes, no chunk of which is like another one. */
function writeSparse(path: string): void {
  const file = openSync(path, 'wx')
  for (let chunk = 0; chunk < CHUNKS; chunk++) writeSync(file, `${chunk}`, chunk * CHUNK_BYTES)
  ftruncateSync(file, CHUNKS * CHUNK_BYTES)
  closeSync(file)
}
