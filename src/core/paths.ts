// Where built files lie, the same from `src` (types stripped, tsx) and from `dist`: both have this file two
// levels below the package's root.
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** Path of a built artifact, `wasm/core.release.wasm` for example. */
export function artifact(name: string): string {
  return fileURLToPath(new URL(`artifacts/${name}`, root))
}

/**
 * Path of a worker's main file.
 *
 * @param callerUrl - `import.meta.url` of the caller: its extension tells whether to look for `.ts` or `.js`
 * @param name - relative to the caller, without extension
 */
export function workerFile(callerUrl: string, name: string): string {
  return fileURLToPath(new URL(name + (callerUrl.endsWith('.ts') ? '.ts' : '.js'), callerUrl))
}
