import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { countingNotice, settledNotice } from '../../../src/model/notice.ts'
import { numberedOf, publisherOf } from './made.ts'

const PURL = 'pkg:npm/parser@1.0.0'

test('of two notices with one number one counts, the later one, or both together', async (t) => {
  const publisher = publisherOf(1)
  const said = (message: string, at: number, seq = 1) =>
    numberedOf(publisher, 'deprecation', PURL, seq, { message }, { at })
  const [early, late] = [said('it leaks', 1), said('it loses data', 2)]
  const smaller = toHex(early.id) < toHex(late.id) ? early : late
  for (const all of [
    [early, late],
    [late, early],
  ]) {
    t.equal(countingNotice(all), smaller, 'by itself the smaller id')
    t.equal(countingNotice(all, 'newest'), late)
    t.strictSame(new Set(settledNotice(all, 'merge')?.message.split('; ')), new Set(['it leaks', 'it loses data']))
    t.equal(settledNotice(all, 'newest')?.message, 'it loses data')
  }
  const higher = said('', 0, 2)
  t.equal(countingNotice([early, late, higher], 'newest'), higher, 'a number goes before every time')
  t.equal(settledNotice([early, late, higher], 'merge')?.message, '', 'and before what had a lower one')
  t.equal(settledNotice([], 'merge'), undefined)
})

test('what was withdrawn by one of two is withdrawn', async (t) => {
  const publisher = publisherOf(1)
  const said = (withdrawn: boolean) => numberedOf(publisher, 'withdrawal', PURL, 1, { withdrawn }, { at: 1 })
  t.equal(settledNotice([said(true), said(false)], 'merge')?.withdrawn, true)
})
