// Packages that nobody in the mesh has come from the user's outside registry, once, and are shared from then on: what
// the registry has signed, with everybody; what it has not, or gave to this user alone, with nobody.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { streamOf } from '../../base/byte-source.ts'
import { type Clock, deadline, untilAborted } from '../../base/clock.ts'
import type { Effects } from '../../base/effects.ts'
import { CatalogError, hasCode } from '../../base/errors.ts'
import { tellFailure } from '../../base/failure.ts'
import { ATTESTATION_BYTES_MAX, UPSTREAM_MESH_MS, UPSTREAM_SILENCE_MS } from '../../base/http-limits.ts'
import { ARCHIVE_BYTES_MAX, SEARCH_FAN_OUT_MAX } from '../../base/limits.ts'
import type { Random } from '../../base/random.ts'
import { Turns } from '../../base/turns.ts'
import type { Audience } from '../../model/audience.ts'
import type { SigningKey } from '../../model/ed25519.ts'
import { LATEST } from '../../model/notice.ts'
import {
  type Derivation,
  isIntegrity,
  type OriginBody,
  type OriginKeys,
  originRecord,
  originStatement,
  readOrigin,
} from '../../model/origin.ts'
import { type CatalogRecord, signRecord } from '../../model/record.ts'
import type { Release } from '../../model/release.ts'
import { type HelloService, someConnected } from '../../network/hello.ts'
import type { Providers } from '../../network/providers.ts'
import { artifactPath, npm } from '../../package-types/npm.ts'
import type { StagedBlob } from '../../store/blob-index.ts'
import type { Blobs } from '../../store/blobs.ts'
import type { Records } from '../../store/records.ts'
import type { Scratch } from '../../store/scratch.ts'
import type { RecordExchange } from '../../trust/exchange.ts'
import { deriveFrom } from '../derived.ts'
import { onlyArtifact, type Packages, type Wanted } from '../packages.ts'
import type { Advisories } from './advisories.ts'
import type { UpstreamDocument, UpstreamDocuments } from './documents.ts'
import { attestationsPath, type PackumentForm, type VersionWord } from './packument.ts'
import type { Registry } from './registry.ts'

export interface UpstreamComponents {
  readonly registry: Registry
  readonly documents: UpstreamDocuments
  readonly advisories: Advisories
  readonly packages: Packages
  readonly exchange: RecordExchange
  readonly hello: HelloService
  readonly providers: Providers
  readonly records: Records
  readonly blobs: Blobs
  readonly scratch: Scratch
  readonly clock: Clock
  readonly random: Random
  readonly effects: Effects
}

interface Options {
  readonly originKeys: OriginKeys
  /** As whom this node says what no registry has signed. */
  readonly node: { readonly signer: string; readonly key: SigningKey }
}

/** A version that is to be here. */
interface Sought {
  readonly name: string
  readonly version: string
  readonly word: VersionWord
  readonly isPrivate: boolean
  readonly isOwner: boolean
}

/** A version, and the record that it gets here. */
interface Origin {
  readonly record: CatalogRecord
  readonly audience: Audience
}

export class Upstream {
  readonly #components: UpstreamComponents
  readonly #options: Options
  /** By package and version: it is fetched once, however many ask for it. */
  readonly #turns = new Turns()

  constructor(components: UpstreamComponents, options: Options) {
    this.#components = components
    this.#options = options
  }

  get url(): string {
    return this.#components.registry.url
  }

  /** What the registry says of a package. @throws CatalogError as `UpstreamDocuments.get` */
  document(name: string, form: PackumentForm, signal: AbortSignal): Promise<UpstreamDocument | undefined> {
    return this.#components.documents.get(name, form, signal)
  }

  /** Whether the registry has said, not long ago, that it has no such package. */
  knowsNot(name: string): boolean {
    return this.#components.documents.knowsNot(name)
  }

  /**
   * Have a version here that this node's user asks for by name, version, tag or range, if the registry has it. It never
   * rejects but by the signal: the mesh may do without.
   */
  async bring({ name, version, range }: Wanted, signal: AbortSignal): Promise<void> {
    try {
      const document = await this.document(name, 'install', signal)
      const meant = document && versionOf(document, version ?? range)
      if (document && meant !== undefined) await this.release(document, meant, true, signal)
    } catch (thrown) {
      signal.throwIfAborted()
      tellFailure(`${name} from the outside registry`, thrown)
    }
  }

  /** @param mayTell - whether the registry may hear of a package @throws CatalogError as `Advisories.ask` */
  advisories(body: string, mayTell: (name: string) => boolean, signal: AbortSignal): Promise<string> {
    return this.#components.advisories.ask(body, mayTell, signal)
  }

  /**
   * What the registry has of a version's origin, as it says it: for clients to check.
   *
   * @param isOwner - as for `release`
   * @throws CatalogError `NOT_FOUND`; `UPSTREAM` when the registry fails
   */
  async attestations(
    { name, versions }: UpstreamDocument,
    version: string,
    isOwner: boolean,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const question = { accept: 'application/json', asAnybody: !isOwner, signal }
    // What is no version could be a path to something else.
    const isThere = versions.has(version)
    const answer = isThere && (await this.#components.registry.ask(attestationsPath(name, version), question))
    if (!answer || answer.bytes === 'unchanged' || answer.bytes.length > ATTESTATION_BYTES_MAX) {
      throw new CatalogError('NOT_FOUND', `Nothing is attested of ${name}@${version}.`)
    }
    try {
      JSON.parse(answer.bytes.toString())
    } catch (cause) {
      throw new CatalogError('UPSTREAM', 'The outside registry tells attestations that are no JSON.', { cause })
    }
    return answer.bytes
  }

  close(): Promise<void> {
    return this.#components.documents.close()
  }

  /**
   * A version that the registry has, with its bytes here and verified: from peers where they have it, else from there.
   *
   * @param isOwner - whether it may be what the registry gives to this node's user alone
   * @returns nothing when the registry has no such version
   * @throws CatalogError `UPSTREAM` when the registry fails, `BLOB_CORRUPT` when its bytes are not what it says they
   *   are, `LIMIT_EXCEEDED`, `DISK_FULL`, `ABORTED`
   */
  release(
    { name, isPrivate, versions }: UpstreamDocument,
    version: string,
    isOwner: boolean,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    const word = versions.get(version)
    if (!word) return Promise.resolve(undefined)
    return this.#turns.take(`${name}@${version}`, async () => {
      signal.throwIfAborted()
      const { integrity } = word
      const origin = isIntegrity(integrity)
        ? this.#originOf({ type: 'npm', name, version, integrity }, word, isPrivate)
        : undefined
      const signed = origin?.audience === 'public' ? origin.record : undefined
      const sought: Sought = { name, version, word, isPrivate, isOwner }
      const known = await this.#here(sought, signed, signal)
      return known ?? (signed && (await this.#fromPeers(signed, signal))) ?? this.#download(sought, signal)
    })
  }

  /** What came before and is still what the registry says. */
  async #here(
    { name, version, word, isOwner }: Sought,
    signed: CatalogRecord | undefined,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    const { registry, records, blobs } = this.#components
    const isHere = ({ record, body: { artifacts } }: Release) =>
      artifacts.every(({ root }) => blobs.isUnder(root, record.id)) && !records.derivations.heardFrom(record.id)
    const release = signed && records.release(signed.id)
    if (release && isHere(release)) return release
    // Of what this node keeps for itself only the registry can say whether it is for others, too.
    if (!isOwner && registry.knowsUser(word.tarball)) return undefined
    for (const own of records.releases({ type: 'npm', name }, version)) {
      if (own.record.signer !== this.#options.node.signer || !isHere(own)) continue
      // What is signed by now can be shared, unless nobody can read it.
      if (signed && !isBare(own)) continue
      using lease = blobs.lease(onlyArtifact(own).root)
      if (lease && (await isAsSaid(word, readOrigin(own.record), () => streamOf(lease, signal)))) return own
    }
    return undefined
  }

  #originOf(body: OriginBody, { signatures }: VersionWord, isPrivate: boolean): Origin {
    const { originKeys, node } = this.#options
    const signed = isPrivate ? undefined : originRecord(body, signatures, originKeys)
    if (signed) return { record: signed, audience: 'public' }
    return { record: signRecord(originStatement(node.signer, body), [node.key]), audience: 'private' }
  }

  async #fromPeers(record: CatalogRecord, signal: AbortSignal): Promise<Release | undefined> {
    const { records, packages, clock } = this.#components
    try {
      if (!records.release(record.id)) await this.#askPeers(record.id, signal)
      const release = records.release(record.id)
      if (!release) return undefined
      // Who shows it and then sends nothing must not keep the registry from being asked.
      using patience = deadline(clock, UPSTREAM_MESH_MS, 'the peers', signal)
      using silence = deadline(clock, UPSTREAM_SILENCE_MS, 'the peers', signal)
      const onProgress = () => {
        patience[Symbol.dispose]()
        silence.renew()
      }
      const limit = AbortSignal.any([patience.signal, silence.signal])
      const { lease } = await packages.fetch(release, onlyArtifact(release), { signal: limit, onProgress })
      lease[Symbol.dispose]()
      return release
    } catch (thrown) {
      signal.throwIfAborted()
      // The registry has it in any case.
      tellFailure(`${record.statement.subject} from peers`, thrown)
      return undefined
    }
  }

  async #askPeers(id: Uint8Array, signal: AbortSignal): Promise<void> {
    const { exchange, packages, records, clock } = this.#components
    const peers = someConnected(this.#components, SEARCH_FAN_OUT_MAX)
    using limit = deadline(clock, UPSTREAM_MESH_MS, 'the peers', signal)
    const found = Promise.withResolvers<void>()
    const asking = peers.map(async (peer) => {
      try {
        await exchange.fetchRecords(peer, [id], limit.signal)
        packages.shown(id, peer)
        if (records.release(id)) found.resolve()
      } catch (thrown) {
        tellFailure(`records from ${peer}`, thrown, 'NOT_FOUND')
      }
    })
    await untilAborted(Promise.race([found.promise, Promise.all(asking)]), limit.signal).catch(() =>
      signal.throwIfAborted(),
    )
  }

  async #download({ name, version, word, isPrivate, isOwner }: Sought, signal: AbortSignal): Promise<Release> {
    const { registry, blobs, scratch } = this.#components
    await using folders = scratch.open()
    const path = join(await folders.folder(), 'package.tgz')
    const { mayWrite } = folders
    const options = { bytesMax: ARCHIVE_BYTES_MAX, asAnybody: !isOwner, mayWrite, signal }
    const came = await registry.download(word.tarball, path, options)
    const blob = await blobs.stage({ path }, signal)
    try {
      const integrity = `sha512-${Buffer.from(blob.sha512 ?? []).toString('base64')}`
      if (!(await isAsSaid(word, { integrity }, () => createReadStream(path, { signal }))))
        throw otherBytes(name, version)
      const derivation = await this.#derive(blob, path, { name, version }, signal)
      const body: OriginBody = { type: 'npm', name, version, integrity }
      // A tarball that took credentials is not for everybody, whatever was said of it.
      const isOwn = isPrivate || came.isPrivate || derivation === undefined
      return await this.#keep(this.#originOf(body, word, isOwn), blob, derivation)
    } finally {
      await blobs.discard([blob])
    }
  }

  /** @returns nothing of an archive that npm may read and this build refuses to: clients unpack it as they will */
  async #derive(
    blob: StagedBlob,
    path: string,
    of: { name: string; version: string },
    signal: AbortSignal,
  ): Promise<Derivation | undefined> {
    try {
      return await this.#components.effects.run(() => deriveFrom(blob, path, of, signal))
    } catch (thrown) {
      if (!hasCode(thrown, 'ARCHIVE_CORRUPT', 'ARCHIVE_UNSAFE', 'MANIFEST_INVALID', 'LIMIT_EXCEEDED')) throw thrown
      tellFailure(`manifest of ${of.name}@${of.version}`, thrown)
      return undefined
    }
  }

  /** Bytes, statement and what follows become visible together. */
  async #keep(origin: Origin, blob: StagedBlob, derivation: Derivation | undefined): Promise<Release> {
    const { records, blobs, providers } = this.#components
    const { record } = origin
    await blobs.seal([blob], record.id)
    const release = { made: undefined as Release | undefined }
    await records.admitAll([origin], () => {
      blobs.link(blob, record.id, 'fetched')
      release.made = records.derivations.put(record, derivation ?? bare(blob, record))
    })
    if (origin.audience === 'public') providers.provide(blob.root)
    if (release.made) return release.made
    throw new CatalogError('INTERNAL', `${record.statement.subject} is not there.`)
  }
}

/** The version that a version, tag or range means: of a range the highest. */
function versionOf({ versions, tags }: UpstreamDocument, asked = LATEST): string | undefined {
  if (versions.has(asked)) return asked
  const tagged = tags.get(asked)
  if (tagged !== undefined) return tagged
  return [...versions.keys()]
    .filter((version) => npm.satisfies(version, asked))
    .reduce<string | undefined>((best, one) => (best && npm.compareVersions(best, one) >= 0 ? best : one), undefined)
}

/** What is kept of an archive that says nothing readable. */
function bare({ size, root, sha256 }: StagedBlob, record: CatalogRecord): Derivation {
  const { name, version } = readOrigin(record)
  const said = { manifest: { name, version }, dependencies: [], description: '', keywords: [], license: '' }
  return { v: 1, path: artifactPath({ name, version }), size, root, sha256, ...said }
}

/** Whether nothing but its name is kept of an archive. */
function isBare({ body: { manifest } }: Release): boolean {
  return Object.keys(manifest).length === 2
}

/**
 * Whether bytes are what the registry says of a version. The oldest packages have a SHA-1: too few bits to be a
 * statement, enough to tell a broken file.
 */
async function isAsSaid(
  { integrity, shasum }: VersionWord,
  found: Pick<OriginBody, 'integrity'>,
  bytes: () => Readable,
): Promise<boolean> {
  if (isIntegrity(integrity)) return integrity === found.integrity
  const hash = createHash('sha1')
  await pipeline(bytes(), hash)
  return hash.digest('hex') === shasum
}

function otherBytes(name: string, version: string): CatalogError {
  return new CatalogError('BLOB_CORRUPT', `The outside registry sent other bytes than it says ${name}@${version} has.`)
}
