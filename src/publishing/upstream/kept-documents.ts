// Packuments of the outside registry on the disk, for when it cannot be reached: a cache, of which the oldest go first.
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, gunzip, gzip } from 'node:zlib'
import { z } from 'zod'
import { sha256, toHex } from '../../base/bytes.ts'
import { tellFailure } from '../../base/failure.ts'
import { UPSTREAM_DOCUMENT_BYTES_MAX, UPSTREAM_KEPT_BYTES } from '../../base/http-limits.ts'

const headSchema = z.object({ etag: z.string().optional(), isPrivate: z.boolean() })
const packed = promisify(gzip)
const unpacked = promisify(gunzip)
/** A name that no document has. */
const UNFINISHED = '.new'

export interface KeptDocument extends z.infer<typeof headSchema> {
  readonly bytes: Buffer
}

export class KeptDocuments {
  readonly #folder: string
  /** Bytes on the disk, once they have been counted. */
  #bytes: number | undefined

  constructor({ folder }: { folder: string }) {
    this.#folder = folder
  }

  /** What is kept under a key, and nothing where that cannot be read. */
  async get(key: string): Promise<KeptDocument | undefined> {
    try {
      const file = await readFile(this.#pathOf(key))
      const end = file.indexOf('\n')
      const head = headSchema.parse(JSON.parse(file.toString('utf8', 0, end)))
      const bytes = await unpacked(file.subarray(end + 1), { maxOutputLength: UPSTREAM_DOCUMENT_BYTES_MAX })
      return { ...head, bytes }
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') tellFailure('kept packument', thrown)
      return undefined
    }
  }

  /** Never rejects: who asked has the document already. */
  async put(key: string, { bytes, ...head }: KeptDocument): Promise<void> {
    const path = this.#pathOf(key)
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 })
      const body = await packed(bytes, { level: constants.Z_BEST_SPEED })
      const file = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body])
      await writeFile(`${path}${UNFINISHED}`, file, { mode: 0o600 })
      await rename(`${path}${UNFINISHED}`, path)
      await this.#grown(file.length)
    } catch (thrown) {
      await rm(`${path}${UNFINISHED}`, { force: true }).catch(() => undefined) // the disk has failed already
      tellFailure('kept packument', thrown)
    }
  }

  /** It is as it was: so it goes later. */
  async touch(key: string, now: number): Promise<void> {
    await utimes(this.#pathOf(key), now / 1_000, now / 1_000).catch(() => undefined) // it has gone meanwhile
  }

  async #grown(bytes: number): Promise<void> {
    this.#bytes = this.#bytes === undefined ? (await this.#list()).bytes : this.#bytes + bytes
    if (this.#bytes <= UPSTREAM_KEPT_BYTES) return
    const { files, bytes: all } = await this.#list()
    this.#bytes = all
    for (const { path, size } of files.sort((a, b) => a.at - b.at)) {
      if (this.#bytes <= UPSTREAM_KEPT_BYTES * 0.9) break
      await rm(path, { force: true })
      this.#bytes -= size
    }
  }

  async #list(): Promise<{ files: { path: string; size: number; at: number }[]; bytes: number }> {
    const paths = (await readdir(this.#folder)).map((name) => join(this.#folder, name))
    const looked = paths.map(async (path) => {
      // What is being written has another name a moment later.
      const found = await stat(path).catch(() => undefined)
      return found ? [{ path, size: found.size, at: found.mtimeMs }] : []
    })
    const files = (await Promise.all(looked)).flat()
    return { files, bytes: files.reduce((sum, { size }) => sum + size, 0) }
  }

  #pathOf(key: string): string {
    return join(this.#folder, toHex(sha256(Buffer.from(key))))
  }
}
