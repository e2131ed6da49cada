// The bounds of synchronization, kept as those in limits.ts are.
import { assertLimit, FRAME_BYTES_MAX, RECORD_BYTES_MAX } from './limits.ts'
import { KiB, MiB, SECOND_MS } from './units.ts'

/** A sketch tells differences of some 11,000 records; the trie tells larger ones in less time. */
export const SYNC_SYMBOLS_MAX = 16_384
/** Shelves of fewer records have their sketch made when it is asked for: that takes less than a millisecond. */
export const SYNC_SKETCH_KEPT_MIN = 1_000
/** Sketches at hand, 279 KB each. */
export const SYNC_SKETCHES_HELD_MAX = 32
/** Shelves named in one message. */
export const SYNC_SHELVES_PER_MESSAGE_MAX = 64
/** Records asked for in one request, each by the first bytes of its id. */
export const SYNC_WANTS_MAX = 8_192
/** Nodes of a trie asked for in one request. */
export const SYNC_NODES_PER_REQUEST_MAX = 64
/** Records sent along with a request: bytes, and how many. */
export const SYNC_PUSH_BYTES_MAX = 512 * KiB
export const SYNC_PUSH_RECORDS_MAX = 8_192
/** Records admitted in one transaction: some tens of milliseconds. */
export const SYNC_ADMITTED_AT_ONCE_MAX = 256
/** Bytes of records that came that wait for others to be admitted with them. */
export const SYNC_GATHERED_BYTES = MiB
/** Records of one reply; who wants more asks again. */
export const SYNC_REPLY_RECORDS_BYTES = 8 * MiB
export const SYNC_REPLY_BYTES_MAX = 2 * SYNC_REPLY_RECORDS_BYTES
export const SYNC_DEADLINE_MS = 2 * 60 * SECOND_MS
export const SYNC_SILENCE_MS = 20 * SECOND_MS
/** Attempts at making one shelf equal; what still differs then is told, and left for the next time. */
export const SYNC_ROUNDS_MAX = 4
/** Nodes of one shelf that a peer may show before it is taken for a liar: a trie of 100,000 records has 10,000. */
export const SYNC_NODES_MAX = 100_000
/** Changes told in one request; who is further behind compares roots. */
export const SYNC_CHANGES_MAX = 4_096
/** Looking through so many records counts as one more request. */
export const SYNC_RECORDS_PER_TOKEN = 1_000
/** Requests to a peer that is busy are made again after a second, so many times. */
export const SYNC_BUSY_RETRIES_MAX = 120
/** Requests of one peer, and at once after a quiet time. */
export const SYNC_REQUESTS_PER_MINUTE = 6_000
export const SYNC_REQUESTS_BURST = 2_000
/** Names of a filter, and values of each of its parts. */
export const SYNC_FILTER_VALUES_MAX = 32
/** Signers followed: their shelves are looked for at every peer. */
export const FOLLOWS_MAX = 10_000
/** After a peer told of something new: what it has more to tell comes meanwhile. */
export const SYNC_SOON_MS = SECOND_MS
/** How often that is put off by as much again while bytes are fetched that somebody waits for. */
export const SYNC_POSTPONED_MAX = 30
/** The longest pause while synchronizing with a peer fails, unless the usual one is longer. */
export const SYNC_BACK_OFF_MS_MAX = 60 * 60 * SECOND_MS
/** One session, whatever it brings. */
export const SYNC_SESSION_MS_MAX = 60 * 60 * SECOND_MS

assertLimit(
  SYNC_PUSH_BYTES_MAX + RECORD_BYTES_MAX + 8 * SYNC_WANTS_MAX < FRAME_BYTES_MAX,
  'records that are sent along, one more and what is wanted fit a frame',
)
assertLimit(17 * SYNC_SYMBOLS_MAX < FRAME_BYTES_MAX, 'a sketch fits a frame')

/** What waits for a peer to appear. */
export const OUTBOX_MAX = 1_000
/** Changes that are looked through for what peers were not told of yet. */
export const UNTOLD_CHANGES_MAX = 10_000
