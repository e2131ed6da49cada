// A disk that loses power. It is watched while a store works on it: what was synced stays, what was written since may
// be there or not, sector by sector, and files whose folder was not synced may be missing, or be there again. Workers
// write past `Disk`; so what counts is what lies in the files, not what was asked for.
//
// The database is taken as it lies there at that moment, between two commits: that LMDB itself survives a loss of power
// with `overlappingSync: false` has been measured on its own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Random } from '../../src/base/random.ts'
import type { Environment } from '../../src/store/environment.ts'
import type { Around, Step } from './interposed-disk.ts'

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512
/** Sectors that share their fate in some images: what one request wrote. */
const RUN_SECTORS = 128

/** A lie of the disk, for the test of the test. */
export type Lie =
  /** It says synced, and the last sync of each file has not happened. */
  | 'last-sync'
  /** The same for folders, all of them. */
  | 'folders'

interface FileThen {
  /** Whether its name was certain to stay, and whether it was there. */
  readonly entrySynced: boolean
  readonly isThere: boolean
  readonly synced: Buffer
  /** Where it differed from what was synced, by sector; and how long it was. */
  readonly since: readonly { sector: number; bytes: Buffer }[]
  readonly length: number
}

/** All that an image is made of. */
export interface Moment {
  readonly database: Buffer
  readonly packs: ReadonlyMap<string, FileThen>
  /** What the workload had told by then. */
  readonly told: number
}

export interface WatchOptions {
  /** Of the moments met, how many are remembered: 0 to 1. */
  readonly share: number
  readonly random: Random
  /** How much was told so far. */
  readonly told: () => number
  readonly lie?: Lie | undefined
}

/** Watches a store from the moment on that it is opened, when all of its files are on the disk. */
export class PowerWatch {
  readonly moments: Moment[] = []
  readonly #database: string
  readonly #packs: string
  readonly #options: WatchOptions
  /** Content at the last sync, by name; and at the one before, for a disk that lies. */
  readonly #synced = new Map<string, { bytes: Buffer; before: Buffer; turn: number }>()
  #entries: ReadonlySet<string>
  #turn = 0

  constructor(folder: string, options: WatchOptions) {
    this.#database = join(folder, 'database/data.mdb')
    this.#packs = join(folder, 'packs')
    this.#options = options
    this.#entries = new Set(this.#names())
    for (const name of this.#entries) {
      const bytes = readFileSync(join(this.#packs, name))
      this.#synced.set(name, { bytes, before: bytes, turn: 0 })
    }
  }

  readonly around: Around = async <T>(step: Step, run: () => Promise<T>): Promise<T> => {
    this.#meet()
    const name = step.path.slice(this.#packs.length + 1)
    const inPacks = dirname(step.path) === this.#packs
    const turn = ++this.#turn
    const bytes = step.kind === 'sync' && inPacks ? readFileSync(step.path) : undefined
    const names = step.kind === 'sync-folder' && step.path === this.#packs ? new Set(this.#names()) : undefined
    const result = await run()
    const known = this.#synced.get(name)
    if (bytes && turn > (known?.turn ?? 0)) {
      this.#synced.set(name, { bytes, before: known?.bytes ?? Buffer.alloc(0), turn })
    }
    if (names && this.#options.lie !== 'folders') this.#entries = names
    // A new file of an old name has nothing synced.
    if (step.kind === 'create' && inPacks) this.#synced.delete(name)
    this.#meet()
    return result
  }

  /** Moments around commits, too. */
  watch(environment: Environment): void {
    const transaction = environment.transaction.bind(environment)
    environment.transaction = async <T>(work: () => T, bytes?: number): Promise<T> => {
      this.#meet()
      const result = await transaction(work, bytes)
      this.#meet()
      return result
    }
  }

  #meet(): void {
    if (this.#options.random.fraction() >= this.#options.share || !existsSync(this.#database)) return
    // First the database: no commit comes in between, and what is done to packs meanwhile was asked for before.
    const database = readFileSync(this.#database)
    const there = new Set(this.#names())
    const packs = new Map(
      [...new Set([...there, ...this.#entries])].map((name) => [name, this.#then(name, there.has(name))]),
    )
    this.moments.push({ database, packs, told: this.#options.told() })
  }

  #then(name: string, isThere: boolean): FileThen {
    const known = this.#synced.get(name)
    const synced = (this.#options.lie === 'last-sync' ? known?.before : known?.bytes) ?? Buffer.alloc(0)
    const current = isThere ? readFileSync(join(this.#packs, name)) : synced
    const since: { sector: number; bytes: Buffer }[] = []
    for (let at = 0; at < current.length; at += SECTOR_BYTES) {
      const bytes = current.subarray(at, at + SECTOR_BYTES)
      if (!bytes.equals(synced.subarray(at, at + bytes.length))) since.push({ sector: at / SECTOR_BYTES, bytes })
    }
    return { entrySynced: this.#entries.has(name), isThere, synced, since, length: current.length }
  }

  #names(): string[] {
    return existsSync(this.#packs) ? readdirSync(this.#packs) : []
  }
}

/** Write the data directory as the disk may have it after the power went at that moment. */
export function writeImage(moment: Moment, folder: string, random: Random): void {
  for (const name of ['database', 'packs', 'scratch/left']) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, 'database/data.mdb'), moment.database)
  const chance = [0, 1, random.fraction(), random.fraction()][Math.floor(random.fraction() * 4)] ?? 0
  for (const [name, file] of moment.packs) {
    const certain = file.entrySynced && file.isThere
    if (certain || random.fraction() < chance)
      writeFileSync(join(folder, 'packs', name), contentAfter(file, chance, random))
  }
}

/** @param chance - of a sector written since the last sync to be there */
function contentAfter({ synced, since, length }: FileThen, chance: number, random: Random): Buffer {
  const inRuns = random.fraction() < 0.5
  const fates = new Map<number, boolean>()
  const applied = since.filter(({ sector }) => {
    const run = inRuns ? Math.floor(sector / RUN_SECTORS) : sector
    const fate = fates.get(run) ?? random.fraction() < chance
    fates.set(run, fate)
    return fate
  })
  const last = applied.at(-1)
  const needed = last ? last.sector * SECTOR_BYTES + last.bytes.length : 0
  const drawn = random.fraction() < 0.5 ? synced.length : length
  const content = Buffer.alloc(Math.max(needed, drawn))
  synced.copy(content)
  for (const { sector, bytes } of applied) bytes.copy(content, sector * SECTOR_BYTES)
  return content
}
