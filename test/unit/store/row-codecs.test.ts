// Rows as FORMAT.md shows them: the very bytes, and what random rows come back as.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { test } from 'tap'
import { fromHex, toHex } from '../../../src/base/bytes.ts'
import { feedCodec, slotCodec, usageCodec } from '../../../src/store/row-codecs.ts'
import type { FeedRow, SlotEntry, UsageRow } from '../../../src/store/tables.ts'

interface Vectors {
  slots: { entries: { id: string; seq?: number }[]; bytes: string }[]
  feed: { row: Omit<FeedRow, 'id'> & { id: string }; bytes: string }[]
  usage: { row: UsageRow; bytes: string }[]
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/rows.json', import.meta.url), 'utf8'))

const id = fc.uint8Array({ minLength: 32, maxLength: 32 })
const text = fc.string({ maxLength: 80, unit: 'binary' })
const slot = fc.array(
  fc.record({ id, seq: fc.option(fc.maxSafeNat(), { nil: undefined }) }, { requiredKeys: ['id'] }),
  { maxLength: 2 },
)
const feed = fc.record({
  op: fc.constantFrom('add' as const, 'remove' as const),
  id,
  audience: text,
  signer: text,
  kind: text,
  subject: text,
})

/** As the database hands bytes out: somewhere in a larger buffer. */
const handedOut = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.alloc(5), bytes, Buffer.alloc(3)]).subarray(5, 5 + bytes.length)

const plain = ({ id, seq }: SlotEntry) => ({ id: toHex(id), seq })
const named = (row: FeedRow) => ({ ...row, id: toHex(row.id) })

test('slots are the bytes of the format', async (t) => {
  for (const { entries, bytes } of vectors.slots) {
    const rows = entries.map(({ id, ...rest }) => ({ id: fromHex(id) as Uint8Array, ...rest }))
    t.equal(toHex(slotCodec.encode(rows)), bytes)
    t.strictSame(slotCodec.decode(handedOut(fromHex(bytes) as Uint8Array)).map(plain), rows.map(plain))
  }
})

test('feed rows are the bytes of the format', async (t) => {
  for (const { row, bytes } of vectors.feed) {
    const given = { ...row, id: fromHex(row.id) } as FeedRow
    t.equal(toHex(feedCodec.encode(given)), bytes)
    t.strictSame(named(feedCodec.decode(handedOut(fromHex(bytes) as Uint8Array))), named(given))
  }
})

test('rows of usage are the bytes of the format', async (t) => {
  for (const { row, bytes } of vectors.usage) {
    t.equal(toHex(usageCodec.encode(row)), bytes)
    t.strictSame(usageCodec.decode(handedOut(fromHex(bytes) as Uint8Array)), row)
  }
  const [row] = vectors.usage
  const many = usageCodec.encode({ ...(row as (typeof vectors.usage)[0]).row, fetches: 2 ** 40 })
  t.equal(usageCodec.decode(many).fetches, 2 ** 32 - 1, 'counts stop at their end')
})

test('every row comes back as it was', async (t) => {
  fc.assert(
    fc.property(slot, (entries) => {
      const back = slotCodec.decode(handedOut(slotCodec.encode(entries)))
      return JSON.stringify(back.map(plain)) === JSON.stringify(entries.map(plain))
    }),
  )
  fc.assert(
    fc.property(feed, (row) => {
      const wellFormed = { ...row, subject: row.subject.toWellFormed(), signer: row.signer.toWellFormed() }
      const given = { ...wellFormed, audience: row.audience.toWellFormed(), kind: row.kind.toWellFormed() }
      return (
        JSON.stringify(named(feedCodec.decode(handedOut(feedCodec.encode(given))))) === JSON.stringify(named(given))
      )
    }),
  )
  t.pass('rows and changes of the feed')
})
