// The bulk plane's bytes by the letter of src/wire/WIRE.md §8, plainly and without regard to speed, and the vectors made
// of them. Run it by itself (`node test/reference/bulk.ts`) after a change of the protocol.
import { writeFileSync } from 'node:fs'
import { base58btc } from 'multiformats/bases/base58'

interface Request {
  readonly outline: boolean
  readonly data: boolean
  /** Hexadecimal, as all byte strings of the vectors. */
  readonly root: string
  readonly release: string
  readonly first: number
  readonly count: number
}

function request({ outline, data, root, release, first, count }: Request): string {
  const bytes = Buffer.alloc(76)
  bytes[0] = 1
  bytes[1] = (outline ? 1 : 0) + (data ? 2 : 0)
  Buffer.from(root, 'hex').copy(bytes, 4)
  Buffer.from(release, 'hex').copy(bytes, 36)
  bytes.writeUInt32BE(first, 68)
  bytes.writeUInt32BE(count, 72)
  return bytes.toString('hex')
}

function head(size: number): string {
  const bytes = Buffer.alloc(9)
  bytes.writeBigUInt64BE(BigInt(size), 1)
  return bytes.toString('hex')
}

/** How many bytes of ids and of chunks follow the head; nothing when the range is not within the blob. */
function contents({ outline, data, first, count }: Request, size: number): { ids: number; bytes: number } | null {
  if (first + count > Math.ceil(size / 65_536)) return null
  const end = Math.min(size, (first + count) * 65_536)
  return { ids: outline ? count * 32 : 0, bytes: data ? end - first * 65_536 : 0 }
}

function peerId(key: string): string {
  return base58btc.baseEncode(Buffer.concat([Buffer.from('002408011220', 'hex'), Buffer.from(key, 'hex')]))
}

const STATUS = [
  { status: 1, code: 'NOT_FOUND' },
  { status: 2, code: 'REFUSED' },
  { status: 3, code: 'PEER_BUSY' },
  { status: 4, code: 'LIMIT_EXCEEDED' },
  { status: 5, code: 'PEER_PROTOCOL' },
  { status: 6, code: 'INTERNAL' },
  { status: 7, code: 'INTERNAL' },
  { status: 255, code: 'INTERNAL' },
]

const ids = (byte: number) => ({ root: byte.toString(16).padStart(2, '0').repeat(32), release: 'a5'.repeat(32) })
const REQUESTS: (Request & { sizes: number[] })[] = [
  { outline: true, data: false, ...ids(0), first: 0, count: 1, sizes: [0, 1, 65_536, 65_537] },
  { outline: false, data: true, ...ids(1), first: 1, count: 2, sizes: [131_072, 131_073, 196_607, 196_608, 1_000_000] },
  { outline: true, data: true, ...ids(255), first: 0, count: 16, sizes: [983_040, 983_041, 1_048_576] },
  { outline: false, data: true, ...ids(16), first: 1_048_575, count: 1, sizes: [68_719_411_201, 68_719_476_736] },
]

/** Requests that must be refused, by what is wrong with them. */
function malformed(): { wrong: string; bytes: string }[] {
  const good = Buffer.from(request({ outline: true, data: true, ...ids(2), first: 0, count: 1 }), 'hex')
  const changed = (wrong: string, change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(good)
    change(bytes)
    return { wrong, bytes: bytes.toString('hex') }
  }
  return [
    changed('version 0', (bytes) => bytes.writeUInt8(0, 0)),
    changed('version 2', (bytes) => bytes.writeUInt8(2, 0)),
    changed('nothing wanted', (bytes) => bytes.writeUInt8(0, 1)),
    changed('an unknown flag', (bytes) => bytes.writeUInt8(7, 1)),
    changed('the first reserved byte', (bytes) => bytes.writeUInt8(1, 2)),
    changed('the second reserved byte', (bytes) => bytes.writeUInt8(128, 3)),
    changed('no chunks', (bytes) => bytes.writeUInt32BE(0, 72)),
    changed('beyond the longest blob', (bytes) => bytes.writeUInt32BE(2 ** 20, 68)),
    changed('more than the longest blob', (bytes) => bytes.writeUInt32BE(2 ** 20 + 1, 72)),
    changed('a sum beyond 32 bits', (bytes) => bytes.fill(0xff, 68)),
  ]
}

/** `bulk.json`. */
export function bulkVectors(): string {
  const keys = ['00'.repeat(32), 'ff'.repeat(32), 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a']
  const vectors = {
    about:
      'The bulk plane of src/wire/WIRE.md. Byte strings are hexadecimal; contents are null when the range is not there.',
    requests: REQUESTS.map(({ sizes, ...fields }) => ({
      ...fields,
      bytes: request(fields),
      replies: sizes.map((size) => ({ size, head: head(size), contents: contents(fields, size) })),
    })),
    malformed: malformed(),
    statuses: STATUS,
    peers: keys.map((key) => ({ key, id: peerId(key) })),
  }
  return `${JSON.stringify(vectors, undefined, 2)}\n`
}

if (import.meta.main) writeFileSync(new URL('../vectors/bulk.json', import.meta.url), bulkVectors())
