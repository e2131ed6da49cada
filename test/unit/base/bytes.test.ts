import { test } from 'tap'
import { compareBytes, concatBytes, equalBytes, fromHex, sha256, toHex } from '../../../src/base/bytes.ts'

test('hexadecimal is read back, and only in the form it is written', async (t) => {
  const bytes = Uint8Array.of(0, 1, 0xab, 0xff)
  t.equal(toHex(bytes), '0001abff')
  t.same(fromHex('0001abff'), bytes)
  t.same(fromHex('0001abff', 4), bytes)
  t.same(fromHex(''), new Uint8Array(0))
  for (const text of ['0', '001', '0001ABFF', 'zz', '00 1', '0x00', '00\n']) t.equal(fromHex(text), undefined, text)
  t.equal(fromHex('0001', 1), undefined)
  t.equal(fromHex('0001', 3), undefined)
})

test('a view is a string of its own bytes, not of the buffer below', async (t) => {
  const view = Uint8Array.of(9, 1, 2, 9).subarray(1, 3)
  t.equal(toHex(view), '0102')
  t.same(concatBytes(view, view), Uint8Array.of(1, 2, 1, 2))
  t.ok(equalBytes(view, Uint8Array.of(1, 2)))
})

test('order is by bytes, the shorter first', async (t) => {
  t.ok(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0)) < 0)
  t.ok(compareBytes(Uint8Array.of(0xff), Uint8Array.of(1, 0)) > 0)
  t.equal(compareBytes(new Uint8Array(0), new Uint8Array(0)), 0)
})

test('sha256 of nothing', async (t) => {
  t.equal(toHex(sha256(new Uint8Array(0))), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
