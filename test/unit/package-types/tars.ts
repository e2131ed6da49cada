// Tars for tests: whole ones from tar-stream, an independent writer, and raw blocks for what no writer makes.
import { buffer } from 'node:stream/consumers'
import { type Header, pack } from 'tar-stream'

/** A content, or a content with header fields; `name` is the key. */
export type Entries = Readonly<Record<string, string | Buffer | Partial<Header>>>

/** The tar's bytes, end mark included. */
export async function tarOf(entries: Entries): Promise<Buffer> {
  const tar = pack()
  for (const [name, given] of Object.entries(entries)) {
    if (typeof given === 'string' || Buffer.isBuffer(given)) tar.entry({ name }, given)
    else tar.entry({ name, ...given })
  }
  tar.finalize()
  return buffer(tar)
}

export interface RawHeader {
  name?: string
  flag?: string
  size?: number | string | Buffer
  mode?: string
  magic?: string
  prefix?: string
}

/** One header block with a right checksum, its fields as given. */
export function rawHeader({ name = 'x', flag = '0', size = 0, mode = '0000644', ...rest }: RawHeader): Buffer {
  const { magic = 'ustar\x0000', prefix = '' } = rest
  const block = Buffer.alloc(512)
  block.write(name, 0, 100)
  block.write(mode, 100, 8)
  if (Buffer.isBuffer(size)) size.copy(block, 124)
  else block.write(typeof size === 'string' ? size : size.toString(8).padStart(11, '0'), 124, 12)
  block.write(flag, 156, 1)
  block.write(magic, 257, 8)
  block.write(prefix, 345, 155)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8)
  return block
}

/** A header and its content, padded. */
export function rawEntry(header: RawHeader, content: string | Buffer = ''): Buffer {
  const body = Buffer.from(content)
  return Buffer.concat([
    rawHeader({ size: body.length, ...header }),
    body,
    Buffer.alloc((512 - (body.length % 512)) % 512),
  ])
}

/** A pax record: its length counts itself. */
export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  while (length !== Buffer.byteLength(rest) + String(length).length)
    length = Buffer.byteLength(rest) + String(length).length
  return `${length}${rest}`
}

export const END = Buffer.alloc(1024)
