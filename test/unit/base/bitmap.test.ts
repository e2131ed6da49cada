import { test } from 'tap'
import { bitmapFor, hasBit, setBit } from '../../../src/base/bitmap.ts'

test('bits are set one by one, least significant first', async (t) => {
  const bitmap = bitmapFor(17)
  t.equal(bitmap.length, 3)
  for (const bit of [0, 7, 8, 16]) setBit(bitmap, bit)
  setBit(bitmap, 8)
  t.same(bitmap, Uint8Array.of(0b1000_0001, 1, 1))
  t.same(
    Array.from({ length: 30 }, (_, bit) => bit).filter((bit) => hasBit(bitmap, bit)),
    [0, 7, 8, 16],
    'there is nothing beyond its end',
  )
})

test('a set of nothing has no bytes', async (t) => {
  t.equal(bitmapFor(0).length, 0)
  t.notOk(hasBit(bitmapFor(0), 0))
})
