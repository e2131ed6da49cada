import { test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import {
  USAGE_DAYS_MAX,
  USAGE_FOLDERS_MAX,
  USAGE_PACKAGES_MAX,
  USAGE_PENDING_MAX,
  USAGE_PENDING_MS,
} from '../../../src/base/limits.ts'
import { DAY_MS, HOUR_MS } from '../../../src/base/units.ts'
import type { Environment } from '../../../src/store/environment.ts'
import { Usage } from '../../../src/store/usage.ts'
import { ManualClock } from '../../manual-clock.ts'
import { openStore } from './opened.ts'

const react = { type: 'npm', name: 'react' }
const named = (name: string) => ({ type: 'npm', name })
const close = (a: number | undefined, b: number) => Math.abs((a ?? Number.NaN) - b) < 1e-9

function commits(environment: Environment): { count: number; next(): Promise<void> } {
  const seen = { count: 0, waiting: Promise.withResolvers<void>() }
  const committed = () => {
    seen.count++
    setImmediate(seen.waiting.resolve)
    seen.waiting = Promise.withResolvers()
  }
  environment.addHook({ beforeCommit: () => undefined, committed, rolledBack: () => undefined })
  return {
    get count() {
      return seen.count
    },
    next: () => seen.waiting.promise,
  }
}

test('uses are counted at once, and fade', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock()
  const usage = new Usage({ environment, clock })
  t.equal(usage.of(react), undefined)
  usage.fetched(react)
  usage.installed(react, '/tmp/a')
  t.match(usage.of(react), { hour: 2, day: 2, month: 2, fetches: 1, installs: 1 })
  await usage.save()
  await clock.advance(HOUR_MS)
  usage.fetched(react)
  await usage.save()
  const faded = usage.of(react)
  t.ok(close(faded?.hour, 2 / Math.E + 1), `${faded?.hour} in the last hour`)
  t.ok(close(faded?.day, 2 * Math.exp(-1 / 24) + 1), `${faded?.day} in the last day`)
  await clock.advance(30 * DAY_MS)
  t.ok(close(usage.of(react)?.month, (2 * Math.exp(-1 / 720) + 1) / Math.E))
  t.match(usage.of(react), { fetches: 2, installs: 1 })
})

test('of steady use, each sum tells how much of it there is in its time', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock()
  const usage = new Usage({ environment, clock })
  for (let times = 0; times < 200 * 4; times++) {
    usage.fetched(react)
    await usage.save()
    await clock.advance(6 * HOUR_MS)
  }
  const { day = 0, month = 0 } = usage.of(react) ?? {}
  t.ok(Math.abs(day - 4) < 1, `${day} a day`)
  t.ok(Math.abs(month - 120) < 2, `${month} in 30 days`)
})

test('many uses share a commit', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock()
  const usage = new Usage({ environment, clock })
  const seen = commits(environment)
  for (let i = 0; i < USAGE_PENDING_MAX - 1; i++) usage.fetched(named(`p${i % 10}`))
  t.equal(seen.count, 0)
  const first = seen.next()
  await clock.advance(USAGE_PENDING_MS)
  await first
  t.equal(seen.count, 1)
  const second = seen.next()
  for (let i = 0; i < USAGE_PENDING_MAX; i++) usage.fetched(react)
  await second
  t.equal(environment.usage.get(['npm', 'react'])?.fetches, USAGE_PENDING_MAX)
  usage.fetched(react)
  await environment.transaction(() => environment.meta.put('another', 1))
  t.equal(environment.usage.get(['npm', 'react'])?.fetches, USAGE_PENDING_MAX + 1, 'with whatever commits next')
})

test('a commit that is undone counts nothing twice and loses nothing', async (t) => {
  const { environment } = await openStore(t)
  const usage = new Usage({ environment, clock: new ManualClock() })
  usage.installed(react, '/tmp/a')
  const fail = () => {
    throw new CatalogError('LIMIT_EXCEEDED', 'no')
  }
  await Promise.allSettled([environment.transaction(() => undefined), environment.transaction(fail)])
  await usage.save()
  t.match(environment.usage.get(['npm', 'react']), { installs: 1, month: 1 })
  t.strictSame(usage.folders(), [[react]])
})

test('what was counted is there after a restart', async (t) => {
  const store = await openStore(t)
  const clock = new ManualClock()
  const usage = new Usage({ environment: store.environment, clock })
  usage.installed(react, '/tmp/a')
  usage.installed(named('vue'), '/tmp/b')
  usage.installed(named('redux'), '/tmp/a')
  await usage.save()
  const { environment } = await store.reopen()
  const after = new Usage({ environment, clock })
  t.match(after.of(react), { installs: 1, month: 1 })
  t.same(
    after.folders().sort((a, b) => b.length - a.length),
    [[react, named('redux')], [named('vue')]],
  )
})

test('each day has its counts, for thirty days', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock(100 * DAY_MS)
  const usage = new Usage({ environment, clock })
  usage.fetched(react)
  usage.fetched(react)
  await usage.save()
  await clock.advance(DAY_MS)
  usage.fetched(named('vue'))
  await usage.save()
  t.strictSame([...usage.dayOf(100)], [{ ...react, count: 2 }])
  t.strictSame([...usage.dayOf(101)], [{ ...named('vue'), count: 1 }])
  await clock.advance(USAGE_DAYS_MAX * DAY_MS)
  usage.fetched(react)
  await usage.save()
  t.strictSame([...usage.dayOf(100)], [])
  t.strictSame([...usage.dayOf(101)], [{ ...named('vue'), count: 1 }])
})

test('of more packages than are counted the rarest go, and of folders the oldest', async (t) => {
  const { environment } = await openStore(t)
  const clock = new ManualClock()
  const usage = new Usage({ environment, clock })
  for (let i = 0; i < 3; i++) usage.installed(react, '/tmp/first')
  await usage.save()
  await clock.advance(1)
  for (let i = 0; i < USAGE_PACKAGES_MAX; i++) usage.installed(named(`p${i}`), `/tmp/${i}`)
  await usage.save()
  const left = [...usage.list()]
  t.ok(left.length <= USAGE_PACKAGES_MAX && left.length > USAGE_PACKAGES_MAX * 0.9, `${left.length} are left`)
  t.match(usage.of(react), { installs: 3 })
  const folders = usage.folders()
  t.ok(folders.length <= USAGE_FOLDERS_MAX && folders.length > USAGE_FOLDERS_MAX * 0.9, `${folders.length} folders`)
  t.notOk(
    folders.some(([first]) => first?.name === 'react'),
    'the one that was longest unused has gone',
  )
})
