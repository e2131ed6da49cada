import { type Test, test } from 'tap'
import { type Events, listen } from '../../../src/base/events.ts'
import { loadCore } from '../../../src/core/load.ts'
import type { Core } from '../../../src/core/surface.ts'

test('a backend is loaded once and announced each time it is chosen', async (t) => {
  const facts: Events['catalog:core'][] = []
  t.teardown(listen('catalog:core', (fact) => facts.push(fact)))
  for (const backend of ['native', 'wasm'] as const) {
    t.equal(await loadCore(backend), await loadCore(backend))
    t.same(facts.splice(0), [{ backend }, { backend }])
  }
  t.equal((await loadCore('auto')).backend, 'native', 'auto prefers the native core')
  t.same(facts, [{ backend: 'native' }])
})

test('the environment chooses when the caller does not', async (t) => {
  const before = process.env['CATALOG_CORE']
  t.teardown(() => {
    if (before === undefined) delete process.env['CATALOG_CORE']
    else process.env['CATALOG_CORE'] = before
  })
  process.env['CATALOG_CORE'] = 'wasm'
  t.equal((await loadCore()).backend, 'wasm')
  process.env['CATALOG_CORE'] = 'rust'
  await t.rejects(loadCore(), { code: 'CONFIG_INVALID', message: /auto, native or wasm/ })
})

// A copy of the room with no addon beside it, or one that hashes wrongly, as a machine without a build has.
for (const [what, addon] of [
  ['missing', undefined],
  ['wrong', 'export const abi = () => 1; export const sha256Many = (b, r, out) => { out.fill(1); return 1 }'],
  ['of another version', 'export const abi = () => 2'],
] as const) {
  test(`with the native core ${what}`, async (t) => {
    const load = await isolated(t, addon)
    await t.rejects(load('native'), { code: 'CORE_UNAVAILABLE', hint: /npm run setup/, cause: Error })
    const facts: Events['catalog:core'][] = []
    t.teardown(listen('catalog:core', (fact) => facts.push(fact)))
    t.equal((await load('auto')).backend, 'wasm', 'auto falls back')
    t.match(facts, [{ backend: 'wasm', reason: /native core cannot be used/ }], 'and says so')
  })
}

async function isolated(t: Test, addon: string | undefined): Promise<(wanted: string) => Promise<Core>> {
  const { cpSync, mkdirSync, writeFileSync } = await import('node:fs')
  const { join } = await import('node:path')
  const { fileURLToPath, pathToFileURL } = await import('node:url')
  const from = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
  const root = t.testdir({ 'package.json': '{"type":"module"}' })
  for (const path of ['src/base', 'src/core', 'artifacts/wasm'])
    cpSync(from(path), join(root, path), { recursive: true })
  if (addon !== undefined) {
    mkdirSync(join(root, 'artifacts/native'))
    writeFileSync(join(root, 'artifacts/native/index.js'), addon)
  }
  return (await import(pathToFileURL(join(root, 'src/core/load.ts')).href)).loadCore
}
