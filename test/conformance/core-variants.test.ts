// The conformance suite once more for each variant of the kernels that this machine can run: a process chooses its
// variants when it starts, from what the processor has and CATALOG_CORE_FEATURES leaves.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import type { Backend } from '../../src/core/surface.ts'
import { backends, effort, seed } from './core-suite.ts'

/** What a process may use, by backend; the first is what runs everywhere. */
const VARIANTS: Record<Backend, readonly string[]> = {
  native: ['', 'sha-ni', 'avx2', 'avx2,gfni', 'avx512', 'sha-ni,avx2,avx512,gfni'],
  wasm: [''],
}
/** The cases are not tried once more for each variant, which differ in their innermost loops only. */
const SHARE = 0.1

const suite = fileURLToPath(new URL('core.test.ts', import.meta.url))
const loader = new URL('../../src/core/load.ts', import.meta.url).href
const askForFeatures = `
  const { loadCore } = await import(${JSON.stringify(loader)})
  console.log((await loadCore()).features().join(' '))`

for (const backend of backends) {
  test(`${backend}: every variant that is here`, async (t) => {
    const tested = new Map<string, string>()
    for (const features of VARIANTS[backend]) {
      const env = {
        ...process.env,
        CATALOG_CORE: backend,
        CATALOG_CORE_FEATURES: features,
        CATALOG_SEED: String(seed),
        CATALOG_CASES: String(effort * SHARE),
      }
      const kernels = execFileSync(process.execPath, ['--input-type=module', '--eval', askForFeatures], { env })
        .toString()
        .trim()
      const same = tested.get(kernels)
      if (same === undefined) await t.spawn(process.execPath, [suite], { env }, `with "${features}": ${kernels}`)
      else t.comment(`not here: "${features}" gives the kernels of "${same}"`)
      tested.set(kernels, same ?? features)
    }
  })
}
