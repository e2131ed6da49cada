// Room on the disk. Bulk bytes stop while there is still room for the database: it must be able to say what was
// forgotten, and a database that meets a full disk itself can take the process with it.
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { DISK_RESERVE_BYTES_MAX, DISK_RESERVE_REWRITE_SHARE, DISK_RESERVE_SHARE } from '../base/limits.ts'
import { formatBytes } from '../base/units.ts'
import type { Packs, Place } from './packs.ts'

/** Of the reserve, what the database leaves: the log of a failing system goes there. */
const DATABASE_SHARE = 1 / 4

interface Components {
  disk: Disk
  packs: Packs
}

export class Space {
  readonly #components: Components
  readonly #folder: string

  constructor(components: Components, { folder }: { folder: string }) {
    this.#components = components
    this.#folder = folder
  }

  /**
   * Reserve an extent, if there is room for it.
   *
   * @throws CatalogError `DISK_FULL`
   */
  reserve(bytes: number): Place {
    this.check(bytes)
    return this.#components.packs.reserve(bytes)
  }

  /** The same for what is copied so that more can be given back: the reserve is there for that, too. */
  reserveToRewrite(bytes: number): Place {
    mustFit(this.#components.disk, this.#folder, bytes, DISK_RESERVE_REWRITE_SHARE)
    return this.#components.packs.reserve(bytes)
  }

  /** Bytes free on the disk, and how many of them bulk bytes leave alone. */
  state(): { free: number; reserve: number } {
    const { free, total } = this.#components.disk.space(this.#folder)
    return { free, reserve: reserveOf(total) }
  }

  /** @throws CatalogError `DISK_FULL` when writing so many bytes would use up the reserve */
  check(bytes: number): void {
    mustFit(this.#components.disk, this.#folder, bytes, 1)
  }
}

/** What a transaction must pass before it may write: the database draws on most of the reserve. */
export function databaseGuard(disk: Disk, folder: string): (bytes: number) => void {
  return (bytes) => mustFit(disk, folder, bytes, DATABASE_SHARE)
}

function reserveOf(total: number): number {
  return Math.floor(Math.min(DISK_RESERVE_BYTES_MAX, total * DISK_RESERVE_SHARE))
}

function mustFit(disk: Disk, folder: string, bytes: number, share: number): void {
  const { free, total } = disk.space(folder)
  const reserve = reserveOf(total) * share
  if (free - bytes >= reserve) return
  throw new CatalogError(
    'DISK_FULL',
    `The disk is nearly full: ${formatBytes(free)} are free, ${formatBytes(bytes)} are to be written, and ` +
      `${formatBytes(reserve)} are kept in reserve.`,
    { hint: `Free at least ${formatBytes(bytes + reserve - free)} ("catalog gc" may help), then run the same again.` },
  )
}
