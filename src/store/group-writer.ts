// Extents of blobs that are at hand, written together: whoever comes while a group is on its way to the disk goes
// with the next one. A group is one write for each stretch of a pack, and one fdatasync.
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'
import { PACK_GROUP_BYTES } from '../base/limits.ts'
import { together } from '../base/together.ts'
import type { HashedBlob } from './blob-rows.ts'
import { encodeFooter, encodeHeader, extentBytes } from './extent.ts'
import type { Packs, Place } from './packs.ts'
import type { Space } from './space.ts'

interface Components {
  packs: Packs
  space: Space
}

interface Waiting {
  readonly blob: HashedBlob
  readonly bytes: Uint8Array
  readonly release: Uint8Array
  readonly written: PromiseWithResolvers<Place>
}

/** Extents that lie one behind the other. */
interface Stretch {
  readonly first: Place
  end: number
  readonly parts: Uint8Array[]
}

export class GroupWriter {
  readonly #components: Components
  readonly #waiting: Waiting[] = []
  #writing = false

  constructor(components: Components) {
    this.#components = components
  }

  /**
   * Write a sealed extent. It is on the disk when this resolves, and counts once it is linked.
   *
   * @param bytes - all of the blob, not to be changed meanwhile
   * @throws CatalogError `DISK_FULL`, `STORE_FAILED`
   */
  write(blob: HashedBlob, bytes: Uint8Array, release: Uint8Array): Promise<Place> {
    const written = Promise.withResolvers<Place>()
    this.#waiting.push({ blob, bytes, release, written })
    if (!this.#writing) void this.#writeAll()
    return written.promise
  }

  async #writeAll(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) {
      let [count, bytes] = [0, 0]
      do bytes += this.#waiting[count++]?.bytes.length ?? 0
      while (count < this.#waiting.length && bytes < PACK_GROUP_BYTES)
      await this.#writeGroup(this.#waiting.splice(0, count)).catch(report)
    }
    this.#writing = false
  }

  /** Settles every member of the group. */
  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const { packs, space } = this.#components
    const places: Place[] = []
    try {
      using _ = space.promise(group.reduce((sum, { blob }) => sum + extentBytes(blob.size), 0))
      for (const { blob } of group) places.push(packs.reserve(extentBytes(blob.size)))
      const stretches = layOut(group, places)
      // All of them, before any of their space can be somebody else's.
      await together(stretches.map(({ first, parts }) => packs.write(first, 0, parts)))
      await together([...new Set(places.map(({ pack }) => pack))].map((pack) => packs.sync(pack)))
      for (const [index, { written }] of group.entries()) written.resolve(places[index] as Place)
    } catch (thrown) {
      // From the last one: each then gives its space back to the tail.
      try {
        for (const place of places.reverse()) await packs.abandon(place)
      } finally {
        for (const { written } of group) written.reject(thrown)
      }
    }
  }
}

/** Space that could not be given back, to a store that has been closed for example: its group was told already. */
function report(thrown: unknown): void {
  const { code, message } = CatalogError.from(thrown)
  emit('catalog:failure', { task: 'give back space', code, message })
}

function layOut(group: readonly Waiting[], places: readonly Place[]): Stretch[] {
  const stretches: Stretch[] = []
  for (const [index, { blob, bytes, release }] of group.entries()) {
    const place = places[index] as Place
    const parts = [encodeHeader(blob), bytes, encodeFooter(blob, { ...blob, release })]
    const last = stretches.at(-1)
    if (last?.first.pack === place.pack && last.end === place.offset) {
      last.parts.push(...parts)
      last.end += place.bytes
    } else stretches.push({ first: place, end: place.offset + place.bytes, parts })
  }
  return stretches
}
