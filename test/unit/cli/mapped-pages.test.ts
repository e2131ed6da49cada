import { test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { listen } from '../../../src/base/events.ts'
import { MINUTE_MS } from '../../../src/base/units.ts'
import { repeatRelease } from '../../../src/cli/mapped-pages.ts'
import { loadNativeFunctions } from '../../../src/core/native-functions.ts'
import { ManualClock } from '../../manual-clock.ts'

test('pages are given back again and again until it is stopped', async (t) => {
  const clock = new ManualClock()
  let releases = 0
  const stop = repeatRelease(() => ++releases, clock)
  await clock.advance(MINUTE_MS)
  t.ok(releases >= 60, 'at least once a second')
  stop()
  const before = releases
  await clock.advance(MINUTE_MS)
  t.equal(releases, before)
})

test('a failure is told once, and nothing is tried after it', async (t) => {
  const clock = new ManualClock()
  const told: string[] = []
  const stopListening = listen('catalog:failure', ({ code }) => told.push(code))
  const stop = repeatRelease(() => {
    throw new CatalogError('FILE_UNREADABLE', 'There is no /proc.')
  }, clock)
  await clock.advance(MINUTE_MS)
  stop()
  stopListening()
  t.same(told, ['FILE_UNREADABLE'])
})

test('a process goes on when all pages of its code were given back', async (t) => {
  const { releaseMapped } = await loadNativeFunctions()
  const before = releaseMapped('/nowhere', 0)
  const after = releaseMapped('/nowhere', Number.MAX_SAFE_INTEGER)
  if (process.platform === 'linux') t.ok(after < before, `${before} bytes were in place, and then ${after}`)
  else t.same([before, after], [0, 0])
})
