// The native core, the WebAssembly core and the reference against published vectors, frozen ones and each other.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'tap'
import { artifact } from '../../src/core/paths.ts'
import { CORE_ABI } from '../../src/core/surface.ts'
import { vectorFiles } from '../reference/write-vectors.ts'
import { backends, each, seed, withReference } from './core-suite.ts'
import './core-hashing.ts'
import './core-chunk.ts'
import './core-merkle.ts'
import './core-erasure.ts'
import './core-sketch.ts'
import './core-arguments.ts'

/** The ten. */
const SURFACE = [
  'abi',
  'sha256Many',
  'sha256Update',
  'chunk',
  'merkleRoot',
  'merkleVerify',
  'rsEncode',
  'rsReconstruct',
  'sketchUpdate',
  'sketchDecode',
]

test('what is tested', async (t) => {
  t.comment(`seed ${seed} (CATALOG_SEED repeats it)`)
})

each('what it says of itself', (t, { core }) => {
  t.comment(core.features().join(' '))
  t.equal(core.abi(), CORE_ABI)
  t.ok(core.features().length > 0)
  for (const feature of core.features()) t.match(feature, /^[a-zA-Z0-9]+:[a-z0-9-]+$/)
})

if (withReference) {
  test('the vectors are what the reference answers', async (t) => {
    for (const { name, text } of vectorFiles()) {
      t.ok(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8') === text, name)
    }
  })
}

test('each module exports the surface, and asks for nothing but a memory', async (t) => {
  if (backends.includes('native')) {
    const addon = (await import(pathToFileURL(artifact('native/index.js')).href)) as Record<string, unknown>
    for (const name of [...SURFACE, 'features']) t.type(addon[name], 'function', name)
  }
  if (!backends.includes('wasm')) return
  const folder = dirname(artifact('wasm/core.release.wasm'))
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.wasm'))) {
    const module = await WebAssembly.compile(readFileSync(join(folder, file)))
    const names = WebAssembly.Module.exports(module).map(({ name }) => name)
    t.same(
      SURFACE.filter((name) => !names.includes(name)),
      [],
      file,
    )
    const imports = WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`)
    t.same(imports, ['env.memory'], file)
  }
})

test('the package exports no more of the core than it says', async (t) => {
  const exported = await import('../../src/core/index.ts')
  const lengths = ['DIGEST_BYTES', 'MERKLE_NODE_BYTES', 'SHA256_STATE_BYTES', 'SYMBOL_BYTES']
  const profiles = ['PROFILE_CONTENT_16K', 'PROFILE_CONTENT_64K', 'PROFILE_FIXED_64K']
  const others = ['CORE_ABI', 'NEED_MORE', 'SHARDS_MAX', 'loadCore', 'merkleProof']
  t.same(Object.keys(exported).sort(), [...lengths, ...profiles, ...others].sort())
})
