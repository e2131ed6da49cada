// The addon's Ed25519, for `nativeEd25519` of model/ed25519.ts, which says what it is.
import { pathToFileURL } from 'node:url'
import { artifact } from './paths.ts'

/** Where the native core is in use: that the addon can be loaded is known then. */
export async function loadNativeSigning() {
  const { ed25519Verify, Ed25519Key } = await import(pathToFileURL(artifact('native/index.js')).href)
  return { ed25519Verify, Ed25519Key }
}
