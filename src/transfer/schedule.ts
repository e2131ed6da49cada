// A schedule of rates: which of them hold on which days and at which times, by the local time of the machine.
import { CatalogError } from '../base/errors.ts'
import { SCHEDULE_LENGTH_MAX, SCHEDULE_WINDOWS_MAX } from '../base/limits.ts'
import { parseRate } from '../base/units.ts'

/** Rates that are other than what holds otherwise: bytes a second, infinity for no limit. */
export interface RateChanges {
  readonly up?: number | undefined
  readonly down?: number | undefined
  readonly perPeer?: number | undefined
}

interface Window {
  /** By day of the week, Sunday first, whether it begins then. */
  readonly days: readonly boolean[]
  /** Minutes since midnight; one that ends before it begins ends on the next day. */
  readonly from: number
  readonly to: number
  readonly rates: RateChanges
}

export type Schedule = readonly Window[]

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const DAY_MINUTES = 24 * 60
const RATE_NAMES = new Map<string, keyof RateChanges>([
  ['up', 'up'],
  ['down', 'down'],
  ['per-peer', 'perPeer'],
])

/**
 * @param text - parts separated by `;`, each `[DAYS] HH:MM-HH:MM RATE…`: days as `mon-fri`, `sat,sun` or `daily`, which
 *   may be left out; rates as `up=1MB/s`, `down=…`, `per-peer=…`
 * @throws CatalogError `USAGE` with what is wrong
 */
export function parseSchedule(text: string): Schedule {
  if (text.length > SCHEDULE_LENGTH_MAX) throw wrong('it', `is longer than ${SCHEDULE_LENGTH_MAX} characters`)
  const parts = text.split(';').filter((part) => part.trim() !== '')
  if (parts.length === 0) throw wrong('it', 'is empty')
  if (parts.length > SCHEDULE_WINDOWS_MAX) throw wrong('it', `has more than ${SCHEDULE_WINDOWS_MAX} parts`)
  return parts.map(parseWindow)
}

/** What holds at a moment; of several windows that say something about a rate, the first in the schedule decides. */
export function ratesAt(schedule: Schedule, at: Date): RateChanges {
  const minute = at.getHours() * 60 + at.getMinutes()
  const holds = ({ days, from, to }: Window) => {
    if (from < to) return days[at.getDay()] && from <= minute && minute < to
    return (days[at.getDay()] && from <= minute) || (days[(at.getDay() + 6) % 7] && minute < to)
  }
  const now = schedule.filter(holds).reverse()
  return Object.assign({}, ...now.map(({ rates }) => rates))
}

function parseWindow(part: string): Window {
  const words = part
    .trim()
    .toLowerCase()
    .replace(/(=\s*[\d.]+)\s+(?=[kmgtb])/g, '$1')
    .split(/\s+/)
  const days = /^[a-z]/.test(words[0] ?? '') ? parseDays(words.shift() ?? '') : DAYS.map(() => true)
  const [from, to] = parseTimes(words.shift() ?? '')
  if (words.length === 0) throw wrong(`"${part.trim()}"`, 'names no rate')
  const rates: Record<string, number> = {}
  for (const word of words) {
    const [name = '', value = '', ...more] = word.split('=')
    const key = RATE_NAMES.get(name)
    const rate = parseRate(value)
    if (!key || rate === undefined || more.length > 0) throw wrong(`"${word}"`, 'is no rate such as up=1MB/s')
    rates[key] = rate
  }
  return { days, from, to, rates }
}

function parseDays(text: string): boolean[] {
  const days = DAYS.map(() => text === 'daily')
  if (text === 'daily') return days
  for (const range of text.split(',')) {
    const [first = '', last = first, ...more] = range.split('-')
    const [from, to] = [DAYS.indexOf(first), DAYS.indexOf(last)]
    if (from < 0 || to < 0 || more.length > 0) throw wrong(`"${text}"`, 'names no days such as mon-fri')
    for (let day = from; ; day = (day + 1) % 7) {
      days[day] = true
      if (day === to) break
    }
  }
  return days
}

function parseTimes(text: string): [from: number, to: number] {
  const match = /^(\d{1,2}):([0-5]\d)-(\d{1,2}):([0-5]\d)$/.exec(text) ?? []
  const [hours = 24, minutes = 0, endHours = 24, endMinutes = 0] = match.slice(1).map(Number)
  const [from, to] = [hours * 60 + minutes, endHours * 60 + endMinutes]
  if (from >= DAY_MINUTES || to > DAY_MINUTES || from === to) throw wrong(`"${text}"`, 'is no time such as 08:00-18:00')
  return [from, to]
}

function wrong(what: string, why: string): CatalogError {
  return new CatalogError('USAGE', `The schedule is not right: ${what} ${why}.`, {
    hint: 'A schedule looks like: mon-fri 08:00-18:00 up=1MB/s down=2MB/s; sat,sun 00:00-24:00 up=unlimited',
  })
}
