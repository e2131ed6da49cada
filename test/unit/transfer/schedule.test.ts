import { test } from 'tap'
import { parseSchedule, ratesAt } from '../../../src/transfer/schedule.ts'

/** Local time; 4 January 2026 is a Sunday. */
const at = (day: number, time: string) => {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return new Date(2026, 0, 4 + day, hours, minutes)
}
const SUNDAY = 0
const MONDAY = 1
const FRIDAY = 5
const SATURDAY = 6

test('rates hold on their days, from the first minute to the one before the last', async (t) => {
  const schedule = parseSchedule('mon-fri 08:00-18:00 up=1MB/s')
  for (const day of [MONDAY, FRIDAY]) {
    t.same(ratesAt(schedule, at(day, '7:59')), {})
    t.same(ratesAt(schedule, at(day, '8:00')), { up: 1_000_000 })
    t.same(ratesAt(schedule, at(day, '17:59')), { up: 1_000_000 })
    t.same(ratesAt(schedule, at(day, '18:00')), {})
  }
  for (const day of [SUNDAY, SATURDAY]) t.same(ratesAt(schedule, at(day, '12:00')), {})
})

test('days may be listed, wrap around the week, or be left out', async (t) => {
  const daysOf = (text: string) => {
    const schedule = parseSchedule(`${text} 00:00-24:00 up=1`)
    return [0, 1, 2, 3, 4, 5, 6].filter((day) => ratesAt(schedule, at(day, '12:00')).up === 1).join('')
  }
  t.equal(daysOf('sat,sun'), '06')
  t.equal(daysOf('Fri-Mon'), '0156')
  t.equal(daysOf('tue,thu-fri'), '245')
  t.equal(daysOf('daily'), '0123456')
  t.equal(daysOf(''), '0123456')
})

test('what ends before it begins ends on the next day', async (t) => {
  const schedule = parseSchedule('fri 22:00-06:00 up=unlimited')
  t.same(ratesAt(schedule, at(FRIDAY, '21:59')), {})
  t.same(ratesAt(schedule, at(FRIDAY, '22:00')), { up: Number.POSITIVE_INFINITY })
  t.same(ratesAt(schedule, at(SATURDAY, '5:59')), { up: Number.POSITIVE_INFINITY })
  t.same(ratesAt(schedule, at(SATURDAY, '6:00')), {})
  t.same(ratesAt(schedule, at(FRIDAY, '5:00')), {})
})

test('of parts that overlap the first decides, for each rate', async (t) => {
  const schedule = parseSchedule('mon 08:00-12:00 up=1 per-peer=2 ; 00:00-24:00 up=3 down=4 MB/s')
  t.same(ratesAt(schedule, at(MONDAY, '9:00')), { up: 1, perPeer: 2, down: 4_000_000 })
  t.same(ratesAt(schedule, at(MONDAY, '13:00')), { up: 3, down: 4_000_000 })
})

test('what is wrong is named', async (t) => {
  for (const [text, message] of [
    ['', /empty/],
    [' ; ', /empty/],
    ['08:00-18:00', /names no rate/],
    ['mon-fri up=1', /"up=1" is no time/],
    ['mo-fr 08:00-18:00 up=1', /"mo-fr" names no days/],
    ['mon-wed-fri 08:00-18:00 up=1', /names no days/],
    ['08:00-08:00 up=1', /is no time/],
    ['24:00-08:00 up=1', /is no time/],
    ['08:00-24:01 up=1', /is no time/],
    ['08:60-09:00 up=1', /is no time/],
    ['08:00-18:00 up', /"up" is no rate/],
    ['08:00-18:00 up=0', /is no rate/],
    ['08:00-18:00 left=1', /is no rate/],
    ['08:00-18:00 up=1=2', /is no rate/],
    [`${'00:00-24:00 up=1;'.repeat(65)}`, /more than 64 parts/],
    ['x'.repeat(5000), /longer than/],
  ] as const) {
    t.throws(() => parseSchedule(text), { code: 'USAGE', message, hint: /mon-fri/ }, text.slice(0, 30))
  }
})
