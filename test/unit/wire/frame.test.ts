import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { KiB } from '../../../src/base/units.ts'
import { decodeCanonicalCbor, encodeCbor } from '../../../src/model/cbor.ts'
import { encodeFrame, FrameReader } from '../../../src/wire/frame.ts'
import { BLOB, HAVE, HELLO, RECORDS, SEARCH } from '../../../src/wire/messages.ts'
import { SYNC } from '../../../src/wire/sync-messages.ts'

interface Vectors {
  lengths: { length: number; header: string }[]
  messages: { name: string; of?: string; frame: string; json: unknown }[]
  refused: { name: string; maxBytes: number; bytes: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/frames.json', import.meta.url), 'utf8'))

/** `{"bytes": hex}` stands for a byte string. */
function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes)
  if (typeof value !== 'object' || value === null) return value
  const { bytes } = value as { bytes?: unknown }
  if (typeof bytes === 'string') return fromHex(bytes)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withBytes(item)]))
}

test('writes lengths as the vectors say', async (t) => {
  for (const { length, header } of vectors.lengths) {
    const frame = encodeFrame(new Uint8Array(length).fill(7))
    t.equal(toHex(frame.subarray(0, frame.length - length)), header, `${length} bytes`)
  }
})

test('messages are the vectors, both ways', async (t) => {
  for (const { name, frame, json } of vectors.messages) {
    const bytes = fromHex(frame) as Uint8Array
    t.equal(toHex(encodeFrame(encodeCbor(withBytes(json)))), frame, name)
    const reader = new FrameReader(KiB)
    reader.push(bytes)
    t.same(decodeCanonicalCbor(reader.next() as Uint8Array), withBytes(json), name)
    t.equal(reader.pending, 0)
  }
})

test('requests and replies of the vectors are what each protocol takes', async (t) => {
  const protocols = [HELLO, RECORDS, SEARCH, BLOB, HAVE, SYNC]
  const seen = new Set<string>()
  for (const { name, of, json } of vectors.messages) {
    const protocol = protocols.find(({ id }) => id === of)
    if (!protocol) continue
    const message = withBytes(json) as { item?: unknown }
    const part = 'item' in message ? 'reply' : 'request'
    t.strictSame(protocol[part].parse(message.item ?? message), message.item ?? message, name)
    seen.add(`${of} ${part}`)
  }
  // A hello is answered by a hello.
  t.equal(seen.size, 2 * protocols.length - 1)
})

test('refuses bad lengths, and stays failed', async (t) => {
  for (const { name, maxBytes, bytes } of vectors.refused) {
    const reader = new FrameReader(maxBytes)
    reader.push(fromHex(bytes) as Uint8Array)
    t.throws(() => reader.next(), { code: 'PEER_PROTOCOL' }, name)
    reader.push(encodeFrame(new Uint8Array(1)))
    t.throws(() => reader.next(), { code: 'PEER_PROTOCOL' }, `${name}, again`)
  }
})

test('cuts the same frames from any chunks', async (t) => {
  const seed = 20_260_101
  t.comment(`seed ${seed}`)
  const random = seededRandom(seed)
  const lengths = [0, 1, 127, 128, 5_000, 70_000, 200_000, 0, 3]
  const payloads = lengths.map((length) => random.bytes(length))
  const stream = concatBytes(...payloads.map(encodeFrame))
  for (const largest of [1, 7, 4096, 100_000, stream.length]) {
    const reader = new FrameReader(256 * KiB)
    const frames: Uint8Array[] = []
    for (let at = 0; at < stream.length; ) {
      const chunk = stream.slice(at, at + 1 + Math.floor(random.fraction() * largest))
      at += chunk.length
      reader.push(chunk)
      for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame)
    }
    t.equal(reader.pending, 0)
    t.equal(frames.length, payloads.length)
    t.ok(
      frames.every((frame, i) => Buffer.compare(frame, payloads[i] as Uint8Array) === 0),
      `chunks of up to ${largest} bytes`,
    )
  }
})

test('tells how many bytes wait', async (t) => {
  const reader = new FrameReader(100)
  const frame = encodeFrame(new Uint8Array(10))
  reader.push(frame.subarray(0, 4))
  t.equal(reader.next(), undefined)
  t.equal(reader.pending, 3)
  reader.push(concatBytes(frame.subarray(4), frame))
  t.equal(reader.next()?.length, 10)
  t.equal(reader.pending, 11)
  t.equal(reader.next()?.length, 10)
  t.equal(reader.pending, 0)
})
