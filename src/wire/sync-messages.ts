// The messages of synchronization: `/catalog/sync/1`. WIRE.md says what each means.
import { z } from 'zod'
import {
  FRAME_BYTES_MAX,
  KEYWORD_LENGTH_MAX,
  RECORD_BYTES_MAX,
  RECORDS_PER_FRAME_MAX,
  SIGNER_LENGTH_MAX,
  SUBJECT_LENGTH_MAX,
} from '../base/limits.ts'
import {
  SYNC_DEADLINE_MS,
  SYNC_FILTER_VALUES_MAX,
  SYNC_NODES_PER_REQUEST_MAX,
  SYNC_PUSH_RECORDS_MAX,
  SYNC_REPLY_BYTES_MAX,
  SYNC_SHELVES_PER_MESSAGE_MAX,
  SYNC_SILENCE_MS,
  SYNC_SYMBOLS_MAX,
  SYNC_WANTS_MAX,
} from '../base/sync-limits.ts'
import { bytesOf, bytesUpTo } from '../model/cbor.ts'
import { protocol } from './messages.ts'

/** The counts of so many symbols, from this one on, tell how large a difference is. */
export const COUNTS_FIRST = 16
export const COUNTS = 64
/** First bytes of a record's id, by which it is asked for. */
export const SHORT_ID_BYTES = 8
const SYMBOL_BYTES = 17
const PATH_LENGTH_MAX = 64
const TRIE_CHILDREN_MAX = 16

const audienceText = z
  .string()
  .max(128)
  .regex(/^(public|private|(group|peers):[0-9a-f]{32})$/)
const signerText = z.string().max(SIGNER_LENGTH_MAX)
const key = bytesOf(16)
const count = z
  .int()
  .min(0)
  .max(2 ** 32 - 1)
const state = { root: bytesOf(32), count }
const records = z.array(bytesUpTo(RECORD_BYTES_MAX))
const values = z.array(z.string().max(KEYWORD_LENGTH_MAX)).max(SYNC_FILTER_VALUES_MAX).optional()

const filterSchema = z.object({
  types: values,
  categories: values,
  tags: values,
  publishers: z.array(signerText).max(SYNC_FILTER_VALUES_MAX).optional(),
  /** Globs, as in shares: `pkg:npm/@scope/*`. */
  names: z.array(z.string().max(SUBJECT_LENGTH_MAX)).max(SYNC_FILTER_VALUES_MAX).optional(),
})
/** Which releases are meant; with what says whose they are and who may have them. */
export type SyncFilter = z.infer<typeof filterSchema>

/** What a request about a shelf, or a part of it, has. */
const about = { key, filter: filterSchema.optional() }

/** Publisher documents come first in any case. */
const firstSchema = z.literal('important').optional()

const requestSchema = z.discriminatedUnion('op', [
  z.object({
    op: z.literal('open'),
    shelves: z.array(z.object({ key, ...state, counts: bytesOf(COUNTS) })).max(SYNC_SHELVES_PER_MESSAGE_MAX),
    /** Whether other shelves shall be named: those after this one. */
    others: z.union([z.literal(true), z.object({ after: key })]).optional(),
    filter: filterSchema.optional(),
  }),
  z.object({ op: z.literal('list'), ...state, counts: bytesOf(COUNTS), filter: filterSchema.optional() }),
  z.object({
    op: z.literal('symbols'),
    ...about,
    from: z.int().min(0).max(SYNC_SYMBOLS_MAX),
    to: z.int().min(1).max(SYNC_SYMBOLS_MAX),
  }),
  z.object({
    op: z.literal('nodes'),
    ...about,
    /** One byte a nibble. */
    paths: z.array(bytesUpTo(PATH_LENGTH_MAX)).min(1).max(SYNC_NODES_PER_REQUEST_MAX),
  }),
  z.object({
    op: z.literal('exchange'),
    ...about,
    /** Short ids, one behind the other. */
    wants: bytesUpTo(SYNC_WANTS_MAX * SHORT_ID_BYTES),
    records: records.max(SYNC_PUSH_RECORDS_MAX),
    first: firstSchema,
  }),
  z.object({
    op: z.literal('stream'),
    ...about,
    after: bytesOf(32).optional(),
    first: firstSchema,
  }),
  z.object({
    op: z.literal('changes'),
    after: z.object({ sequence: count, mark: bytesOf(16) }).optional(),
  }),
])
export type SyncRequest = z.infer<typeof requestSchema>

const nodeSchema = z.union([
  z.object({ ids: bytesUpTo(TRIE_CHILDREN_MAX * 32) }),
  z.object({
    bitmap: z
      .int()
      .min(1)
      .max(2 ** 16 - 1),
    children: bytesUpTo(TRIE_CHILDREN_MAX * 32),
  }),
])

const replySchema = z.discriminatedUnion('is', [
  z.object({ is: z.literal('shelf'), key, count, symbols: bytesUpTo(SYNC_SYMBOLS_MAX * SYMBOL_BYTES) }),
  z.object({ is: z.literal('list'), count, symbols: bytesUpTo(SYNC_SYMBOLS_MAX * SYMBOL_BYTES) }),
  z.object({ is: z.literal('unknown'), keys: z.array(key).max(SYNC_SHELVES_PER_MESSAGE_MAX) }),
  z.object({
    is: z.literal('others'),
    shelves: z
      .array(z.object({ audience: audienceText, signer: signerText, ...state }))
      .max(SYNC_SHELVES_PER_MESSAGE_MAX),
    /** There are more after the shelf with this key. */
    next: key.optional(),
  }),
  z.object({ is: z.literal('symbols'), symbols: bytesUpTo(SYNC_SYMBOLS_MAX * SYMBOL_BYTES) }),
  z.object({ is: z.literal('nodes'), nodes: z.array(nodeSchema).max(SYNC_NODES_PER_REQUEST_MAX) }),
  z.object({ is: z.literal('records'), records: records.max(RECORDS_PER_FRAME_MAX) }),
  z.object({
    is: z.literal('state'),
    ...state,
    /** Not all that was wanted was sent: there was no room. */
    cut: z.boolean().optional(),
    /** The stream goes on after this id. */
    next: bytesOf(32).optional(),
    /** Records that were sent along and were new. */
    taken: z.int().min(0).max(SYNC_PUSH_RECORDS_MAX).optional(),
  }),
  z.object({
    is: z.literal('changed'),
    /** Records that stand on the shelf with this key. */
    key,
    records: records.max(RECORDS_PER_FRAME_MAX),
  }),
  z.object({
    is: z.literal('cursor'),
    sequence: count,
    mark: bytesOf(16),
    /** Whether the replies before this are all that changed after the cursor in the request. */
    isWhole: z.boolean(),
    more: z.boolean(),
  }),
])
export type SyncReply = z.infer<typeof replySchema>
export type SyncReplyOf<Is extends SyncReply['is']> = Extract<SyncReply, { is: Is }>
export type WireNode = z.infer<typeof nodeSchema>

/** Make shelves equal that both sides keep and the asker may see. */
export const SYNC = protocol<SyncRequest, SyncReply>({
  id: '/catalog/sync/1',
  request: requestSchema,
  reply: replySchema,
  requestBytesMax: FRAME_BYTES_MAX,
  replyFrameBytesMax: FRAME_BYTES_MAX,
  replyBytesMax: SYNC_REPLY_BYTES_MAX,
  deadlineMs: SYNC_DEADLINE_MS,
  silenceMs: SYNC_SILENCE_MS,
})
