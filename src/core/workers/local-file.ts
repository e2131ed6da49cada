// Files as a worker uses them: synchronously, at explicit positions, every failure a CatalogError.
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import { CatalogError, type ErrorCode } from '../../base/errors.ts'

export class LocalFile implements Disposable {
  readonly #path: string
  readonly #fd: number

  private constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
  }

  /** @throws CatalogError `FILE_UNREADABLE` */
  static toRead(path: string): LocalFile {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
    const fd = translated('FILE_UNREADABLE', () => openSync(path, flags))
    return new LocalFile(path, fd)
  }

  /** A file that exists. @throws CatalogError `STORE_FAILED` */
  static toWrite(path: string): LocalFile {
    const fd = translated('STORE_FAILED', () => openSync(path, 'r+'))
    return new LocalFile(path, fd)
  }

  /** In bytes. @throws CatalogError `FILE_UNREADABLE` for anything but a regular file */
  get size(): number {
    const stat = translated('FILE_UNREADABLE', () => fstatSync(this.#fd))
    if (!stat.isFile()) throw new CatalogError('FILE_UNREADABLE', `${this.#path} is not a regular file.`)
    return stat.size
  }

  /**
   * Fill `bytes` from `position` of the file.
   *
   * @param needed - where the file may end at the earliest, for the message
   * @throws CatalogError `FILE_UNREADABLE`, also when the file ends before
   */
  read(bytes: Uint8Array, position: number, needed = position + bytes.length): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done
      const read = translated('FILE_UNREADABLE', () => readSync(this.#fd, bytes, done, bytes.length - done, at))
      if (read === 0) throw this.endsBefore(needed, at)
      done += read
    }
  }

  /** Write all of `bytes` at `position`. @throws CatalogError `DISK_FULL`, `STORE_FAILED` */
  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done
      done += translated('STORE_FAILED', () => writeSync(this.#fd, bytes, done, bytes.length - done, at))
    }
  }

  /** Returns when the bytes written would survive a power cut. @throws CatalogError `DISK_FULL`, `STORE_FAILED` */
  sync(): void {
    translated('STORE_FAILED', () => fdatasyncSync(this.#fd))
  }

  endsBefore(needed: number, actual: number): CatalogError {
    return new CatalogError('FILE_UNREADABLE', `${this.#path} ends at byte ${actual}, before byte ${needed}.`, {
      hint: 'If something is still writing the file, wait until it is done.',
    })
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}

function translated<T>(code: ErrorCode, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw CatalogError.from(error, code)
  }
}
