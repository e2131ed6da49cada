// What the suite about synchronization must hold.
import type { Budget } from './budgets.ts'

export const SYNC_RECORDS = 1_000_000
/** How many records differ, and the bytes that finding out which may take, both ways, without the records. */
export const DIFFERENCES = [
  [0, 200],
  [1, 600],
  [10, 1_200],
  [100, 6_000],
  [1_000, 45_000],
  [10_000, 360_000],
] as const

/** How much more a change or a proof may cost. */
export const DECADES = ['10,000 to 100,000 records', '100,000 to 1,000,000 records']

/** Signed ones, of a whole synchronization: the first few, and ten times as many. */
export const FULL_RECORDS = [10_000, 100_000] as const

const SYNC = { suite: 'sync', ratio: 1, source: 'asked' }

export const SYNC_BUDGETS: readonly Budget[] = [
  ...DIFFERENCES.flatMap(([differences, most]) => [
    {
      ...SYNC,
      name: `bytes, ${differences} of ${SYNC_RECORDS} records differ`,
      unit: 'B',
      baseline: `${most} B`,
    },
    {
      ...SYNC,
      name: `round trips, ${differences} of ${SYNC_RECORDS} records differ`,
      unit: 'round trips',
      baseline: '2',
    },
  ]),
  { ...SYNC, name: 'bytes, beside ranges', unit: 'times', baseline: '10 times fewer than by ranges' },
  ...FULL_RECORDS.map((records) => ({
    suite: 'sync',
    name: `all of ${records} records, CPU`,
    unit: 'records/s',
    baseline: 'the same records decoded, verified and put',
    ratio: 1 / 1.6,
    source: 'asked: ≤ 1.6 times its CPU',
  })),
  {
    suite: 'sync',
    name: 'all of ten times as many records, CPU',
    unit: 'records/s',
    baseline: 'as many in ten stores',
    ratio: 0.8,
    source: 'asked: linear; a tree ten times as large is a level deeper',
  },
  ...['p50', 'p95'].map((share) => ({
    ...SYNC,
    name: `${share} of ten releases to the other process`,
    unit: 'ms',
    baseline: '100 ms',
  })),
  ...DECADES.flatMap((decade) =>
    ['change of', 'proof in'].map((what) => ({
      ...SYNC,
      name: `${what} a shelf, ${decade}`,
      unit: 'times',
      baseline: '1.6 times',
    })),
  ),
]
