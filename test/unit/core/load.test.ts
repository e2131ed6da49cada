import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Test, test } from 'tap'
import { type Events, listen } from '../../../src/base/events.ts'
import { loadCore, openWasm } from '../../../src/core/load.ts'

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
  environment(t, 'CATALOG_CORE', 'wasm')
  t.equal((await loadCore()).backend, 'wasm')
  environment(t, 'CATALOG_CORE', 'rust')
  await t.rejects(loadCore(), { code: 'CONFIG_INVALID', message: /auto, native or wasm/ })
})

test('the list of features may name only those there are', async (t) => {
  const hint = /sha-ni, avx2, avx512, gfni, relaxed-simd/
  for (const list of ['avx1024', 'avx2,sse', 'AVX2']) {
    environment(t, 'CATALOG_CORE_FEATURES', list)
    for (const wanted of ['auto', 'native', 'wasm']) {
      await t.rejects(loadCore(wanted), { code: 'CONFIG_INVALID', message: /CATALOG_CORE_FEATURES names/, hint })
    }
  }
})

// Each in a copy of the room, since a core is loaded once.
for (const [list, variant] of [
  [undefined, 'relaxed-simd'],
  ['', 'simd128'],
  ['sha-ni,avx2', 'simd128'],
  ['relaxed-simd', 'relaxed-simd'],
  [' gfni , relaxed-simd,', 'relaxed-simd'],
] as const) {
  test(`with CATALOG_CORE_FEATURES ${list === undefined ? 'not set' : `"${list}"`}`, async (t) => {
    environment(t, 'CATALOG_CORE_FEATURES', list)
    const { loadCore } = await isolated(t)
    t.same((await loadCore('wasm')).features(), ['sha256:simd128', `erasure:${variant}`])
  })
}

test('either build can be had', async (t) => {
  t.same((await openWasm(false)).features(), ['sha256:simd128', 'erasure:simd128'])
  t.same((await openWasm(true)).features(), ['sha256:simd128', 'erasure:relaxed-simd'])
})

test('an engine without relaxed SIMD gets the plain build', async (t) => {
  const { loadCore } = await isolated(t, {
    // To an engine that lacks them the instructions are bytes without a meaning.
    'wasm/core.relaxed.wasm': changed('core.relaxed.wasm', [0xfd, 0x80, 0x02], [0xfd, 0xff, 0x7f]),
  })
  t.same((await loadCore('wasm')).features(), ['sha256:simd128', 'erasure:simd128'])
})

test('a WebAssembly core built wrongly is not used', async (t) => {
  t.test('with another constant of SHA-256', async (t) => {
    const build = changed('core.relaxed.wasm', [0x98, 0x2f, 0x8a, 0x42], [0x98, 0x2f, 0x8a, 0x43])
    const { loadCore } = await isolated(t, { 'wasm/core.relaxed.wasm': build })
    await t.rejects(loadCore('wasm'), { code: 'CORE_UNAVAILABLE', message: /SHA-256/, hint: /npm run setup/ })
  })
  t.test('with another polynomial', async (t) => {
    const build = changed('core.relaxed.wasm', [0x41, 0x9d, 0x02], [0x41, 0x9b, 0x02])
    const { loadCore } = await isolated(t, { 'wasm/core.relaxed.wasm': build })
    await t.rejects(loadCore('wasm'), { code: 'CORE_UNAVAILABLE', message: /Reed-Solomon/ })
  })
})

const HASHING = `import { hash } from 'node:crypto'
export const abi = () => 2
export const sha256Many = (buffer, ranges, out) => out.set(hash('sha256', buffer, 'buffer'))`

// A copy of the room with no addon beside it, as a machine without a build has, or one that is wrong.
for (const [what, addon] of [
  ['missing', undefined],
  ['hashing wrongly', 'export const abi = () => 2; export const sha256Many = (b, r, out) => { out.fill(1); return 1 }'],
  ['coding wrongly', `${HASHING}; export const rsEncode = () => 5; export const rsReconstruct = () => 3`],
  ['of another version', 'export const abi = () => 1'],
] as const) {
  test(`with the native core ${what}`, async (t) => {
    const { loadCore } = await isolated(t, addon === undefined ? {} : { 'native/index.js': addon })
    await t.rejects(loadCore('native'), { code: 'CORE_UNAVAILABLE', hint: /npm run setup/, cause: Error })
    const facts: Events['catalog:core'][] = []
    t.teardown(listen('catalog:core', (fact) => facts.push(fact)))
    t.equal((await loadCore('auto')).backend, 'wasm', 'auto falls back')
    t.match(facts, [{ backend: 'wasm', reason: /native core cannot be used/ }], 'and says so')
  })
}

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url))

/** The room in a folder of its own, with the WebAssembly builds and these artifacts in place of them. */
async function isolated(
  t: Test,
  artifacts: Record<string, string | Uint8Array> = {},
): Promise<typeof import('../../../src/core/load.ts')> {
  const root = t.testdir({ 'package.json': '{"type":"module"}' })
  for (const name of ['src/base', 'src/core', 'artifacts/wasm'])
    cpSync(path(name), join(root, name), { recursive: true })
  mkdirSync(join(root, 'artifacts/native'))
  for (const [name, content] of Object.entries(artifacts)) writeFileSync(join(root, 'artifacts', name), content)
  return import(pathToFileURL(join(root, 'src/core/load.ts')).href)
}

/** A build with bytes changed wherever they stand. */
function changed(build: string, from: readonly number[], to: readonly number[]): Uint8Array {
  const bytes = readFileSync(path(`artifacts/wasm/${build}`))
  const wanted = Buffer.from(from)
  let at = bytes.indexOf(wanted)
  if (at < 0) throw new Error(`${build} does not hold ${wanted.toString('hex')}`)
  for (; at >= 0; at = bytes.indexOf(wanted, at + 1)) bytes.set(to, at)
  return bytes
}

function environment(t: Test, name: string, value: string | undefined): void {
  const before = process.env[name]
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env[name]
    else process.env[name] = to
  }
  t.teardown(() => set(before))
  set(value)
}
