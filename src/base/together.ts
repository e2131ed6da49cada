// Works that go on side by side and end together.

/**
 * As `Promise.all`, but all have ended when it settles: after a failure nobody is still at work on what the caller now
 * gives to others, and none fails unheard.
 */
export async function together<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const results: T[] = []
  for (const outcome of await Promise.allSettled(works)) {
    if (outcome.status === 'rejected') throw outcome.reason
    results.push(outcome.value)
  }
  return results
}
