// Room on the disk. Bulk bytes stop while there is still room for the database: it must be able to say what was
// forgotten, and a database that meets a full disk itself can take the process with it. Room is promised before it is
// written to, so that several large blobs at one time do not each count on the same.
import type { Disk } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import {
  DISK_RESERVE_BYTES_MAX,
  DISK_RESERVE_REWRITE_SHARE,
  DISK_RESERVE_SHARE,
  PACK_ALONE_BYTES,
} from '../base/limits.ts'
import { formatBytes } from '../base/units.ts'
import type { Packs, Place } from './packs.ts'

/** Of the reserve, what the database leaves: the log of a failing system goes there. */
const DATABASE_SHARE = 1 / 4

/** Room that is spoken for, until it is written to or given back. */
export interface Promised extends Disposable {
  /** So much of it is taken now: the disk says so itself. */
  wrote(bytes: number): void
}

/** An extent, and the room for it. */
export interface Reservation extends Promised {
  readonly place: Place
}

interface Components {
  disk: Disk
  packs: Packs
}

export class Space {
  readonly #components: Components
  readonly #folder: string
  /** Bytes of each promise that the disk still counts as free. */
  readonly #promised = new Set<() => number>()

  constructor(components: Components, { folder }: { folder: string }) {
    this.#components = components
    this.#folder = folder
  }

  /**
   * Reserve an extent, if there is room for it beside what is promised to others. The room is promised until what is
   * returned is disposed of, which does not give the extent back.
   *
   * @throws CatalogError `DISK_FULL`
   */
  reserve(bytes: number): Reservation {
    this.#mustFit(bytes, 1)
    return this.#reserved(bytes)
  }

  /** The same for what is copied so that more can be given back: the reserve is there for that, too. */
  reserveToRewrite(bytes: number): Reservation {
    this.#mustFit(bytes, DISK_RESERVE_REWRITE_SHARE)
    return this.#reserved(bytes)
  }

  /**
   * Have an extent's room promised again: `bytes` of it are still to be written.
   *
   * @throws CatalogError `DISK_FULL`
   */
  resume(place: Place, bytes: number): Reservation {
    this.#mustFit(bytes, 1)
    return this.#of(place, bytes)
  }

  /** Have room promised. @throws CatalogError `DISK_FULL` */
  promise(bytes: number): Promised {
    this.#mustFit(bytes, 1)
    let left = bytes
    return this.#promise(
      () => left,
      (written) => {
        left = Math.max(0, left - written)
      },
    )
  }

  /**
   * Before room that was promised is written to: what others than this store have written may have taken it.
   *
   * @throws CatalogError `DISK_FULL` when writing so many bytes would use up the reserve
   */
  mustBeThere(bytes: number): void {
    mustFit(this.#components.disk, this.#folder, bytes, 1)
  }

  /** Bytes free on the disk, and how many of them bulk bytes leave alone. */
  state(): { free: number; reserve: number } {
    const { free, total } = this.#components.disk.space(this.#folder)
    return { free, reserve: reserveOf(total) }
  }

  #reserved(bytes: number): Reservation {
    return this.#of(this.#components.packs.reserve(bytes), bytes)
  }

  #of(place: Place, bytes: number): Reservation {
    let left = bytes
    // Who fills a file of its own from a thread is not heard of before it is done: the file itself tells how far it is.
    const measure = () =>
      Math.max(0, place.bytes - this.#components.disk.occupied(this.#components.packs.path(place.pack)))
    const isAlone = place.bytes > PACK_ALONE_BYTES
    const wrote = (written: number) => {
      left = Math.max(0, left - written)
    }
    return { place, ...this.#promise(isAlone ? measure : () => left, wrote) }
  }

  #promise(left: () => number, wrote: (bytes: number) => void): Promised {
    this.#promised.add(left)
    return { wrote, [Symbol.dispose]: () => void this.#promised.delete(left) }
  }

  #mustFit(bytes: number, share: number): void {
    let promised = 0
    for (const left of this.#promised) promised += left()
    mustFit(this.#components.disk, this.#folder, bytes, share, promised)
  }
}

/** What archives and backups must pass before they are written: they leave the reserve alone, wherever they go. */
export function copyGuard(disk: Disk, folder: string): (bytes: number) => void {
  return (bytes) => mustFit(disk, folder, bytes, 1)
}

/** What a transaction must pass before it may write: the database draws on most of the reserve. */
export function databaseGuard(disk: Disk, folder: string): (bytes: number) => void {
  return (bytes) => mustFit(disk, folder, bytes, DATABASE_SHARE)
}

function reserveOf(total: number): number {
  return Math.floor(Math.min(DISK_RESERVE_BYTES_MAX, total * DISK_RESERVE_SHARE))
}

/** @param promised - bytes that are free and not to be had */
function mustFit(disk: Disk, folder: string, bytes: number, share: number, promised = 0): void {
  const { free, total } = disk.space(folder)
  const reserve = reserveOf(total) * share
  const missing = bytes + promised + reserve - free
  if (missing <= 0) return
  const others = promised > 0 ? `${formatBytes(promised)} are promised to what is being stored, ` : ''
  throw new CatalogError(
    'DISK_FULL',
    `The disk is nearly full: ${formatBytes(free)} are free, ${others}${formatBytes(bytes)} are to be written, and ` +
      `${formatBytes(reserve)} are kept in reserve.`,
    { hint: `Free at least ${formatBytes(missing)} ("catalog gc" may help), then run the same again.` },
  )
}
