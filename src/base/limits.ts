// Every bound that a peer, a client or a file can push against, with its reason. Relations between bounds
// are asserted at the end, so that a change to one cannot silently break another.
import { DAY_MS, GiB, KiB, MiB, SECOND_MS } from './units.ts'

/** Content. Fixed by the format (DESIGN §5): changing one changes every blob's address. */
export const CHUNK_BYTES = 64 * KiB
/** Keeps an outline within 32 MiB and every count within 32 bits. */
export const BLOB_BYTES_MAX = 64 * GiB

/** Blobs up to this size lie in the database itself: a page or four, and no file to sync. */
export const BLOB_INLINE_BYTES_MAX = 16 * KiB
/** Blobs up to this size wait in memory until they are complete, and are written together. */
export const BLOB_AT_HAND_BYTES_MAX = MiB
/** Written with one fdatasync. */
export const PACK_GROUP_BYTES = 16 * MiB
/** A pack is closed once it would grow beyond this. */
export const PACK_BYTES = 256 * MiB
/** An extent larger than this has a pack of its own, so that removing it gives its space back at once. */
export const PACK_ALONE_BYTES = 64 * MiB

/** A pack with a smaller share of live bytes is rewritten. */
export const PACK_LIVE_SHARE_MIN = 0.6
/** Fetches nobody resumed for so long are dropped. */
export const DOWNLOAD_STALE_MS = 7 * 24 * 60 * 60 * SECOND_MS
/** After the index was made anew, blobs without a record stay so long: time to publish again, or to ask peers. */
export const REBUILT_GRACE_MS = 7 * 24 * 60 * 60 * SECOND_MS
/** Between two rounds of clearing up. */
export const MAINTENANCE_INTERVAL_MS = 60 * 60 * SECOND_MS
/** What is kept free of the disk: this much, or this share of a small one. */
export const DISK_RESERVE_BYTES_MAX = 256 * MiB
export const DISK_RESERVE_SHARE = 0.05
/** Of the reserve, what the rewriting of a pack leaves: on a full disk it must be able to give space back. */
export const DISK_RESERVE_REWRITE_SHARE = 3 / 8

/** How far ahead of this node's clock a record may say it was made, and count as the newest. */
export const AHEAD_MS_MAX = 10 * 60 * SECOND_MS
/** A record. 64 KiB holds the largest npm manifest with room for signatures. */
export const RECORD_BYTES_MAX = 64 * KiB
/** Nesting a record or a message may have; real ones stay below 8. */
export const CBOR_DEPTH_MAX = 32
export const MANIFEST_BYTES_MAX = 48 * KiB
/** What follows from the archive of a package of an outside registry: as much as a release says. */
export const DERIVATION_BYTES_MAX = 64 * KiB
export const SIGNATURES_MAX = 16
/** Longest purl, glob or other subject; an LMDB key holds it twice over. */
export const SUBJECT_LENGTH_MAX = 512
export const SIGNER_LENGTH_MAX = 96
/** npm's own limit for a name; other types take the same. */
export const NAME_LENGTH_MAX = 214
/** npm's own limit for a version. */
export const VERSION_LENGTH_MAX = 256
export const DESCRIPTION_LENGTH_MAX = 1024
export const KEYWORDS_MAX = 64
export const KEYWORD_LENGTH_MAX = 64
/** What is said of releases afterwards: tags, as many as a package ever had, and words of why not to use one. */
export const TAG_LENGTH_MAX = 128
export const TAGS_MAX = 1_024
/** Packages of which it is kept at hand, and publishers of whom it is whether they say anything. */
export const NOTICES_CACHED_MAX = 4_096
export const ARTIFACTS_MAX = 256
export const DEPENDENCIES_MAX = 1024
/** Records of signers not known yet wait here; beyond it the oldest go. */
export const PEN_RECORDS_MAX = 1_000
/** A fresh key's flood ends here; only its own shelf is full. */
export const SHELF_RECORDS_MAX = 100_000
/** Of what an outside registry has signed: each was asked for by somebody. */
export const ORIGIN_RECORDS_MAX = 2_000_000
/** Shelves of signers nobody here pinned or follows. */
export const UNPINNED_SHELVES_MAX = 10_000

/** Shelves of one signer, each for another audience: every look for a share goes through them. */
export const SIGNER_AUDIENCES_MAX = 256

/** Permissions. The lists of a record, so that the longest still fits one. */
export const PEER_ID_LENGTH_MAX = 64
export const SHARE_PEERS_MAX = 256
export const SHARE_GROUPS_MAX = 16
export const GROUP_MEMBERS_MAX = 512
export const GROUP_NAME_LENGTH_MAX = 64
export const DEVICES_MAX = 32
/** Longest time after which a share ends. Beyond it nobody remembers: let it not end. */
export const GRANT_MS_MAX = 100 * 365 * DAY_MS
/** Shares by glob of one publisher: each release is held against all of them. With more, none of them counts. */
export const SHARE_GLOBS_MAX = 64
/** Signers whose shares, groups and devices are kept at hand, and releases of each whose share is. */
export const SHARES_CACHED_SIGNERS_MAX = 1_000
export const SHARES_CACHED_RELEASES_MAX = 4_096
/** Peers of which it is kept at hand which shelves they may see. */
export const ACCESS_CACHED_PEERS_MAX = 1_000
/** Audiences beside the public one in which a query of a peer is looked for, each a search of its own. */
export const SEARCH_AUDIENCES_MAX = 16

/** Archives: what unpacking accepts before it stops (tar bombs, threat 19 of the threat table). */
export const ARCHIVE_BYTES_MAX = 2 * GiB
export const ARCHIVE_FILES_MAX = 100_000
/** Unpacked to packed size; real packages stay below 40. */
export const ARCHIVE_RATIO_MAX = 100
/** Small archives of repetitive text pass the ratio without harm. */
export const ARCHIVE_RATIO_FREE_BYTES = 16 * MiB
export const ARCHIVE_PATH_LENGTH_MAX = 1024
export const ARCHIVE_PATH_DEPTH_MAX = 64
export const PACKAGE_JSON_BYTES_MAX = 4 * MiB
export const ASSET_TOML_BYTES_MAX = 256 * KiB
/** Versions of one package looked at when a range is resolved. */
export const VERSIONS_MAX = 10_000
/** Packages one install may pull in. */
export const INSTALL_PACKAGES_MAX = 2_000
/** Of these, under way at once: enough to hide what a disk takes to make a folder and to name it. */
export const INSTALL_AT_ONCE_MAX = 48
/** Of these, fetched at once: enough to hide round trips, and less than one peer answers at once. */
export const INSTALL_FETCHES_MAX = 24

/** Frames on a stream: 1 MiB of blob data and its envelope. */
export const FRAME_BYTES_MAX = MiB + 4 * KiB
/** With the time for a stall, the slowest link that still counts as alive: 32 KiB/s. */
export const BLOB_FRAME_BYTES = 256 * KiB
export const RECORDS_PER_REQUEST_MAX = 256
/** Packages asked for in one request: what comes is admitted in one transaction, of some tens of milliseconds. */
export const PACKAGES_PER_REQUEST_MAX = 64
/** Records of a reply that come in one frame. */
export const RECORDS_PER_FRAME_MAX = 64
export const RECORDS_FRAME_BYTES = 128 * KiB
/** Each record, and the map it comes in. */
export const RECORDS_REPLY_BYTES_MAX = RECORDS_PER_REQUEST_MAX * (RECORD_BYTES_MAX + DERIVATION_BYTES_MAX + 128)
export const SEARCH_QUERY_LENGTH_MAX = 256
export const SEARCH_RESULTS_MAX = 100
export const SEARCH_PEER_RESULTS_MAX = 20
export const SEARCH_PUBLISHER_RESULTS_MAX = 5
export const SEARCH_REPLY_BYTES_MAX = 2 * MiB
/** Candidates of a reply that come in one frame; a larger one has a frame to itself. */
export const SEARCH_FRAME_BYTES = 128 * KiB
export const SEARCH_FAN_OUT_MAX = 8
export const SEARCH_DEADLINE_MS = 350
/** Queries of one peer answered, and at once after a quiet time. */
export const SEARCHES_PER_SECOND = 10
export const SEARCHES_BURST = 20
/** Peers of which it is remembered how often they ask, and how well they answer. */
export const SEARCHERS_TRACKED_MAX = 10_000
export const SEARCH_MERITS_MAX = 1_000
/** Candidates whose signatures are known to hold, for when they are offered again. */
export const VERIFIED_BUNDLES_BYTES = 16 * MiB
/** A publisher that nobody else has heard of is new for so long. */
export const NEWCOMER_MS = DAY_MS
/** Publishers of which it is remembered since when, and from whom, this node has heard of them. */
export const HEARD_PUBLISHERS_MAX = 100_000
/** Queries whose answers are kept: more of them answer hardly any further query (bench/README.md). */
export const SEARCH_CACHE_QUERIES_MAX = 10_000
/** What they may take together: 20 results that are known here some 8 KiB, those of peers their records as well. */
export const SEARCH_CACHE_BYTES_MAX = 64 * MiB
/** An answer is given again for so long as it is, and once more while a new one is made. */
export const SEARCH_CACHE_FRESH_MS = 60 * SECOND_MS
export const SEARCH_CACHE_STALE_MS = 10 * 60 * SECOND_MS
/** Packages of which it is counted how often they are fetched; the rarest make room. More than one node ever uses. */
export const USAGE_PACKAGES_MAX = 20_000
/** Folders and packages installed there that are remembered; the oldest make room. */
export const USAGE_FOLDERS_MAX = 20_000
/** Fetches that are not written down yet, and for how long: so many are forgotten in a crash. */
export const USAGE_PENDING_MAX = 1_000
export const USAGE_PENDING_MS = 2 * SECOND_MS
/** Days whose counts are kept one by one, to be told. */
export const USAGE_DAYS_MAX = 30
/** Of these, counts in all: on most days few packages are used. */
export const USAGE_DAY_COUNTS_MAX = 100_000
/** On a day, what is used less often is told to nobody: what one user does stays at home. */
export const USAGE_TOLD_MIN = 8
/** Counts told in one reply, the highest of a day first. */
export const USAGE_TOLD_MAX = 2_000
export const USAGE_TOLD_PER_FRAME_MAX = 128
/** Each count with its name and its day. */
export const USAGE_REPLY_BYTES_MAX = USAGE_TOLD_MAX * (SUBJECT_LENGTH_MAX + 32) + 64 * KiB
export const USAGE_DEADLINE_MS = 15 * SECOND_MS
/** Between two questions to one peer; a day has to end before its counts are told. */
export const USAGE_EXCHANGE_MS = 6 * 60 * 60 * SECOND_MS
/** Between two looks who can be asked, and which packages are to be ranked anew. */
export const USAGE_ROUND_MS = 5 * 60 * SECOND_MS
/** Packages ranked anew at one time. */
export const POPULARITY_BATCH_MAX = 1_000
/** Peers whose counts are remembered, those heard last; and packages of each. */
export const USAGE_PEERS_MAX = 64
export const USAGE_PACKAGES_PER_PEER_MAX = 4_000
/** The least number of peers whose counts count, and the most that they can make of a package. */
export const POPULARITY_WITNESSES_MIN = 2
export const POPULARITY_HEARD_MAX = 1_024
/** Names that nobody knew, so that a package manager which asks again at once does not have all peers asked again. */
export const ABSENT_NAMES_MAX = 10_000
export const ABSENT_NAMES_MS = 10 * SECOND_MS
/** Packages that are used are asked for again after this time, of so many peers; of so many it is known when. */
export const REVALIDATION_MS = 5 * 60 * SECOND_MS
export const REVALIDATION_PEERS = 2
export const REVALIDATED_NAMES_MAX = 10_000
/** An announcement: record id, purl, signer. */
export const ANNOUNCEMENT_BYTES_MAX = 1 * KiB
/** Announcements of one signer relayed a minute, and its burst. */
export const ANNOUNCEMENTS_PER_MINUTE = 60
/** Signers whose announcement rate is remembered. */
export const ANNOUNCERS_TRACKED_MAX = 10_000

/** Peers. */
export const CONNECTIONS_MAX = 100
export const STREAMS_PER_PROTOCOL_MAX = 64
export const REQUESTS_PER_PEER_MAX = 32
export const DIAL_TIMEOUT_MS = 5 * SECOND_MS
export const HELLO_DEADLINE_MS = 5 * SECOND_MS
/** Who asks peers waits so long for those who have just come: most say hello within two round trips. */
export const GREETING_PATIENCE_MS = SECOND_MS
/** Device records in a hello, and the documents before them: beside the addresses they fit its 16 KiB. */
export const HELLO_DEVICES_RECORDS_MAX = 8
export const HELLO_DEVICES_BYTES_MAX = 6 * KiB
export const RECORDS_DEADLINE_MS = 15 * SECOND_MS
/** A blob stream that delivers nothing for this long has stalled; the next provider is asked. */
export const STALL_TIMEOUT_MS = 8 * SECOND_MS
/** A bitmap of chunks as it is told to peers: runs, 2 to 6 bytes each. What does not fit is not told. */
export const HAVE_BYTES_MAX = 8 * KiB
/** What is about to come: a few segments. */
export const COMING_BYTES_MAX = KiB
/** Peers named as fetching the same, so that they find each other. */
export const ALSO_FETCHING_MAX = 20
/** Who has not asked for so long is no longer named. */
export const ALSO_FETCHING_MS = 30 * SECOND_MS
/** Blobs of which it is remembered who fetches them. */
export const BLOBS_WATCHED_MAX = 1_000
export const HAVE_DEADLINE_MS = 5 * SECOND_MS
/** Between two questions to a provider what it has: less than a segment takes, or a swarm works on old news. */
export const HAVE_INTERVAL_MS = SECOND_MS / 2
/** How often it is looked how far a segment over the bulk plane has come. */
export const BULK_PROGRESS_MS = 100
/** A peer whose bulk port did not answer is asked over streams for so long. */
export const BULK_AVOIDED_MS = 10 * 60 * SECOND_MS
/** The longest one blob request may take, whatever it delivers. */
export const BLOB_DEADLINE_MS = 30 * 60 * SECOND_MS
export const PROVIDERS_MAX = 20
/** Providers asked at once for one blob: more of them add requests, hardly bytes a second. */
export const PROVIDERS_AT_ONCE_MAX = 8
/** Chunks asked for in one request: long enough to hide a round trip, short enough that a slow peer holds up little. */
export const SEGMENT_BYTES_MIN = MiB
export const SEGMENT_BYTES_MAX = 16 * MiB
/** Of a blob, the share that may be asked of two providers at once when nothing else is left to ask for. */
export const FETCHED_TWICE_SHARE_MAX = 0.02
/** Transfers that have ended and are still told of. */
export const TRANSFERS_REMEMBERED_MAX = 100
/** Between two fetches of one install there are pauses, while it is found out what comes next. */
export const FETCH_PAUSE_MS = 2 * SECOND_MS
/** A peer that asks for nothing more of a blob for so long has all it wanted. */
export const UPLOAD_PAUSE_MS = 5 * SECOND_MS
/** A provider that failed is asked once more after this. */
export const PROVIDER_RETRY_MS = SECOND_MS
/** How long a fetch waits for somebody to have, or say, something new before it is given up. */
export const FETCH_PATIENCE_MS = 30 * SECOND_MS
/** A fetch may take this, and the time its bytes take at the slowest rate that is still worth waiting for. */
export const FETCH_DEADLINE_MS = 2 * 60 * SECOND_MS
export const FETCH_RATE_MIN = 32 * KiB
/** Releases of which it is remembered what peers showed them. */
export const SHOWN_RELEASES_MAX = 10_000
export const KNOWN_PEERS_MAX = 10_000
export const ADDRESSES_PER_PEER_MAX = 16
export const ADDRESS_LENGTH_MAX = 256
/** Blobs a node provides in the DHT: a provide costs 0.1–0.3 s. */
export const PROVIDED_BLOBS_MAX = 1_000
/** What a walk takes on the internet: where peers are near, providing would otherwise take all the time there is. */
export const PROVIDE_INTERVAL_MS = 100
/** The DHT is told of blobs once no further one has come for so long. */
export const PROVIDE_QUIET_MS = 1_000
/** How long one is put off at the most. */
export const PROVIDE_WAIT_MS_MAX = 30_000

/** Small files that one task reads: a few milliseconds of work, and 8 MiB at the most. */
export const SMALL_FILES_MAX = 128
/** Messages signed by one call, off this thread. */
export const SIGNATURES_PER_BATCH_MAX = 256

/**
 * The bulk plane. Its memory is fixed in sum, over all connections: `BULK_SEND_BYTES` and a piece of 256 KiB for each
 * connection in use; `BULK_RECEIVE_BYTES`, of which a disk that keeps up leaves next to nothing; 2 MiB a fetch.
 */
export const BULK_CONNECTIONS_MAX = 256
/** Many nodes may stand behind one address; an IPv6 /64 counts as one. */
export const BULK_CONNECTIONS_PER_ADDRESS_MAX = 64
/** More handshakes under way than this, and new ones have to prove their address first: QUIC's Retry. */
export const BULK_HANDSHAKES_UNPROVEN_MAX = 32
export const BULK_HANDSHAKES_MAX = 256
export const BULK_HANDSHAKES_PER_ADDRESS_MAX = 16
/** Three round trips of half a second, and a lost packet. */
export const BULK_HANDSHAKE_TIMEOUT_MS = 3 * SECOND_MS
/** A peer that was killed is noticed after this long. */
export const BULK_IDLE_MS = 10 * SECOND_MS
/** A connection costs some 50 KiB to keep and two milliseconds to make. */
export const BULK_UNUSED_MS = 60 * SECOND_MS
/** Streams of a connection; QUIC makes further ones wait at the asker. */
export const BULK_REQUESTS_PER_CONNECTION_MAX = 64
/** Each holds a file open, and asks for one decision. */
export const BULK_REQUESTS_MAX = 1_024
export const BULK_REQUEST_TIMEOUT_MS = 5 * SECOND_MS
/** Of one address, after a burst of twice as many: four times what an install of small packages asks for. */
export const BULK_REQUESTS_PER_SECOND = 2_000
/** So long the same refusal is given without asking again. */
export const BULK_REFUSAL_LIFETIME_MS = 2 * SECOND_MS
export const BULK_REFUSALS_MAX = 4_096
/** For a peer to take 256 KiB; several streams may share its line. */
export const BULK_SEND_STALL_MS = 30 * SECOND_MS
/** What is read from disks and not acknowledged yet. */
export const BULK_SEND_BYTES = 48 * MiB
/** 1 Gbit/s over 130 ms. */
export const BULK_SEND_BYTES_PER_CONNECTION = 16 * MiB
/** What peers may send before it is read. */
export const BULK_RECEIVE_BYTES = 64 * MiB
/** 1 Gbit/s over 200 ms, when few connections share what there is. */
export const BULK_RECEIVE_BYTES_PER_CONNECTION = 24 * MiB
/** Fetches under way at once; further ones wait for their turn. */
export const BULK_FETCHES_MAX = 24
/** Connections to others; those unused for longest make room. */
export const BULK_DIALLED_MAX = 64
/** The longest blob that comes whole, in one round trip. */
export const BULK_WHOLE_BYTES_MAX = MiB

/** Worker threads. What one task has in memory at a time: a slot of the arena. */
export const SLOT_BYTES = 4 * MiB
/** Slots that this process fills itself, from sockets for example; who finds none free waits. */
export const UPLOAD_SLOTS = 4
/** Tasks are a few hundred bytes each; two of the largest installs may wait side by side. */
export const WORKER_TASKS_WAITING_MAX = 2 * INSTALL_PACKAGES_MAX
/** Who waits for a slot to fill has its bytes elsewhere, so there are to be few of them. */
export const UPLOADS_WAITING_MAX = 64
/** Shards of one stripe, so that a slot holds all of them. */
export const STRIPE_SHARDS_MAX = 64
/** Ids of one blob's shards, 64 MiB of them: the largest blob and as much parity, whole stripes of it. */
export const SHARD_IDS_MAX = 2 ** 21 + STRIPE_SHARDS_MAX

/** Parts of a schedule of rates, and its length as it is written. */
export const SCHEDULE_WINDOWS_MAX = 64
export const SCHEDULE_LENGTH_MAX = 4 * KiB

/** Bytes that moved and are not written down yet, and for how long: about a segment is forgotten in a crash. */
export const LEDGER_PENDING_BYTES_MAX = 16 * MiB
export const LEDGER_PENDING_MS = SECOND_MS

/** Bytes fetched between two commits of the bitmap of verified chunks. */
export const FETCH_COMMIT_BYTES = 16 * MiB
export const FETCH_COMMIT_MS = SECOND_MS

export function assertLimit(holds: boolean, relation: string): void {
  if (!holds) throw new RangeError(`limits disagree: ${relation}`)
}
assertLimit(BLOB_BYTES_MAX / CHUNK_BYTES <= 2 ** 20, 'an outline fits 32 MiB')
assertLimit(MANIFEST_BYTES_MAX < RECORD_BYTES_MAX, 'a manifest fits a record')
assertLimit(SHARE_PEERS_MAX * PEER_ID_LENGTH_MAX < RECORD_BYTES_MAX / 2, 'a list of peers fits a record')
assertLimit(
  HELLO_DEVICES_BYTES_MAX + ADDRESSES_PER_PEER_MAX * ADDRESS_LENGTH_MAX < 12 * KiB,
  'what a node shows of itself fits a hello',
)
assertLimit(GROUP_MEMBERS_MAX * 80 < RECORD_BYTES_MAX, 'the members of a group fit a record')
assertLimit(INSTALL_FETCHES_MAX < REQUESTS_PER_PEER_MAX, 'an install does not shut itself out')
assertLimit(
  RECORDS_FRAME_BYTES + RECORD_BYTES_MAX + DERIVATION_BYTES_MAX < FRAME_BYTES_MAX,
  'a frame of records and one more fit a frame',
)
assertLimit(BLOB_FRAME_BYTES % CHUNK_BYTES === 0, 'a blob frame carries whole chunks')
assertLimit(BLOB_FRAME_BYTES < FRAME_BYTES_MAX, 'a blob frame fits a frame')
assertLimit(SLOT_BYTES >= STRIPE_SHARDS_MAX * CHUNK_BYTES, 'a slot holds a stripe')
assertLimit(SHARD_IDS_MAX >= (2 * BLOB_BYTES_MAX) / CHUNK_BYTES + STRIPE_SHARDS_MAX, 'the largest blob can be doubled')
assertLimit(BULK_DIALLED_MAX >= BULK_FETCHES_MAX, 'each fetch may have a connection of its own')
assertLimit(BULK_WHOLE_BYTES_MAX >= BLOB_AT_HAND_BYTES_MAX, 'a blob that waits in memory comes in one round trip')
assertLimit(USAGE_TOLD_MAX <= USAGE_PACKAGES_PER_PEER_MAX, 'all that one reply tells can be remembered')
assertLimit(USAGE_TOLD_PER_FRAME_MAX * (SUBJECT_LENGTH_MAX + 32) < FRAME_BYTES_MAX, 'a frame of counts fits a frame')
assertLimit(SEARCH_PEER_RESULTS_MAX * RECORD_BYTES_MAX <= SEARCH_REPLY_BYTES_MAX, 'a search reply fits its limit')
assertLimit(
  PACK_BYTES * PACK_LIVE_SHARE_MIN <= DISK_RESERVE_BYTES_MAX * (1 - DISK_RESERVE_REWRITE_SHARE),
  'what is live in a pack to be rewritten fits the reserve',
)
