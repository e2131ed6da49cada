// How often packages are fetched and installed here: sums that fade over an hour, a day and a month, the counts of the
// last days, and what was installed beside what. Counted at once and written down with whatever commits next, or after
// two seconds: a process that is killed forgets no more than that.
import { sha256, toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import {
  USAGE_DAY_COUNTS_MAX,
  USAGE_DAYS_MAX,
  USAGE_FOLDERS_MAX,
  USAGE_PACKAGES_MAX,
  USAGE_PENDING_MAX,
  USAGE_PENDING_MS,
} from '../base/limits.ts'
import { DAY_MS, HOUR_MS } from '../base/units.ts'
import { nameKey, type PackageName } from '../model/purl.ts'
import type { Environment } from './environment.ts'
import { LateWrites } from './late-writes.ts'
import { LAST_PART, type Range, type Table, type UsageRow } from './tables.ts'

/** After so long a use counts for 1/e of itself: of steady use, a sum tells how much of it there is in such a time. */
export const USAGE_WINDOWS = { hour: HOUR_MS, day: DAY_MS, month: 30 * DAY_MS } as const
/** Of a table that is full, the share that goes at once: looking for the rarest means reading all. */
const EVICTED_SHARE = 1 / 16

/** What happened to a package, and how often. */
interface Counted extends PackageName {
  fetches: number
  installs: number
  /** Folders it was installed into, as digests. */
  readonly folders: Set<string>
}

/** With sums as of now. */
export type PackageUsage = PackageName & UsageRow

interface Components {
  environment: Environment
  clock: Clock
}

export class Usage {
  readonly #components: Components
  #pending = new Map<string, Counted>()
  #uses = 0
  readonly #writes: LateWrites<readonly Counted[]>
  readonly #listeners = new Set<(name: PackageName) => void>()

  constructor(components: Components) {
    this.#components = components
    this.#writes = new LateWrites(components, {
      task: 'count uses',
      afterMs: USAGE_PENDING_MS,
      isPending: () => this.#pending.size > 0,
      take: () => this.#take(),
      write: (uses) => this.#write(uses),
      takeBack: (uses) => {
        for (const counted of uses) this.#add(counted, counted)
      },
    })
  }

  /** Count a fetch of a package. */
  fetched(name: PackageName): void {
    this.#count(name, { fetches: 1 })
  }

  /** Count an install. @param folder - what it was installed into; only a digest of it is kept */
  installed(name: PackageName, folder: string): void {
    this.#count(name, { installs: 1, folder: toHex(sha256(Buffer.from(folder)).subarray(0, 16)) })
  }

  /** Called at each use. */
  onUse(listener: (name: PackageName) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Nothing for a package that was never used here, or not for long. */
  of(name: PackageName): PackageUsage | undefined {
    const { type, name: text } = name
    const row = this.#components.environment.usage.get([type, text])
    const pending = this.#pending.get(nameKey(name))
    return row || pending ? { type, name: text, ...this.#added(row, pending) } : undefined
  }

  /** All that is counted and written down, in no order that means anything. */
  *list(): Generator<PackageUsage> {
    for (const { key, value } of this.#components.environment.usage.getRange({})) {
      const [type = '', name = ''] = key
      yield { type, name, ...this.#added(value) }
    }
  }

  /** Times each package was used on one day, by the number of the day since 1970, as it is written down. */
  *dayOf(day: number): Generator<PackageName & { count: number }> {
    const range = { start: [day], end: [day, LAST_PART] }
    for (const { key, value } of this.#components.environment.usageDays.getRange(range)) {
      yield { type: String(key[1]), name: String(key[2]), count: value }
    }
  }

  /** Packages that were installed into one folder, for each folder, as it is written down. */
  folders(): PackageName[][] {
    const keys = [...this.#components.environment.usageFolders.getKeys({})]
    const byFolder = Map.groupBy(keys, ([folder]) => folder)
    return [...byFolder.values()].map((list) => list.map(([, type = '', name = '']) => ({ type, name })))
  }

  /** Write down what is counted so far. */
  save(): Promise<void> {
    return this.#writes.save()
  }

  /** The same, for who cannot help it when it fails: what is not written stays pending. */
  flush(): Promise<void> {
    return this.#writes.flush()
  }

  #count(
    name: PackageName,
    { fetches = 0, installs = 0, folder }: { fetches?: number; installs?: number; folder?: string },
  ) {
    this.#add(name, { fetches, installs, folders: folder === undefined ? [] : [folder] })
    for (const listener of this.#listeners) listener(name)
    this.#writes.counted(this.#uses >= USAGE_PENDING_MAX)
  }

  #add({ type, name }: PackageName, more: { fetches: number; installs: number; folders: Iterable<string> }): void {
    const key = nameKey({ type, name })
    const counted = this.#pending.get(key) ?? { type, name, fetches: 0, installs: 0, folders: new Set<string>() }
    counted.fetches += more.fetches
    counted.installs += more.installs
    for (const folder of more.folders) counted.folders.add(folder)
    this.#pending.set(key, counted)
    this.#uses += more.fetches + more.installs
  }

  #take(): readonly Counted[] {
    const taken = [...this.#pending.values()]
    this.#pending = new Map()
    this.#uses = 0
    return taken
  }

  #write(uses: readonly Counted[]): void {
    const { usage, usageDays, usageFolders } = this.#components.environment
    const now = this.#components.clock.now()
    const day = Math.floor(now / DAY_MS)
    for (const counted of uses) {
      const key = [counted.type, counted.name]
      usage.put(key, this.#added(usage.get(key), counted))
      usageDays.put([day, ...key], (usageDays.get([day, ...key]) ?? 0) + counted.fetches + counted.installs)
      for (const folder of counted.folders) usageFolders.put([folder, ...key], now)
    }
    forget(usageDays, { end: [day - USAGE_DAYS_MAX] })
    evict(usageDays, USAGE_DAY_COUNTS_MAX, (count) => count)
    evict(usage, USAGE_PACKAGES_MAX, (row) => this.#added(row).month)
    evict(usageFolders, USAGE_FOLDERS_MAX, (at) => at)
  }

  #added(row: UsageRow | undefined, { fetches, installs } = { fetches: 0, installs: 0 }): UsageRow {
    const now = this.#components.clock.now()
    const before = row ?? { hour: 0, day: 0, month: 0, at: now, fetches: 0, installs: 0 }
    const sum = (window: keyof typeof USAGE_WINDOWS) =>
      before[window] * Math.exp(-Math.max(0, now - before.at) / USAGE_WINDOWS[window]) + fetches + installs
    return {
      ...{ hour: sum('hour'), day: sum('day'), month: sum('month'), at: now },
      ...{ fetches: before.fetches + fetches, installs: before.installs + installs },
    }
  }
}

function forget<K extends (string | number)[]>(table: Table<unknown, K>, range: Range<K>): void {
  for (const key of [...table.getKeys(range)]) table.remove(key)
}

/** Make room in a table that has outgrown its bound. */
function evict<V, K extends (string | number)[]>(table: Table<V, K>, most: number, worth: (value: V) => number): void {
  if (table.getCount() <= most) return
  const rows = [...table.getRange({})].map(({ key, value }) => ({ key, worth: worth(value) }))
  rows.sort((a, b) => a.worth - b.worth)
  for (const { key } of rows.slice(0, rows.length - most * (1 - EVICTED_SHARE))) table.remove(key)
}
