// What must be in a store, drawn from what was told of it: acknowledged is there, forgotten is gone, and what was
// under way when the store died may be either, but whole or not at all.
import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { hasBit } from '../../src/base/bitmap.ts'
import { equalBytes, sha256, toHex } from '../../src/base/bytes.ts'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { trieRoot } from '../../src/model/trie.ts'
import { bytesOf } from '../unit/store/opened.ts'
import { contentOf, packageOf, purlOf, TYPE, VERSION } from './packages.ts'
import type { Stand } from './stand.ts'
import type { Told } from './workload.ts'

/** Of a blob's history, shown with a problem. */
const TOLD_MAX = 20

type Sure = 'no' | 'maybe' | 'yes'

/** Of one package. */
interface Entry {
  record: Sure
  /** Its blob, under its release. */
  blob: Sure
  pinned: Sure
  withdrawn: Sure
  /** Fetches of it under way, and whether it was forgotten since the first of them began. */
  fetches: number
  forgotten: boolean
}

/** What there is of one package. */
interface Seen {
  readonly record: boolean
  readonly blob: boolean
  readonly pinned: boolean
  readonly withdrawn: boolean
}

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #faults: string[] = []
  /** All that was told of each blob, by root; for whoever looks for the reason of a problem. */
  readonly #history = new Map<string, string[]>()
  /** Roots of blobs that were damaged on purpose, and that no scrub has told of yet. */
  readonly #rotten = new Set<string>()
  /** Roots of blobs that were found damaged, and have not come again since. */
  readonly #damaged = new Set<string>()

  /** Another one that begins as this one is. */
  copy(): Ledger {
    const copy = new Ledger()
    for (const [name, entry] of this.#entries) copy.#entries.set(name, { ...entry })
    for (const [root, told] of this.#history) copy.#history.set(root, told)
    for (const root of this.#rotten) copy.#rotten.add(root)
    for (const root of this.#damaged) copy.#damaged.add(root)
    copy.#faults.push(...this.#faults)
    return copy
  }

  take(told: Told): void {
    this.#remember(told)
    if ('fault' in told) this.#faults.push(told.fault)
    else if ('misread' in told) this.#misread(told.misread)
    else if ('damaged' in told) this.#setAside(told.damaged, told.reason)
    else if ('forgotten' in told) this.#forget(told.forgotten)
    else if (told.name !== '') {
      this.#note(told.verb, this.#entry(told.name), told.state)
      if (['publish', 'fetch'].includes(told.verb) && told.state === 'done') this.#damaged.delete(rootOf(told.name))
      if (told.verb !== 'rot') return
      this.#rotten.add(rootOf(told.name))
      this.#setAside(rootOf(told.name), 'by the scrub that followed')
      if (told.state !== 'done') this.#rotten.add(rootOf(told.name))
    }
  }

  #remember(told: Told): void {
    if ('fault' in told || ('name' in told && told.name === '')) return
    const [[word, root] = ['', '']] = Object.entries(told)
    const [about, words] =
      'name' in told ? [rootOf(told.name), `${told.verb} ${told.name} ${told.state}`] : [root, word]
    this.#history.set(about, [...(this.#history.get(about) ?? []), words])
  }

  #misread(root: string): void {
    if (!this.#rotten.has(root)) this.#faults.push(`blob ${root} was read with other bytes`)
  }

  #setAside(root: string, reason: string): void {
    if (!this.#rotten.delete(root)) this.#faults.push(`blob ${root} was found damaged: ${reason}`)
    this.#damaged.add(root)
    for (const [name, entry] of this.#entries) if (rootOf(name) === root) entry.blob = atMost(entry.blob)
  }

  #note(verb: string, entry: Entry, state: 'begun' | 'done' | 'refused'): void {
    const begun = state === 'begun'
    if (verb === 'fetch') {
      if (begun && entry.fetches === 0) entry.forgotten = false
      entry.fetches += begun ? 1 : -1
    }
    if (state === 'refused') return
    if (verb === 'publish') {
      if (begun || entry.withdrawn === 'no' || entry.pinned === 'yes') entry.blob = atLeast(entry.blob, begun)
      entry.record = atLeast(entry.record, begun)
    }
    if (verb === 'hear') entry.record = atLeast(entry.record, begun)
    // Complete for a moment: another fetch may have needed the room before this one was told of.
    if (verb === 'fetch') entry.blob = atLeast(entry.blob, begun || entry.forgotten)
    if (verb === 'pin') entry.pinned = atLeast(entry.pinned, begun)
    if (verb === 'unpin') entry.pinned = begun ? atMost(entry.pinned) : 'no'
    if (verb === 'withdraw') entry.withdrawn = atLeast(entry.withdrawn, begun)
    // What nobody keeps may be swept from the moment on that it was withdrawn.
    if (entry.withdrawn !== 'no' && entry.pinned !== 'yes') entry.blob = atMost(entry.blob)
  }

  #forget(root: string): void {
    for (const [name, entry] of this.#entries) {
      if (rootOf(name) !== root) continue
      const { kind } = packageOf(name)
      const held = kind === 'own' ? entry.withdrawn === 'no' : entry.pinned === 'yes'
      if (held && entry.blob === 'yes') this.#faults.push(`${name} was to be forgotten and should be kept`)
      entry.blob = atMost(entry.blob)
      entry.forgotten = true
    }
  }

  #entry(name: string): Entry {
    const known = this.#entries.get(name)
    if (known) return known
    const entry: Entry = { record: 'no', blob: 'no', pinned: 'no', withdrawn: 'no', fetches: 0, forgotten: false }
    this.#entries.set(name, entry)
    return entry
  }

  /** Packages whose publish or fetch was acknowledged, and nothing has forgotten since. */
  get acknowledged(): string[] {
    return [...this.#entries].filter(([, { blob }]) => blob === 'yes').map(([name]) => name)
  }

  /**
   * Hold a store against what must be in it.
   *
   * @param when - `opened`, and nothing written since; or `working`: then there may be tails that nobody counts yet
   * @returns all that is wrong
   */
  async verify(stand: Stand, when: 'opened' | 'working'): Promise<string[]> {
    const problems = [...this.#faults]
    for (const { subject, problem } of await stand.store.check()) problems.push(`${subject}: ${problem}`)
    for (const [name, entry] of this.#entries) {
      const told = this.#history.get(rootOf(name))?.slice(-TOLD_MAX).join(', ')
      const isDamaged = this.#damaged.has(rootOf(name))
      for (const problem of await verifyOne(stand, name, entry, isDamaged)) problems.push(`${problem}; told: ${told}`)
    }
    const known = new Map([...this.#entries.keys()].map((name) => [rootOf(name), name]))
    problems.push(...(await blobsAreWhole(stand, known, this.#rotten)))
    problems.push(...(await fetchesAreTrue(stand, known)))
    problems.push(...shelvesAreSums(stand), ...filesAreKnown(stand, when))
    for (const { pack, missing } of stand.store.recovery.short) problems.push(`pack ${pack} lacks ${missing} bytes`)
    return problems
  }

  /** What was seen, be it there or not, is how it stays from now on. */
  async settle(stand: Stand): Promise<void> {
    for (const root of this.#rotten) if (!stand.store.blobs.row(Buffer.from(root, 'hex'))) this.#rotten.delete(root)
    for (const [name, entry] of this.#entries) {
      const seen = await look(stand, name)
      for (const what of ['record', 'blob', 'pinned', 'withdrawn'] as const) {
        if (entry[what] === 'maybe') entry[what] = seen[what] ? 'yes' : 'no'
      }
      const mayGo = (entry.withdrawn === 'yes' && entry.pinned !== 'yes') || this.#rotten.has(rootOf(name))
      // Of a blob set aside it is known under which releases it was: mended or published again, it is under them again.
      const { root } = contentOf(packageOf(name).content)
      const mayComeBack = stand.store.environment.downloads.get(root)?.links !== undefined
      if (mayGo) entry.blob = atMost(entry.blob)
      else if (mayComeBack) entry.blob = 'maybe'
      Object.assign(entry, { fetches: 0, forgotten: false })
    }
  }
}

function rootOf(name: string): string {
  return toHex(contentOf(packageOf(name).content).root)
}

function atLeast(before: Sure, begun: boolean): Sure {
  if (!begun) return 'yes'
  return before === 'yes' ? 'yes' : 'maybe'
}

function atMost(before: Sure): Sure {
  return before === 'no' ? 'no' : 'maybe'
}

function fits(sure: Sure, is: boolean): boolean {
  return sure === 'maybe' || is === (sure === 'yes')
}

async function look({ store, publisher }: Stand, name: string): Promise<Seen> {
  const { records, blobs, kept } = store
  const { signer } = await publisher.identity()
  const id = records.releases({ type: TYPE, name }, VERSION)[0]?.record.id
  return {
    record: id !== undefined,
    blob: id !== undefined && blobs.isUnder(contentOf(packageOf(name).content).root, id),
    pinned: id !== undefined && kept.has(id),
    withdrawn: records.slot('public', signer, 'withdrawal', purlOf(name)).length > 0,
  }
}

async function verifyOne(stand: Stand, name: string, entry: Entry, isDamaged: boolean): Promise<string[]> {
  const problems: string[] = []
  const seen = await look(stand, name)
  for (const what of ['record', 'blob', 'pinned', 'withdrawn'] as const) {
    if (!fits(entry[what], seen[what])) problems.push(`${name}: ${what} should be ${entry[what]}, is ${seen[what]}`)
  }
  const { signer } = await stand.publisher.identity()
  const { root } = contentOf(packageOf(name).content)
  const [release, ...more] = stand.store.records.releases({ type: TYPE, name }, VERSION)
  if (more.length > 0) problems.push(`${name} has ${more.length + 1} releases`)
  if (packageOf(name).kind !== 'own') return problems
  // Release, share, pin and blob come together; only a release that was withdrawn may lose its blob, and one whose
  // bytes were here already when it was published, and rotten without anybody knowing.
  const parts = {
    share: stand.shares.latest(signer, purlOf(name)) !== undefined,
    pin: stand.pins.get({ type: TYPE, name }) !== undefined,
    blob: seen.blob || seen.withdrawn || isDamaged,
  }
  for (const [part, is] of Object.entries(parts)) {
    if (part === 'blob' && release === undefined) continue
    if (is !== (release !== undefined))
      problems.push(`${name} has ${is ? 'a' : 'no'} ${part}, and its release is not so`)
  }
  if (release && seen.blob && stand.store.blobs.originOf(root, release.record.id) !== 'published') {
    problems.push(`${name} is not this node's own`)
  }
  return problems
}

/** Every blob in sight is one of ours, with its bytes and its outline, under releases that are here. */
async function blobsAreWhole(
  { store }: Stand,
  known: ReadonlyMap<string, string>,
  rotten: ReadonlySet<string>,
): Promise<string[]> {
  const problems: string[] = []
  for (const { root } of store.blobs.list()) {
    const name = known.get(toHex(root))
    if (name === undefined) {
      problems.push(`blob ${toHex(root)} is nobody's`)
      continue
    }
    if (rotten.has(toHex(root))) continue
    const made = contentOf(packageOf(name).content)
    if (!(await bytesOf(store, root))?.equals(made.bytes)) problems.push(`${name} has other bytes`)
    const outline = await store.blobs.outline(root).catch((thrown: Error) => thrown.message)
    if (typeof outline === 'string' || !equalBytes(outline ?? new Uint8Array(), made.outline)) {
      problems.push(`${name} has another outline: ${outline}`)
    }
    for (const { release } of store.blobs.releasesOf(root)) {
      if (!store.records.get(release)) problems.push(`${name} is under a release that is not here`)
    }
  }
  return problems
}

/** Chunks that a fetch claims to have are on the disk. */
async function fetchesAreTrue({ store }: Stand, known: ReadonlyMap<string, string>): Promise<string[]> {
  const problems: string[] = []
  for (const key of store.environment.downloads.getKeys({})) {
    const root = new Uint8Array(key)
    const name = known.get(toHex(root))
    const partial = store.blobs.partial(root)
    if (name === undefined || !partial) {
      problems.push(`a fetch of ${toHex(root)} is nobody's`)
      continue
    }
    using lease = partial.lease
    const { bytes } = contentOf(packageOf(name).content)
    const there = Buffer.alloc(lease.length)
    await store.blobs.readFrom(lease, 0, there)
    for (let at = 0, chunk = 0; at < bytes.length; at += CHUNK_BYTES, chunk++) {
      const same = equalBytes(
        sha256(there.subarray(at, at + CHUNK_BYTES)),
        sha256(bytes.subarray(at, at + CHUNK_BYTES)),
      )
      if (hasBit(partial.bitmap, chunk) && !same)
        problems.push(`chunk ${chunk} of ${name} counts as fetched and is not`)
    }
  }
  return problems
}

/** Roots of shelves, computed from the slots, which the tries are not made of. */
function shelvesAreSums({ store }: Stand): string[] {
  const ids = new Map<string, Uint8Array[]>()
  for (const { key, value } of store.environment.slots.getRange({})) {
    const shelf = `${key[0]} ${key[1]}`
    ids.set(shelf, [...(ids.get(shelf) ?? []), ...value.map(({ id }) => new Uint8Array(id))])
  }
  const shelves = store.records.shelves.list()
  const problems = shelves
    .filter(({ audience, signer, root }) => {
      const sorted = (ids.get(`${audience} ${signer}`) ?? []).sort(Buffer.compare)
      return !equalBytes(trieRoot(sorted), new Uint8Array(root))
    })
    .map(({ audience, signer }) => `shelf ${audience} ${signer} has another root than its records`)
  return shelves.length === ids.size
    ? problems
    : [...problems, `${ids.size} shelves have records, ${shelves.length} are`]
}

/** Files are as long as their rows say, and there are no others. */
function filesAreKnown({ store }: Stand, when: 'opened' | 'working'): string[] {
  const problems: string[] = []
  const folders = readdirSync(store.folder).filter((name) => !['database', 'keys', 'packs', 'scratch'].includes(name))
  for (const name of folders) problems.push(`nobody knows ${name}`)
  for (const name of readdirSync(join(store.folder, 'scratch'))) problems.push(`nobody knows scratch/${name}`)
  const files = new Set(readdirSync(join(store.folder, 'packs')))
  for (const { key, value } of store.environment.packs.getRange({})) {
    const path = store.packs.path(key)
    const known = files.delete(basename(path))
    const size = known ? statSync(path).size : 0
    const fits = when === 'opened' ? size === value.end : size >= value.end
    if (!known || !fits) problems.push(`${basename(path)} has ${size} bytes, ${value.end} are accounted for`)
  }
  // Of one that works, the pack that is next to be written may be there before anything counts in it.
  if (when === 'opened') for (const name of files) problems.push(`nobody knows packs/${name}`)
  return problems
}
