// The days after the index of blobs was made anew. A database that was lost has taken the records with it: until they
// are back, nothing tells garbage from what the user wants most.
import type { Clock } from '../base/clock.ts'
import { REBUILT_GRACE_MS } from '../base/limits.ts'
import type { Environment } from './environment.ts'

/** In `meta`: the time at which they end. */
const GRACE_UNTIL = 'graceUntil'

/** Begin them, in a transaction of the caller. @returns when they end */
export function beginGrace(environment: Environment, clock: Clock): number {
  const until = clock.now() + REBUILT_GRACE_MS
  environment.meta.put(GRACE_UNTIL, until)
  return until
}

/** Whether for now nothing goes for want of a record. */
export function isInGrace(environment: Environment, clock: Clock): boolean {
  return clock.now() < (environment.meta.get(GRACE_UNTIL) ?? 0)
}
