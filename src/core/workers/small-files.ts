// Small files, read and named many at a time: what one costs by itself is mostly the way to a thread and back.
import { hash } from 'node:crypto'
import { CatalogError, type ErrorData } from '../../base/errors.ts'
import { CHUNK_BYTES } from '../../base/limits.ts'
import { rootOf } from '../digest-tree.ts'
import { DIGEST_BYTES } from '../surface.ts'
import { type Bench, goOn, hashChunks, outlineBytes } from './bench.ts'
import { LocalFile } from './local-file.ts'
import { SMALL_NAMES_BYTES, type SmallFiles, type SmallFilesTask } from './tasks.ts'

/** Read each file of at most a chunk whole, and name it; of a larger one only the size is told. */
export function readSmallFiles(bench: Bench, { paths }: SmallFilesTask): SmallFiles {
  const names = new Uint8Array(paths.length * SMALL_NAMES_BYTES)
  const sizes: number[] = []
  const failures: Record<number, ErrorData> = {}
  const contents: Uint8Array[] = []
  for (const [index, path] of paths.entries()) {
    goOn(bench)
    try {
      using file = LocalFile.toRead(path)
      const size = file.size
      sizes.push(size)
      if (size > CHUNK_BYTES) continue
      const bytes = bench.bytes.subarray(0, size)
      file.read(bytes, 0)
      name(bench, bytes, names.subarray(index * SMALL_NAMES_BYTES, (index + 1) * SMALL_NAMES_BYTES))
      contents.push(bytes.slice())
    } catch (error) {
      sizes.length = index
      sizes.push(0)
      failures[index] = CatalogError.from(error).toJSON()
    }
  }
  return { sizes, names, contents: new Uint8Array(Buffer.concat(contents)), failures }
}

/** Root, SHA-256 and SHA-512, one behind the other. */
function name({ core, roots }: Bench, bytes: Uint8Array, out: Uint8Array): void {
  const outline = out.subarray(DIGEST_BYTES, DIGEST_BYTES + outlineBytes(bytes.length))
  hashChunks(core, bytes, outline)
  out.set(rootOf(roots, outline, bytes.length))
  if (bytes.length === 0) core.sha256Many(bytes, Uint32Array.of(0, 0), out.subarray(DIGEST_BYTES, 2 * DIGEST_BYTES))
  out.set(hash('sha512', bytes, 'buffer'), 2 * DIGEST_BYTES)
}
