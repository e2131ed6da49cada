import { test } from 'tap'
import { REVALIDATION_MS } from '../../../src/base/limits.ts'
import { UnderWay } from '../../../src/base/under-way.ts'
import { Revalidation } from '../../../src/publishing/revalidation.ts'
import { ManualClock } from '../../manual-clock.ts'

const named = (name: string) => ({ type: 'npm', name })

/** Each question stays open until it is let go. */
function asking() {
  const clock = new ManualClock()
  const asked: string[][] = []
  const open: (() => void)[] = []
  const ask = (names: readonly { name: string }[]) => {
    asked.push(names.map(({ name }) => name))
    return new Promise<void>((resolve) => open.push(resolve))
  }
  const underWay = new UnderWay()
  const revalidation = new Revalidation({ clock, underWay, ask })
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  const answered = () => {
    open.shift()?.()
    return settled()
  }
  return { revalidation, clock, asked, settled, answered }
}

test('what is used in one breath is asked for at once, and what comes meanwhile after that', async (t) => {
  const { revalidation, asked, settled, answered } = asking()
  for (const name of ['a', 'b', 'a']) revalidation.used(named(name))
  await settled()
  t.strictSame(asked, [['a', 'b']])
  for (const name of ['c', 'd']) revalidation.used(named(name))
  await settled()
  t.equal(asked.length, 1, 'one question at a time')
  await answered()
  t.strictSame(asked, [
    ['a', 'b'],
    ['c', 'd'],
  ])
})

test('nobody is asked again within a few minutes', async (t) => {
  const { revalidation, clock, asked, settled, answered } = asking()
  revalidation.asked([named('a')])
  revalidation.used(named('a'))
  await settled()
  t.strictSame(asked, [])
  await clock.advance(REVALIDATION_MS)
  revalidation.used(named('a'))
  await settled()
  await answered()
  revalidation.used(named('a'))
  await settled()
  t.strictSame(asked, [['a']])
})
