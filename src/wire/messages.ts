// The messages of each protocol and their shapes. What a peer sends is parsed here and nowhere else; unknown map keys
// are ignored, so that later versions can add some. WIRE.md says what each means.
import { z } from 'zod'
import {
  ADDRESS_LENGTH_MAX,
  ADDRESSES_PER_PEER_MAX,
  ALSO_FETCHING_MAX,
  ANNOUNCEMENT_BYTES_MAX,
  BLOB_DEADLINE_MS,
  BLOB_FRAME_BYTES,
  COMING_BYTES_MAX,
  DERIVATION_BYTES_MAX,
  FRAME_BYTES_MAX,
  HAVE_BYTES_MAX,
  HAVE_DEADLINE_MS,
  HELLO_DEADLINE_MS,
  HELLO_DEVICES_BYTES_MAX,
  HELLO_DEVICES_RECORDS_MAX,
  PACKAGES_PER_REQUEST_MAX,
  RECORD_BYTES_MAX,
  RECORDS_DEADLINE_MS,
  RECORDS_PER_FRAME_MAX,
  RECORDS_PER_REQUEST_MAX,
  RECORDS_REPLY_BYTES_MAX,
  SEARCH_PEER_RESULTS_MAX,
  SEARCH_QUERY_LENGTH_MAX,
  SEARCH_REPLY_BYTES_MAX,
  SIGNER_LENGTH_MAX,
  STALL_TIMEOUT_MS,
  SUBJECT_LENGTH_MAX,
  USAGE_DEADLINE_MS,
  USAGE_REPLY_BYTES_MAX,
  USAGE_TOLD_PER_FRAME_MAX,
} from '../base/limits.ts'
import { KiB, SECOND_MS } from '../base/units.ts'
import { bytesOf, bytesUpTo } from '../model/cbor.ts'

/** One request, then any number of replies, then the end: see `network/rpc.ts`. */
export interface Protocol<Request, Reply> {
  readonly id: string
  readonly request: z.ZodType<Request>
  readonly reply: z.ZodType<Reply>
  readonly requestBytesMax: number
  /** Bound on one reply frame. */
  readonly replyFrameBytesMax: number
  /** Bound on all reply frames of a call together. */
  readonly replyBytesMax: number
  /** From the request to the end. */
  readonly deadlineMs: number
  /** Longest silence before the call is given up. */
  readonly silenceMs: number
}

export const protocol = <Request, Reply>(definition: Protocol<Request, Reply>): Protocol<Request, Reply> => definition

const helloSchema = z.object({
  version: z.int().min(1),
  agent: z.string().max(128),
  capabilities: z.array(z.string().max(64)).max(64),
  /** Where the sender can be dialled, for its peers' address books. */
  addresses: z.array(z.string().max(ADDRESS_LENGTH_MAX)).max(ADDRESSES_PER_PEER_MAX),
  /** Device records that name the sender, each after the publisher documents that prove it. */
  devices: z.array(bytesUpTo(HELLO_DEVICES_BYTES_MAX)).max(HELLO_DEVICES_RECORDS_MAX).optional(),
  /** UDP port of the bulk plane, at the address this connection comes from; absent without one. */
  bulkPort: z.int().min(1).max(65_535).optional(),
})
export type Hello = z.infer<typeof helloSchema>

/** First thing on every connection: who speaks, and what it can do. */
export const HELLO = protocol({
  id: '/catalog/hello/1',
  request: helloSchema,
  reply: helloSchema,
  requestBytesMax: 16 * KiB,
  replyFrameBytesMax: 16 * KiB,
  replyBytesMax: 16 * KiB,
  deadlineMs: HELLO_DEADLINE_MS,
  silenceMs: HELLO_DEADLINE_MS,
})

/** Records by id, or all the asker may see of some packages. Publisher documents come before what they sign. */
export const RECORDS = protocol({
  id: '/catalog/records/1',
  request: z.union([
    z.object({ ids: z.array(bytesOf(32)).min(1).max(RECORDS_PER_REQUEST_MAX) }),
    z.object({ packages: z.array(z.string().max(SUBJECT_LENGTH_MAX)).min(1).max(PACKAGES_PER_REQUEST_MAX) }),
  ]),
  reply: z.object({
    records: z.array(bytesUpTo(RECORD_BYTES_MAX)).min(1).max(RECORDS_PER_FRAME_MAX),
    /** What follows from the archives that origin statements among them name. */
    derivations: z
      .array(z.object({ record: bytesOf(32), derivation: bytesUpTo(DERIVATION_BYTES_MAX) }))
      .max(RECORDS_PER_FRAME_MAX)
      .optional(),
  }),
  requestBytesMax: PACKAGES_PER_REQUEST_MAX * (SUBJECT_LENGTH_MAX + 8),
  replyFrameBytesMax: FRAME_BYTES_MAX,
  replyBytesMax: RECORDS_REPLY_BYTES_MAX,
  deadlineMs: RECORDS_DEADLINE_MS,
  silenceMs: 5 * SECOND_MS,
})
export type RecordsRequest = z.infer<(typeof RECORDS)['request']>
export type RecordsReply = z.infer<(typeof RECORDS)['reply']>

/** Candidates for a query. Scores stay home: the asker ranks them by its own function. */
export const SEARCH = protocol({
  id: '/catalog/search/1',
  request: z.object({
    query: z.string().min(1).max(SEARCH_QUERY_LENGTH_MAX),
    limit: z.int().min(1).max(SEARCH_PEER_RESULTS_MAX),
  }),
  reply: z.object({
    /** Changes that the index has yet to take in, and when it last took in some. */
    index: z.object({ behind: z.int().min(0), at: z.int().min(0).optional() }).optional(),
    /** Of each the release, its share and its publisher's documents, the documents first. */
    candidates: z.array(z.array(bytesUpTo(RECORD_BYTES_MAX)).min(1).max(16)).max(SEARCH_PEER_RESULTS_MAX),
  }),
  requestBytesMax: 4 * KiB,
  replyFrameBytesMax: FRAME_BYTES_MAX,
  replyBytesMax: SEARCH_REPLY_BYTES_MAX,
  deadlineMs: 5 * SECOND_MS,
  silenceMs: 5 * SECOND_MS,
})

export type SearchReply = z.infer<(typeof SEARCH)['reply']>

/** A blob's outline, a range of its chunks, or both of a small one, under a release that names it. */
export const BLOB = protocol({
  id: '/catalog/blob/1',
  request: z.object({
    root: bytesOf(32),
    release: bytesOf(32),
    want: z.enum(['outline', 'data', 'both']),
    /** Chunk indexes [first, first + count). */
    first: z
      .int()
      .min(0)
      .max(2 ** 20),
    count: z
      .int()
      .min(1)
      .max(2 ** 20),
  }),
  reply: z.object({ data: bytesUpTo(BLOB_FRAME_BYTES) }),
  requestBytesMax: KiB,
  replyFrameBytesMax: FRAME_BYTES_MAX,
  replyBytesMax: 2 ** 40,
  deadlineMs: BLOB_DEADLINE_MS,
  silenceMs: STALL_TIMEOUT_MS,
})
export type BlobRequest = z.infer<(typeof BLOB)['request']>

const haveShape = {
  /** Runs of chunks that are verified and can be asked for: `runs.ts`. */
  have: bytesUpTo(HAVE_BYTES_MAX),
  /** Runs of chunks that were asked of others. */
  coming: bytesUpTo(COMING_BYTES_MAX),
}

/** What two peers have of a blob, told by who fetches it and by who is asked; and who else fetches it. */
export const HAVE = protocol({
  id: '/catalog/have/1',
  request: z.object({ root: bytesOf(32), release: bytesOf(32), ...haveShape }),
  reply: z.object({
    /** All of it: `have` is empty then. */
    whole: z.boolean(),
    ...haveShape,
    alsoFetching: z.array(z.string().max(128)).max(ALSO_FETCHING_MAX),
  }),
  requestBytesMax: HAVE_BYTES_MAX + COMING_BYTES_MAX + KiB,
  replyFrameBytesMax: HAVE_BYTES_MAX + COMING_BYTES_MAX + 4 * KiB,
  replyBytesMax: HAVE_BYTES_MAX + COMING_BYTES_MAX + 4 * KiB,
  deadlineMs: HAVE_DEADLINE_MS,
  silenceMs: HAVE_DEADLINE_MS,
})
export type HaveRequest = z.infer<(typeof HAVE)['request']>
export type HaveReply = z.infer<(typeof HAVE)['reply']>

/** Days since 1970. */
const dayNumber = z.int().min(0).max(1_000_000)

/** How often public packages were used on days that are over, after the one the asker has heard of last. */
export const USAGE = protocol({
  id: '/catalog/usage/1',
  request: z.object({ after: dayNumber }),
  reply: z.object({
    day: dayNumber,
    counts: z
      .array(
        z.object({
          package: z.string().min(1).max(SUBJECT_LENGTH_MAX),
          count: z
            .int()
            .min(1)
            .max(2 ** 32 - 1),
        }),
      )
      .min(1)
      .max(USAGE_TOLD_PER_FRAME_MAX),
  }),
  requestBytesMax: KiB,
  replyFrameBytesMax: USAGE_TOLD_PER_FRAME_MAX * (SUBJECT_LENGTH_MAX + 32) + KiB,
  replyBytesMax: USAGE_REPLY_BYTES_MAX,
  deadlineMs: USAGE_DEADLINE_MS,
  silenceMs: 5 * SECOND_MS,
})
export type UsageReply = z.infer<(typeof USAGE)['reply']>

/** Gossip topic of new releases. */
export const ANNOUNCE_TOPIC = '/catalog/announce/1'

export const announcementSchema = z.object({
  id: bytesOf(32),
  purl: z.string().max(SUBJECT_LENGTH_MAX),
  signer: z.string().max(SIGNER_LENGTH_MAX),
  /** Who can be asked for the record and the blob. */
  peer: z.string().max(128),
})
export type Announcement = z.infer<typeof announcementSchema>

/** An announcement on the wire is no longer than this. */
export const ANNOUNCEMENT_FRAME_MAX = ANNOUNCEMENT_BYTES_MAX
