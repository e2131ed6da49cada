import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { fromHex, sha256, toHex } from '../../../src/base/bytes.ts'
import {
  decodeFooter,
  decodeHeader,
  encodeFooter,
  encodeHeader,
  extentBytes,
  footerBytes,
  HEADER_BYTES,
} from '../../../src/store/extent.ts'

interface Vector {
  size: number
  root: string
  release: string
  sha512: boolean
  header: string
  /** SHA-256 of the whole footer, padding included. */
  footer: string
  bytes: number
}

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../../vectors/extents.json', import.meta.url), 'utf8'))
const made = ({ size, root, release, sha512 }: Pick<Vector, 'size' | 'root' | 'release' | 'sha512'>) => {
  const outline = new Uint8Array(32 * Math.ceil(size / 65_536)).map((_, i) => i & 255)
  const names = { sha256: new Uint8Array(32).fill(3), ...(sha512 && { sha512: new Uint8Array(64).fill(4) }) }
  const header = { size, root: fromHex(root, 32) as Uint8Array }
  return { header, footer: { release: fromHex(release, 32) as Uint8Array, outline, ...names } }
}

test('every byte of header and footer is as it was written once', async (t) => {
  for (const vector of vectors) {
    const { header, footer } = made(vector)
    t.equal(toHex(encodeHeader(header)), vector.header)
    t.equal(toHex(sha256(encodeFooter(header, footer))), vector.footer)
    t.equal(extentBytes(vector.size), vector.bytes)
    t.same(decodeHeader(encodeHeader(header)), header)
    t.same(decodeFooter(header, encodeFooter(header, footer)), footer)
  }
})

test('an extent is padded to 64 bytes', async (t) => {
  for (const size of [0, 1, 16_385, 65_536, 65_537, 2 ** 30]) {
    t.equal(extentBytes(size) % 64, 0)
    t.ok(extentBytes(size) >= HEADER_BYTES + size + footerBytes(size))
    t.ok(extentBytes(size) < HEADER_BYTES + size + footerBytes(size) + 64)
  }
})

test('no changed bit, foreign footer or short piece passes', async (t) => {
  const { header, footer } = made({ size: 70_000, root: '11'.repeat(32), release: '22'.repeat(32), sha512: true })
  const [head, foot] = [encodeHeader(header), encodeFooter(header, footer)]
  for (let at = 0; at < head.length; at++) {
    const bent = Buffer.from(head)
    bent[at] = (bent[at] as number) ^ 0x10
    t.equal(decodeHeader(bent), undefined, `byte ${at} of the header`)
  }
  for (let at = 0; at < footerBytes(header.size); at++) {
    const bent = Buffer.from(foot)
    bent[at] = (bent[at] as number) ^ 0x10
    t.equal(decodeFooter(header, bent), undefined, `byte ${at} of the footer`)
  }
  t.equal(decodeFooter({ ...header, root: new Uint8Array(32) }, foot), undefined, 'another header')
  t.equal(decodeFooter(header, foot.subarray(0, 100)), undefined)
  t.equal(decodeHeader(head.subarray(0, 63)), undefined)
  t.equal(decodeHeader(new Uint8Array(64)), undefined)
})
