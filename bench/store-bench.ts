// A store on its own, and things to put in it that are made and hashed beforehand.
import { createHash, hash, randomFillSync } from 'node:crypto'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { systemDisk } from '../src/base/disk.ts'
import { directEffects } from '../src/base/effects.ts'
import { CHUNK_BYTES } from '../src/base/limits.ts'
import { rootOf } from '../src/core/digest-tree.ts'
import { loadCore } from '../src/core/load.ts'
import { loadNativeFunctions } from '../src/core/native-functions.ts'
import { WorkerPool } from '../src/core/workers/pool.ts'
import { signingKey } from '../src/model/ed25519.ts'
import { firstDocumentBody } from '../src/model/publisher.ts'
import { signRecord } from '../src/model/record.ts'
import type { HashedBlob } from '../src/store/blob-rows.ts'
import { Blobs } from '../src/store/blobs.ts'
import { Environment } from '../src/store/environment.ts'
import { Packs } from '../src/store/packs.ts'
import { Records, type Submission } from '../src/store/records.ts'
import { Space } from '../src/store/space.ts'

/** A record id that all blobs stand under. */
export const RELEASE = new Uint8Array(32).fill(1)

export interface Bench extends AsyncDisposable {
  readonly environment: Environment
  readonly blobs: Blobs
  readonly records: Records
}

export async function openBench(folder: string): Promise<Bench> {
  const native = core.backend === 'native' ? await loadNativeFunctions() : undefined
  const disk = systemDisk(directEffects, { readCached: native?.readCached })
  const environment = new Environment({ effects: directEffects }, { path: join(folder, 'database') })
  const packs = new Packs({ environment, disk }, { folder: join(folder, 'packs') })
  await packs.recover()
  const space = new Space({ disk, packs }, { folder })
  const workers = new WorkerPool({ effects: directEffects }, { threads: 1, core: 'auto' })
  const blobs = new Blobs({ environment, packs, space, disk, workers, clock: systemClock })
  return {
    environment,
    blobs,
    records: new Records({ environment }),
    async [Symbol.asyncDispose]() {
      await workers.close()
      await packs.close()
      await environment.close()
    },
  }
}

const core = await loadCore()

/** Blobs of `size` bytes each, all different. */
export function blobsOf(count: number, size: number): (HashedBlob & { readonly bytes: Uint8Array })[] {
  return Array.from({ length: count }, () => {
    const bytes = randomFillSync(new Uint8Array(size))
    const outline = createOutline(bytes)
    return { bytes, outline, root: rootOf(core, outline, size), size, sha256: hash('sha256', bytes, 'buffer') }
  })
}

function createOutline(bytes: Uint8Array): Uint8Array {
  const ids: Buffer[] = []
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    ids.push(
      createHash('sha256')
        .update(bytes.subarray(at, at + CHUNK_BYTES))
        .digest(),
    )
  }
  return Buffer.concat(ids)
}

/** A publisher's document and signed tags of as many packages, small and of no kind that this build reads. */
export function recordsOf(count: number): Submission[] {
  const key = signingKey(new Uint8Array(32).fill(7))
  const body = firstDocumentBody(key.publicKey, key.publicKey)
  const document = signRecord(
    { v: 1, kind: 'publisher', subject: 'v1', signer: 'publisher:', signerVersion: 1, at: 0, body },
    [key],
  )
  const { signer } = document
  const records = Array.from({ length: count - 1 }, (_, i) =>
    signRecord(
      { v: 1, kind: 'tag', subject: `pkg:npm/package-${i}`, signer, signerVersion: 1, seq: 1, at: i, body: { n: i } },
      [key],
    ),
  )
  return [document, ...records].map((record) => ({ record, audience: 'public' }))
}
