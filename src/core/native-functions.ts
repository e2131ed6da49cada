// What the addon offers beside the core, for the rooms that take it in: signatures and files.
import { pathToFileURL } from 'node:url'
import { artifact } from './paths.ts'

/** Where the native core is in use: that the addon can be loaded is known then. */
export async function loadNativeFunctions() {
  const { ed25519Verify, ed25519VerifyMany, Ed25519Key, readCached, releaseMapped } = await import(
    pathToFileURL(artifact('native/index.js')).href
  )
  return { ed25519Verify, ed25519VerifyMany, Ed25519Key, readCached, releaseMapped }
}
