// Installing: resolve, fetch, unpack into a fresh folder, rename it into place. Scripts never run. An install that the
// user asked for by name pins the name to its publisher; dependencies follow only publishers already trusted.
import { rename, rm } from 'node:fs/promises'
import { dirname, join, resolve as resolvePath } from 'node:path'
import { type ByteSource, copyToFile } from '../base/byte-source.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Disk } from '../base/disk.ts'
import { fileError } from '../base/disk.ts'
import type { Effects } from '../base/effects.ts'
import { CatalogError } from '../base/errors.ts'
import { INSTALL_AT_ONCE_MAX, INSTALL_FETCHES_MAX, INSTALL_PACKAGES_MAX } from '../base/limits.ts'
import { Places } from '../base/places.ts'
import type { Random } from '../base/random.ts'
import { atMost } from '../base/together.ts'
import { Turns } from '../base/turns.ts'
import { formatPurl, nameKey } from '../model/purl.ts'
import { contentOf, type Release } from '../model/release.ts'
import { packageType } from '../package-types/all.ts'
import type { Lease } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { FetchOptions } from '../transfer/fetcher.ts'
import type { FetchSource, ProviderFailure } from '../transfer/report.ts'
import type { Notices } from '../trust/notices.ts'
import type { FetchedArtifact, Packages, Resolved, Wanted } from './packages.ts'
import { ProgressSum } from './progress.ts'

export interface InstallOptions extends FetchOptions {
  /** Folder the package's own folder is made in. */
  readonly to: string
  /** Replace a folder that is there. */
  readonly force?: boolean | undefined
  /** Also install what it depends on, flat beside it. */
  readonly withDependencies?: boolean | undefined
  readonly onInstalled?: ((installed: Installed) => void) | undefined
}

export interface Installed {
  readonly purl: string
  readonly path: string
  /** Unpacked. */
  readonly bytes: number
  readonly files: number
  readonly sources: readonly FetchSource[]
  readonly failures: readonly ProviderFailure[]
  /** From its fetch to its place. */
  readonly ms: number
  /** What it needs, as `purl range`. */
  readonly dependencies: readonly { purl: string; range: string; optional: boolean }[]
  /** Why it should not be used, if its publisher says so. */
  readonly deprecated: string | null
}

interface Components {
  packages: Packages
  notices: Notices
  pins: Pins
  clock: Clock
  disk: Disk
  effects: Effects
  random: Random
}

export class Installing {
  readonly #components: Components
  /** By folder: threads that change one at the same time keep the processor busy with waiting for each other. */
  readonly #turns = new Turns()
  readonly #fetches = new Places(INSTALL_FETCHES_MAX)

  constructor(components: Components) {
    this.#components = components
  }

  /** @returns what was installed, the package asked for first */
  async install(wanted: Wanted, options: InstallOptions): Promise<Installed[]> {
    const { packages, pins } = this.#components
    const { release, trust } = await packages.resolve(wanted, options.signal)
    const progress = new ProgressSum(options.onProgress)
    const first = await this.#installOne(release, options, progress)
    if (trust === 'unpinned') await pins.set(release.body, release.record.signer, 'installed')
    options.onInstalled?.(first)
    if (!options.withDependencies) return [first]
    return [first, ...(await this.#installDependencies(release, options, progress))]
  }

  /** Breadth first. One version a name, as the folder is flat; a second range that it does not meet is an error. */
  async #installDependencies(first: Release, options: InstallOptions, progress: ProgressSum): Promise<Installed[]> {
    const chosen = new Map([[nameKey(first.body), first]])
    const installed: Installed[] = []
    for (let wave: readonly Release[] = [first]; wave.length > 0; ) {
      wave = await this.#nextWave(wave, chosen, options.signal)
      const results = await atMost(INSTALL_AT_ONCE_MAX, wave, async (release) => {
        const result = await this.#installOne(release, options, progress)
        options.onInstalled?.(result)
        return result
      })
      installed.push(...results)
    }
    return installed
  }

  /** What the packages of a wave need and was not chosen before. Who names a package first says which range counts. */
  async #nextWave(
    wave: readonly Release[],
    chosen: Map<string, Release>,
    signal: AbortSignal | undefined,
  ): Promise<Release[]> {
    const needs = wave.flatMap((parent) => parent.body.dependencies.map((dependency) => ({ parent, dependency })))
    const firsts = new Map<string, (typeof needs)[number]>()
    for (const need of needs) {
      const key = nameKey(need.dependency)
      if (!chosen.has(key) && !firsts.has(key)) firsts.set(key, need)
    }
    if (chosen.size + firsts.size > INSTALL_PACKAGES_MAX) {
      throw new CatalogError('LIMIT_EXCEEDED', `More than ${INSTALL_PACKAGES_MAX} packages would be installed.`)
    }
    const fresh = [...firsts]
    const wanted = fresh.map(([, { dependency }]) => dependency)
    const resolved = await this.#components.packages.resolveAll(wanted, signal)
    const found = fresh.map(([key, { dependency, parent }], index) => {
      const release = trusted(resolved[index] as Resolved, dependency, parent)
      if (release) chosen.set(key, release)
      return release
    })
    for (const { dependency, parent } of needs) {
      const there = chosen.get(nameKey(dependency))
      if (there && firsts.get(nameKey(dependency))?.parent !== parent) checkMeets(there, dependency.range, parent)
    }
    return found.filter((release) => release !== undefined)
  }

  async #installOne(release: Release, options: InstallOptions, progress: ProgressSum): Promise<Installed> {
    const { packages, notices, disk, effects, clock } = this.#components
    const startedAt = clock.now()
    const { body, purl } = release
    const path = resolvePath(options.to, ...body.name.split('/'))
    if ((await disk.exists(path)) && !options.force) {
      throw new CatalogError('TARGET_EXISTS', `${path} exists already.`, {
        hint: 'Choose another folder with --to DIR, or replace it with --force.',
      })
    }
    const report = { bytes: 0, files: 0 }
    const parent = dirname(path)
    const fresh = join(parent, `.catalog-${toHex(this.#components.random.bytes(8))}`)
    await this.#turns.take(parent, () => disk.makeFolder(fresh, 0o755))
    const held: Lease[] = []
    let fetched: FetchedArtifact[] = []
    let isInPlace = false
    try {
      const { signal } = options
      fetched = await atMost(INSTALL_AT_ONCE_MAX, contentOf(release), async (artifact) => {
        const fetching = () => packages.fetch(release, artifact, { signal, onProgress: progress.part() })
        const one = await this.#fetches.use(fetching)
        held.push(one.lease)
        return one
      })
      const type = packageType(body.type)
      for (const { artifact, lease } of fetched) {
        const source = { file: lease, path: artifact.path, mediaType: artifact.mediaType }
        const unpacked = await effects.run(() => type.unpack(source, fresh, signal))
        report.bytes += unpacked.bytes
        report.files += unpacked.files
      }
      if (options.force) await disk.remove(path)
      await this.#turns
        .take(parent, () => effects.run(() => rename(fresh, path)))
        .catch((thrown) => {
          throw fileError(path, thrown)
        })
      isInPlace = true
    } finally {
      for (const lease of held) lease[Symbol.dispose]()
      if (!isInPlace) await disk.remove(fresh)
    }
    const dependencies = body.dependencies.map(({ type, name, range, optional }) => ({
      purl: formatPurl({ type, name }),
      range,
      optional: optional === true,
    }))
    const sources = fetched.flatMap((one) => one.sources)
    const failures = fetched.flatMap((one) => one.failures)
    const deprecated = notices.of(body, release.record.signer).deprecated.get(body.version) ?? null
    return { purl, path, ...report, sources, failures, dependencies, deprecated, ms: clock.now() - startedAt }
  }
}

/**
 * A dependency must come from a publisher the name is pinned to, or from its parent's own.
 *
 * @returns nothing for an optional one that nobody knows
 */
function trusted(
  { resolution, error }: Resolved,
  dependency: Release['body']['dependencies'][number],
  parent: Release,
): Release | undefined {
  if (error) {
    if (dependency.optional && error.code === 'NOT_FOUND') return undefined
    throw error
  }
  const { release, trust } = resolution
  if (trust !== 'unpinned' || release.record.signer === parent.record.signer) return release
  const purl = formatPurl({ type: dependency.type, name: dependency.name })
  throw new CatalogError('UNTRUSTED', `${parent.purl} needs ${purl}, whose publisher is not trusted yet.`, {
    hint: `Read about it with "catalog info ${purl}", then: catalog trust ${purl} ${release.record.signer}`,
  })
}

function checkMeets(there: Release, range: string, parent: Release): void {
  if (packageType(there.body.type).satisfies(there.body.version, range)) return
  throw new CatalogError('TARGET_EXISTS', `${parent.purl} needs ${there.body.name} ${range}, beside ${there.purl}.`, {
    hint: 'Flat installs hold one version of a name. Install this package without --with-dependencies.',
  })
}

/** Copy a blob's bytes to a file; nothing is visible under its name until all are there. */
export async function copyOut(
  components: { effects: Effects; random: Random },
  from: ByteSource,
  to: string,
  signal?: AbortSignal,
): Promise<void> {
  const partial = `${to}.${toHex(components.random.bytes(8))}.partial`
  try {
    await components.effects.run(async () => {
      await copyToFile(from, partial, { signal })
      await rename(partial, to)
    })
  } catch (thrown) {
    await components.effects.run(() => rm(partial, { force: true }))
    throw fileError(to, thrown)
  }
}
