// Rows that are written and read most are kept as bytes of their own: what a general encoding says of their shape
// again and again costs more than the rest of them. FORMAT.md shows the bytes.
import type { FeedRow, SlotEntry, UsageRow } from './tables.ts'

/** How the database turns a row into bytes and back; the shape is lmdb's own. */
export interface RowCodec<V> {
  /** Have a copy to decode: what is decoded may go on pointing into it. */
  readonly needsStableBuffer: true
  encode(row: V): Uint8Array
  decode(bytes: Uint8Array): V
}

const ID_BYTES = 32
const SEQ_BYTES = 8
const ENTRY_BYTES = ID_BYTES + SEQ_BYTES
/** Counts stop there. */
const COUNT_MAX = 2 ** 32 - 1

/** Entries one behind the other: id ‖ u64be of seq + 1, 0 where there is none. */
export const slotCodec: RowCodec<SlotEntry[]> = {
  needsStableBuffer: true,
  encode(entries) {
    const bytes = Buffer.allocUnsafe(entries.length * ENTRY_BYTES)
    entries.forEach(({ id, seq }, index) => {
      const at = index * ENTRY_BYTES
      bytes.set(id, at)
      const number = seq === undefined ? 0 : seq + 1
      bytes.writeUInt32BE(Math.floor(number / 2 ** 32), at + ID_BYTES)
      bytes.writeUInt32BE(number % 2 ** 32, at + ID_BYTES + 4)
    })
    return bytes
  },
  decode(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return Array.from({ length: bytes.length / ENTRY_BYTES }, (_, index) => {
      const at = index * ENTRY_BYTES
      const number = view.getUint32(at + ID_BYTES) * 2 ** 32 + view.getUint32(at + ID_BYTES + 4)
      const id = bytes.subarray(at, at + ID_BYTES)
      return number === 0 ? { id } : { id, seq: number - 1 }
    })
  },
}

const OPS = ['add', 'remove'] as const

/** u8 op (0 add, 1 remove) ‖ id ‖ audience, signer, kind and subject, each as u16be length ‖ UTF-8. */
export const feedCodec: RowCodec<FeedRow> = {
  needsStableBuffer: true,
  encode({ op, id, audience, signer, kind, subject }) {
    const texts = [audience, signer, kind, subject]
    const longest = texts.reduce((sum, text) => sum + 2 + 3 * text.length, 1 + ID_BYTES)
    const bytes = Buffer.allocUnsafe(longest)
    bytes[0] = OPS.indexOf(op)
    bytes.set(id, 1)
    let at = 1 + ID_BYTES
    for (const text of texts) {
      const length = bytes.write(text, at + 2)
      bytes.writeUInt16BE(length, at)
      at += 2 + length
    }
    return bytes.subarray(0, at)
  },
  decode(bytes) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 1 + ID_BYTES
    const text = () => {
      const length = buffer.readUInt16BE(at)
      at += 2 + length
      return buffer.toString('utf8', at - length, at)
    }
    const [audience, signer, kind, subject] = [text(), text(), text(), text()]
    return { op: OPS[buffer[0] ?? 0] ?? 'add', id: bytes.subarray(1, 1 + ID_BYTES), audience, signer, kind, subject }
  },
}

/** f64be hour, day and month ‖ u64be at ‖ u32be fetches ‖ u32be installs. */
export const usageCodec: RowCodec<UsageRow> = {
  needsStableBuffer: true,
  encode({ hour, day, month, at, fetches, installs }) {
    const bytes = Buffer.alloc(40)
    for (const [index, sum] of [hour, day, month].entries()) bytes.writeDoubleBE(sum, 8 * index)
    bytes.writeBigUInt64BE(BigInt(Math.round(at)), 24)
    bytes.writeUInt32BE(Math.min(fetches, COUNT_MAX), 32)
    bytes.writeUInt32BE(Math.min(installs, COUNT_MAX), 36)
    return bytes
  },
  decode(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const [hour, day, month] = [view.getFloat64(0), view.getFloat64(8), view.getFloat64(16)]
    const at = Number(view.getBigUint64(24))
    return { hour, day, month, at, fetches: view.getUint32(32), installs: view.getUint32(36) }
  },
}
