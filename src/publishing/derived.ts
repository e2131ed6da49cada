// What an archive of an outside registry says of itself. A peer's word for it is looked at once the bytes are here, and
// nothing that it is not true of is given to anybody.
import type { ByteSource } from '../base/byte-source.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { type Derivation, encodeDerivation, readOrigin } from '../model/origin.ts'
import type { Release } from '../model/release.ts'
import { artifactPath, readNpmArchive } from '../package-types/npm.ts'
import type { Records } from '../store/records.ts'

interface Components {
  records: Records
  effects: Effects
}

/** A blob that is here and whose hashes were checked. */
interface Archive {
  readonly size: number
  readonly root: Uint8Array
  readonly sha256: Uint8Array
}

/** @throws CatalogError `ARCHIVE_CORRUPT`, `ARCHIVE_UNSAFE`, `MANIFEST_INVALID`, `LIMIT_EXCEEDED`, `ABORTED` */
export async function deriveFrom(
  { size, root, sha256 }: Archive,
  source: string | ByteSource,
  of: { name: string; version: string },
  signal?: AbortSignal,
): Promise<Derivation> {
  const { manifest, dependencies, description, keywords, license } = await readNpmArchive(source, signal)
  const said = { manifest, dependencies: [...dependencies], description, keywords: [...keywords], license }
  const derivation: Derivation = { v: 1, path: artifactPath(of), size, root, sha256, ...said }
  // Whether it can be kept.
  encodeDerivation(derivation)
  return derivation
}

export class Derived {
  readonly #components: Components

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Whether what a peer has said of a release follows from its bytes. If it does not, what does takes its place.
   *
   * @throws CatalogError `RECORD_INVALID`
   */
  async confirm(release: Release, source: ByteSource, signal?: AbortSignal): Promise<void> {
    const { records, effects } = this.#components
    const { record, body } = release
    const from = records.derivations.heardFrom(record.id)
    const [artifact] = body.artifacts
    if (from === undefined || !artifact) return
    const derivation = await effects.run(() => deriveFrom(artifact, source, readOrigin(record), signal))
    const heard = records.derivations.bytesOf(record.id)
    const isTrue = heard !== undefined && equalBytes(heard, encodeDerivation(derivation))
    await records.admit([], () => void records.derivations.put(record, derivation))
    if (!isTrue) throw this.#lied(from, release)
  }

  /** What a peer has said of a release led to nothing, or to other bytes than were signed: it is forgotten. */
  async doubt(release: Release, thrown: CatalogError): Promise<void> {
    const { records } = this.#components
    const { record } = release
    const from = records.derivations.heardFrom(record.id)
    if (from === undefined) return
    await records.admit([], () => records.derivations.remove(record))
    if (thrown.code === 'BLOB_CORRUPT') this.#lied(from, release)
  }

  #lied(peer: string, { purl }: Release): CatalogError {
    const reason = `What it said of ${purl} does not follow from its archive.`
    emit('catalog:peer', { peer, state: 'refused', reason })
    return new CatalogError('RECORD_INVALID', `Peer ${peer}: ${reason}`, { hint: 'Ask again: it is known now.' })
  }
}
