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

/**
 * Do `work` for each item, at most `most` of them at a time, begun in order. After a failure no further one is begun,
 * and it is told when those under way have ended.
 *
 * @returns the results in the order of the items
 */
export async function atMost<Item, Result>(
  most: number,
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let [next, failed] = [0, false]
  const line = async () => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        results[index] = await work(items[index] as Item)
      } catch (thrown) {
        failed = true
        throw thrown
      }
    }
  }
  await together(Array.from({ length: Math.min(most, items.length) }, line))
  return results
}
