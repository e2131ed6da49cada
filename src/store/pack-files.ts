// The files of packs, open as long as they are used much: each is a descriptor.
import { LRUCache } from 'lru-cache'
import type { Disk, DiskFile } from '../base/disk.ts'
import { CatalogError } from '../base/errors.ts'
import { emit } from '../base/events.ts'

/** Files kept open. */
const OPEN_FILES = 64

interface OpenFile {
  readonly file: Promise<DiskFile>
  /** The same once it is open. */
  ready: DiskFile | undefined
  users: number
  /** No longer kept: closed by its last user. */
  evicted: boolean
  closing?: Promise<void>
}

interface Components {
  disk: Disk
}

interface Options {
  folder: string
  path: (pack: number) => string
}

export class PackFiles {
  readonly #components: Components
  readonly #options: Options
  readonly #files = new LRUCache<number, OpenFile>({
    max: OPEN_FILES,
    dispose: (open) => {
      open.evicted = true
      void closeIdle(open)
    },
  })

  constructor(components: Components, options: Options) {
    this.#components = components
    this.#options = options
  }

  /** Do something with a file, made if it is absent. It is open until that is done. */
  async use<T>(pack: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    let open = this.#files.get(pack)
    if (!open) {
      open = { file: this.#open(pack), ready: undefined, users: 0, evicted: false }
      this.#files.set(pack, open)
    }
    open.users++
    try {
      open.ready = await open.file
      return await work(open.ready)
    } catch (thrown) {
      // A file that could not be opened is not kept: the next use tries again.
      if (this.#files.peek(pack) === open) await open.file.catch(() => this.#files.delete(pack))
      throw thrown
    } finally {
      await this.#leave(open)
    }
  }

  /** @returns bytes read, fewer only where the file ends */
  read(pack: number, buffer: Uint8Array, position: number): Promise<number> {
    const open = this.#files.get(pack)
    // Reads are many and small: one of an open file takes as few steps as it can.
    if (!open?.ready) return this.use(pack, (file) => file.read(buffer, position))
    open.users++
    return open.ready.read(buffer, position).finally(() => {
      open.users--
      return open.evicted ? closeIdle(open) : undefined
    })
  }

  /** Keep a file open no longer than those who use it. */
  release(pack: number): void {
    this.#files.delete(pack)
  }

  /** Returns when all are closed that nobody uses. */
  async close(): Promise<void> {
    const open = [...this.#files.values()]
    this.#files.clear()
    await Promise.all(open.map(closeIdle))
  }

  async #leave(open: OpenFile): Promise<void> {
    open.users--
    if (open.evicted) await closeIdle(open)
  }

  async #open(pack: number): Promise<DiskFile> {
    const { disk } = this.#components
    const { folder, path: pathOf } = this.#options
    const path = pathOf(pack)
    const fresh = !(await disk.exists(path))
    const file = await disk.open(path, 'update')
    try {
      if (fresh) await disk.syncFolder(folder)
    } catch (thrown) {
      // Removed again, so that the next one who opens it makes sure that it is known to last.
      await file.close()
      await disk.remove(path)
      throw thrown
    }
    return file
  }
}

async function closeIdle(open: OpenFile): Promise<void> {
  if (!open.evicted || open.users > 0) return
  open.closing ??= closeFile(open)
  await open.closing
}

async function closeFile({ file }: OpenFile): Promise<void> {
  const opened = await file.catch(() => undefined) // it never opened: whoever asked was told
  // What matters was synced, and the descriptor is gone whatever close says.
  await opened?.close().catch((thrown) => {
    const { code, message } = CatalogError.from(thrown)
    emit('catalog:failure', { task: 'close a pack', code, message })
  })
}
