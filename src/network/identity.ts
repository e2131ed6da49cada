// The node's own key: a file with the 32-byte Ed25519 seed, readable by its owner only, and the peer id it stands for.
import { constants } from 'node:fs'
import { access, link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { SEED_BYTES, signingKey } from '../model/ed25519.ts'

/** Permission bits of everybody but the owner. */
const OTHERS = constants.S_IRWXG | constants.S_IRWXO

/**
 * Read the seed at `path`, or make one there.
 *
 * @param path - in a directory that exists
 * @returns 32 bytes
 * @throws CatalogError `DATA_DIR` when the file is not a seed or others may touch it, `FILE_UNREADABLE` when it
 *   cannot be read or made
 */
export async function loadOrCreateSeed(path: string, random: Random): Promise<Uint8Array> {
  try {
    return (await createSeed(path, random)) ?? (await readSeed(path))
  } catch (cause) {
    if (cause instanceof CatalogError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CatalogError('FILE_UNREADABLE', `The node's key could not be read or made: ${reason}`, { cause })
  }
}

/** @param seed - 32 bytes @returns the libp2p peer id, as text */
export function peerIdOf(seed: Uint8Array): string {
  return peerIdFromPublicKey(publicKeyFromRaw(signingKey(seed).publicKey)).toString()
}

/**
 * It has its name once all of it is there: a process that is killed meanwhile leaves a file that nobody reads.
 *
 * @returns undefined when the file is there already; another process may have been quicker
 */
async function createSeed(path: string, random: Random): Promise<Uint8Array | undefined> {
  if (await exists(path)) return undefined
  const seed = random.bytes(SEED_BYTES)
  const unnamed = `${path}.${toHex(random.bytes(8))}.new`
  try {
    await using file = await open(unnamed, 'wx', 0o600)
    await file.writeFile(seed)
    await file.sync()
    await link(unnamed, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw cause
  } finally {
    await rm(unnamed, { force: true })
  }
  await syncDirectory(dirname(path))
  return seed
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return false
      throw cause
    },
  )
}

async function readSeed(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { mode, size } = await file.stat()
    // Windows keeps access lists instead of these bits and reports them all as set.
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0) {
      throw new CatalogError('DATA_DIR', `The node's key ${path} can be read or changed by other users.`, {
        hint: `Run: chmod 600 ${path}`,
      })
    }
    if (size !== SEED_BYTES) {
      throw new CatalogError('DATA_DIR', `The node's key ${path} has ${size} bytes instead of ${SEED_BYTES}.`, {
        hint: 'Put back the file from a backup; without it, delete the file and the node gets a new identity.',
      })
    }
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

/** The name must survive a power cut as well as the bytes: a second seed would be a second identity. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
