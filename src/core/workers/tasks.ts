// What goes to a worker and what comes back. Plain data: paths in, digests out, errors by code.
import type { ErrorData } from '../../base/errors.ts'

/** A range of a file to be named. */
export interface DigestTask {
  path: string
  /** First byte; 0 by default. */
  offset?: number | undefined
  /** Bytes; -1 or nothing means to the end of the file. */
  length?: number | undefined
  /** Whether SHA-512 is wanted too: it costs more than all the rest together. */
  sha512?: boolean | undefined
}

/** The same, and the bytes hashed are also written to a file of their own. */
export interface IngestTask extends DigestTask {
  /** Path of a file that does not exist yet and that nobody else will make. */
  target: string
}

/** The names of a range of bytes. All arrays are the receiver's. */
export interface FileDigest {
  /** Bytes hashed. */
  size: number
  /** Merkle root over the 64 KiB chunks; 32 bytes. */
  root: Uint8Array<ArrayBuffer>
  /** SHA-256 of each chunk in order; 32 bytes each, empty for an empty range. */
  outline: Uint8Array<ArrayBuffer>
  /** SHA-256 of the whole; 32 bytes. */
  sha256: Uint8Array<ArrayBuffer>
  /** SHA-512 of the whole, when asked for; 64 bytes. */
  sha512?: Uint8Array<ArrayBuffer>
}

/** An Error loses its code on the way between threads, so it travels as data. */
export type Reply = { digest: FileDigest } | { error: ErrorData }

/** Handed to each worker when it starts. */
export interface WorkerSetup {
  core: string
}
