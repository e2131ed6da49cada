// One suite in a process of its own, started by `run.ts` as `job.ts SUITE BUDGETS` with the indices of the budgets
// wanted: a core chooses its kernels once per process, from the processor and CATALOG_CORE_FEATURES.
import { BUDGETS } from './budgets.ts'
import { perform, type Suite } from './suite.ts'

const [, , suite = '', indices = ''] = process.argv
const { default: run } = (await import(`./${suite}.bench.ts`)) as { default: Suite }
const wanted = BUDGETS.filter((_, index) => indices.split(',').includes(`${index}`))
await perform(run, wanted, (report) => {
  // Whoever wanted it may have been interrupted.
  if (!process.connected) process.exit(1)
  process.send?.(report)
})
