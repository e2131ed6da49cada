// Chooses a core: the native addon where there is one, else WebAssembly, and says so.
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { equalBytes, fromHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { NativeCore, type NativeCoreModule } from './native.ts'
import { artifact } from './paths.ts'
import { type Backend, CORE_ABI, type Core, DIGEST_BYTES } from './surface.ts'
import { WasmCore, type WasmCoreOptions } from './wasm.ts'

/** `auto` prefers the native core and falls back; the others force one. */
export type CoreChoice = Backend | 'auto'

const loaded = new Map<Backend, Promise<Core>>()

/**
 * The core of this thread; loaded and tested once per backend.
 *
 * @param wanted - `auto`, `native` or `wasm`; by default the environment's `CATALOG_CORE`, else `auto`
 * @param inside - where a WebAssembly core shall work instead of in a memory of its own; each call then makes one
 * @throws CatalogError `CORE_UNAVAILABLE` when the one that is forced, or every one, cannot be used;
 *   `CONFIG_INVALID` for any other word
 */
export async function loadCore(
  wanted: string = process.env['CATALOG_CORE'] ?? 'auto',
  inside?: WasmCoreOptions,
): Promise<Core> {
  if (wanted !== 'auto') {
    if (wanted !== 'native' && wanted !== 'wasm') throw unknownCore(wanted)
    return announced(await load(wanted, inside))
  }
  try {
    return announced(await load('native'))
  } catch (error) {
    return announced(await load('wasm', inside), CatalogError.from(error).message)
  }
}

function announced(core: Core, reason?: string): Core {
  emit('catalog:core', { backend: core.backend, ...(reason === undefined ? {} : { reason }) })
  return core
}

function load(backend: Backend, inside?: WasmCoreOptions): Promise<Core> {
  if (backend === 'wasm' && inside) return open(backend, inside)
  let core = loaded.get(backend)
  if (core === undefined) {
    core = open(backend)
    loaded.set(backend, core)
    // A failure is not remembered: the addon may be built while the process runs.
    core.catch(() => loaded.delete(backend))
  }
  return core
}

async function open(backend: Backend, inside?: WasmCoreOptions): Promise<Core> {
  try {
    const core = backend === 'native' ? await openNative() : await openWasm(inside)
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

async function openWasm(inside?: WasmCoreOptions): Promise<Core> {
  return WasmCore.create(await WebAssembly.compile(await readFile(artifact('wasm/core.release.wasm'))), inside)
}

/** One digest that everybody knows (FIPS 180-4, "abc"): a core built wrongly must not name anything. */
function selfTest(core: Core): void {
  if (core.abi() !== CORE_ABI) throw new Error(`it speaks version ${core.abi()} of the surface, not ${CORE_ABI}`)
  const out = new Uint8Array(DIGEST_BYTES)
  core.sha256Many(Uint8Array.of(0x61, 0x62, 0x63), Uint32Array.of(0, 3), out)
  const expected = fromHex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  if (expected === undefined || !equalBytes(out, expected)) throw new Error('its SHA-256 is wrong')
}

function unknownCore(wanted: string): CatalogError {
  return new CatalogError('CONFIG_INVALID', `CATALOG_CORE is "${wanted}"; it can be auto, native or wasm.`, {
    hint: 'Unset CATALOG_CORE to let Catalog choose.',
  })
}
