// Real time for tests that wait for it: unlike the system's clock it keeps the process alive.
import { type Clock, systemClock } from '../src/base/clock.ts'

export const livingClock: Clock = {
  now: systemClock.now,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}
