// Chooses a core: the native addon where there is one, else WebAssembly, and says so.
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { NativeCore, type NativeCoreModule } from './native.ts'
import { artifact } from './paths.ts'
import { type Backend, CORE_ABI, type Core, DIGEST_BYTES } from './surface.ts'
import { WasmCore, type WasmCoreOptions } from './wasm.ts'

/** `auto` prefers the native core and falls back; the others force one. */
export type CoreChoice = Backend | 'auto'

/** What `CATALOG_CORE_FEATURES` may name: extensions of the processor, which the addon looks at, and of the engine. */
const FEATURES = ['sha-ni', 'avx2', 'avx512', 'gfni', 'relaxed-simd']

/** FIPS 180-4's own example, "abc". */
const ABC_SHA256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
/** Of three data shards 0, 7, 14, … and their five of parity, all modulo 256, by Gauss and Jordan. */
const STRIPE_SHA256 = 'f4e91e9e68cc0fc47448d59a2fe0694ecb2af80a4a92b62f1f1052be9e70b8e2'
/** Some whole vectors of any width, and a rest. */
const SHARD_BYTES = 100

const loaded = new Map<Backend, Promise<Core>>()

/**
 * The core of this thread; loaded and tested once per backend.
 *
 * `CATALOG_CORE_FEATURES`, a comma-separated list, narrows what its kernels may use, so that each of them can be tested
 * on a machine that has better ones.
 *
 * @param wanted - `auto`, `native` or `wasm`; by default the environment's `CATALOG_CORE`, else `auto`
 * @param inside - where a WebAssembly core shall work instead of in a memory of its own; each call then makes one
 * @throws CatalogError `CORE_UNAVAILABLE` when the one that is forced, or every one, cannot be used;
 *   `CONFIG_INVALID` for any other word, here or in the list
 */
export async function loadCore(
  wanted: string = process.env['CATALOG_CORE'] ?? 'auto',
  inside?: WasmCoreOptions,
): Promise<Core> {
  const features = allowedFeatures()
  if (wanted !== 'auto') {
    if (wanted !== 'native' && wanted !== 'wasm') throw unknownCore(wanted)
    return announced(await load(wanted, features, inside))
  }
  try {
    return announced(await load('native', features))
  } catch (error) {
    return announced(await load('wasm', features, inside), CatalogError.from(error).message)
  }
}

function announced(core: Core, reason?: string): Core {
  emit('catalog:core', { backend: core.backend, ...(reason === undefined ? {} : { reason }) })
  return core
}

/**
 * A WebAssembly core of the caller's own, of one build or the other and not tested.
 *
 * @param relaxed - whether to take the build with relaxed SIMD, if the engine accepts it
 */
export async function openWasm(relaxed: boolean, inside?: WasmCoreOptions): Promise<WasmCore> {
  const better = relaxed ? await readFile(artifact('wasm/core.relaxed.wasm')) : undefined
  const build = better && WebAssembly.validate(better) ? better : await readFile(artifact('wasm/core.release.wasm'))
  return WasmCore.create(await WebAssembly.compile(build), inside)
}

function load(backend: Backend, features: readonly string[], inside?: WasmCoreOptions): Promise<Core> {
  if (backend === 'wasm' && inside) return open(backend, features, inside)
  let core = loaded.get(backend)
  if (core === undefined) {
    core = open(backend, features)
    loaded.set(backend, core)
    // A failure is not remembered: the addon may be built while the process runs.
    core.catch(() => loaded.delete(backend))
  }
  return core
}

async function open(backend: Backend, features: readonly string[], inside?: WasmCoreOptions): Promise<Core> {
  try {
    const relaxed = features.includes('relaxed-simd')
    const core = backend === 'native' ? await openNative() : await openWasm(relaxed, inside)
    selfTest(core)
    return core
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CatalogError('CORE_UNAVAILABLE', `The ${backend} core cannot be used: ${reason}`, {
      hint:
        backend === 'native'
          ? 'Run `npm run setup` to build it, or set CATALOG_CORE=auto to use WebAssembly instead.'
          : 'Run `npm run setup` to build it.',
      cause,
    })
  }
}

async function openNative(): Promise<Core> {
  const addon: NativeCoreModule = await import(pathToFileURL(artifact('native/index.js')).href)
  return new NativeCore(addon)
}

/** Names in `CATALOG_CORE_FEATURES`; all of them when it is not set. */
function allowedFeatures(): readonly string[] {
  const list = process.env['CATALOG_CORE_FEATURES']
  if (list === undefined) return FEATURES
  const names = list.split(',').map((name) => name.trim())
  const unknown = names.find((name) => name !== '' && !FEATURES.includes(name))
  if (unknown === undefined) return names
  throw new CatalogError('CONFIG_INVALID', `CATALOG_CORE_FEATURES names "${unknown}", which is no feature.`, {
    hint: `It is a comma-separated list of ${FEATURES.join(', ')}; unset it to use all there are.`,
  })
}

/** A core built wrongly must not name anything, nor hand out what it could not rebuild. */
function selfTest(core: Core): void {
  if (core.abi() !== CORE_ABI) throw new Error(`it speaks version ${core.abi()} of the surface, not ${CORE_ABI}`)
  if (sha256(core, Uint8Array.of(0x61, 0x62, 0x63)) !== ABC_SHA256) throw new Error('its SHA-256 is wrong')
  const stripe = Uint8Array.from({ length: 8 * SHARD_BYTES }, (_, i) => 7 * i)
  const data = stripe.subarray(0, 3 * SHARD_BYTES)
  core.rsEncode(3, 5, SHARD_BYTES, data, stripe.subarray(3 * SHARD_BYTES))
  data.fill(0)
  core.rsReconstruct(3, 5, SHARD_BYTES, stripe, Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1), new Uint8Array(8).fill(1))
  if (sha256(core, stripe) !== STRIPE_SHA256) throw new Error('its Reed-Solomon code is wrong')
}

function sha256(core: Core, message: Uint8Array): string {
  const digest = new Uint8Array(DIGEST_BYTES)
  core.sha256Many(message, Uint32Array.of(0, message.length), digest)
  return toHex(digest)
}

function unknownCore(wanted: string): CatalogError {
  return new CatalogError('CONFIG_INVALID', `CATALOG_CORE is "${wanted}"; it can be auto, native or wasm.`, {
    hint: 'Unset CATALOG_CORE to let Catalog choose.',
  })
}
