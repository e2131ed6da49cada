// What goes to a worker and what comes back. Plain data: paths and slot numbers in, digests out, errors by code.
import type { ErrorData } from '../../base/errors.ts'
import type { SharedSlots } from '../arena.ts'

/** Where bytes are written. */
export interface FileTarget {
  path: string
  /** Of the first byte; 0 by default. */
  offset?: number | undefined
  /** Whether the file is to be made: it must not exist then, and is removed again when the task fails. */
  create?: boolean | undefined
  /** Whether the bytes are to have reached the disk in the end; the directory entry of a new file has not. */
  sync?: boolean | undefined
}

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

/** The same, and the very bytes hashed are also written. */
export interface IngestTask extends DigestTask {
  target: FileTarget
}

/** The names of a sequence of bytes. All arrays are the receiver's. */
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

/** Files to be read whole, if they are of one chunk at most. */
export interface SmallFilesTask {
  paths: readonly string[]
}

/** Root, SHA-256 and SHA-512 of a small file. */
export const SMALL_NAMES_BYTES = 32 + 32 + 64

/** All arrays are the receiver's. */
export interface SmallFiles {
  /** Bytes of each file; 0 of one that failed. */
  sizes: number[]
  /** `SMALL_NAMES_BYTES` for each file; of a larger one, or one that failed, they mean nothing. */
  names: Uint8Array<ArrayBuffer>
  /** The bytes of those that are small, one behind the other. */
  contents: Uint8Array<ArrayBuffer>
  /** By the file's number: why it could not be read. */
  failures: Record<number, ErrorData>
}

/** Names of chunks alone, which is all that a check of a blob needs. */
export type Outline = Pick<FileDigest, 'size' | 'root' | 'outline'>

/** Bytes to be checked against what they should be: a blob, or whole chunks of one. */
export interface VerifyTask {
  path: string
  offset: number
  size: number
  /** 32 bytes; of a whole blob. */
  root?: Uint8Array | undefined
  /** Ids of its chunks, 32 bytes each; with them it can be told which chunks are bad. */
  outline?: Uint8Array | undefined
}

export interface Verification {
  /** Whether the bytes are those that `root` and `outline` name. */
  ok: boolean
  /** Numbers of the chunks that differ from `outline`, ascending. */
  bad: number[]
  /** Bytes read. */
  bytes: number
}

/** Bytes of a blob that come one slot after another. */
export interface PortionTask {
  /** Bytes in the slot, from its start; whole chunks unless the blob ends there. */
  length: number
  /** Of the SHA-256 over the whole, as the portion before returned it; 112 zeros for the first. */
  state: Uint8Array
  /** Whether the blob ends here: the first 32 bytes of the state are its SHA-256 then. */
  final: boolean
  /** Where the bytes are written; `offset` is that of this portion. */
  target?: FileTarget | undefined
}

export interface PortionDigest {
  /** SHA-256 of each chunk in order; 32 bytes each. */
  ids: Uint8Array<ArrayBuffer>
  state: Uint8Array<ArrayBuffer>
}

/** How a blob is cut into stripes: k chunks each, the last padded with zeros, and m shards of parity. */
export interface StripeShape {
  /** Bytes of the blob. */
  size: number
  k: number
  m: number
}

export interface EncodeTask extends StripeShape {
  source: { path: string; offset: number }
  /** m places, one for each parity shard: 64 KiB a stripe, one after the other. */
  targets: FileTarget[]
}

/** The names of all shards, stripe by stripe: its chunks of the blob, then its parity. */
export interface ShardDigest {
  /** 32 bytes each: of chunks as in the outline, without padding; of parity, over 64 KiB. */
  ids: Uint8Array<ArrayBuffer>
  /** Merkle root over `ids`; 32 bytes. */
  root: Uint8Array<ArrayBuffer>
}

/** Where the pieces of one shard lie. */
export interface ShardPlace {
  path: string
  /** Of the piece of the first stripe. */
  offset: number
  /** From one stripe's piece to the next's: 64 KiB in a file of one shard, k × 64 KiB in the blob itself. */
  stride: number
}

export interface RepairTask extends StripeShape {
  /** k + m places: the data shards, then the parity; null where there is none. */
  sources: (ShardPlace | null)[]
  /** As `encodeStripes` returns them. Without them every piece that can be read counts as good. */
  ids?: Uint8Array | undefined
  /** Shards to be written, each from its first stripe to its last. */
  want: { index: number; place: ShardPlace & FileTarget }[]
}

export interface RepairReport {
  /** Pieces that were read, or should have been, and are not what their id says. */
  bad: ShardPiece[]
}

export interface ShardPiece {
  stripe: number
  /** 0 to k + m − 1. */
  shard: number
}

/** What the workers do: the functions of `entry.ts` by name. */
export interface Work {
  digest: { task: DigestTask & { target?: FileTarget }; result: FileDigest }
  outline: { task: DigestTask; result: Outline }
  smallFiles: { task: SmallFilesTask; result: SmallFiles }
  portion: { task: PortionTask & { slot: number }; result: PortionDigest }
  encodeStripes: { task: EncodeTask; result: ShardDigest }
  repairStripes: { task: RepairTask; result: RepairReport }
}
export type Kind = keyof Work

/** A task on its way, with the slot it works in. */
export interface Order<K extends Kind> {
  slot: number
  task: Work[K]['task']
}

/** An Error loses its code on the way between threads, so it travels as data. */
export type Reply<K extends Kind> = { result: Work[K]['result'] } | { error: ErrorData }

/** Handed to each worker when it starts. */
export interface WorkerSetup {
  core: string
  slots: SharedSlots
}
