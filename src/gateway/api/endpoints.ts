// What programs of this machine can ask a node over TCP: the schemas of what they send, which check it, and of what
// they are answered. The document in openapi.ts is made of both. What they do is what operations do.
import { z } from 'zod'
import { toHex } from '../../base/bytes.ts'
import { SEARCH_QUERY_LENGTH_MAX, SEARCH_RESULTS_MAX } from '../../base/limits.ts'
import { parsePurl } from '../../model/purl.ts'
import type { PackageView } from '../../package-view.ts'
import { limits } from './limit-operations.ts'
import type { Facades, Line, Operation } from './operation.ts'
import { OPERATIONS } from './operations.ts'

export const API_PREFIX = '/api/v1'

/** What of a node is served over HTTP. */
export interface Served extends Facades {
  readonly peerId: string
  readonly view: PackageView
}

export interface Endpoint<Query = unknown, Body = unknown> {
  readonly method: 'GET' | 'PUT'
  /** Below `/api/v1`. */
  readonly path: string
  readonly summary: string
  /** Whether it tells only what everybody may know, and is answered without a token. */
  readonly isPublic: boolean
  readonly query: z.ZodType<Query>
  readonly body?: z.ZodType<Body>
  readonly answer: z.ZodType
  run(node: Served, asked: { readonly query: Query; readonly body: Body }, signal: AbortSignal): Promise<unknown>
}

const endpoint = <Query, Body>(definition: Endpoint<Query, Body>) => definition as Endpoint

const count = z.int().min(0)
const time = z.iso.datetime()
const nothing = z.strictObject({})
const truth = z.enum(['true', 'false']).transform((word) => word === 'true')

const status = endpoint({
  method: 'GET',
  path: '/status',
  summary: 'Who this node is, where it is reached, and what it keeps.',
  isPublic: false,
  query: nothing,
  answer: z.looseObject({
    ...{ version: z.string(), peerId: z.string(), publisher: z.string().nullable(), online: z.boolean() },
    ...{ addresses: z.array(z.string()), bulkPort: count.nullable(), http: z.string().nullable() },
    ...{ peers: count, records: count, releases: count, blobs: count, bytes: count, uptimeMs: count },
    storage: z.looseObject({}).describe('How full the disk is, and what is kept of whom.'),
  }),
  run: async (node, _, signal) => only(await linesOf(OPERATIONS.status, node, {}, signal)),
})

const peers = endpoint({
  method: 'GET',
  path: '/peers',
  summary: 'Connected peers, and who gave how much.',
  isPublic: false,
  query: nothing,
  answer: z.looseObject({
    peers: z.array(
      z.looseObject({
        ...{ peer: z.string(), agent: z.string(), addresses: z.array(z.string()) },
        ...{ sent: count.describe('Bytes ever.'), received: count.describe('Bytes ever.') },
      }),
    ),
  }),
  run: async (node, _, signal) => ({ peers: listed('peer', await linesOf(OPERATIONS.peers, node, {}, signal)) }),
})

const transfers = endpoint({
  method: 'GET',
  path: '/transfers',
  summary: 'What is being fetched and sent, and what came of the last ones.',
  isPublic: false,
  query: nothing,
  answer: z.looseObject({
    transfers: z.array(
      z.looseObject({
        ...{ id: count, direction: z.enum(['fetch', 'send']), state: z.enum(['running', 'done', 'failed']) },
        ...{ root: z.string(), purl: z.string().optional(), bytes: count, total: count },
        ...{ rate: z.number().describe('Bytes a second.'), startedAt: time, endedAt: time.optional() },
      }),
    ),
    rateDown: z.number().describe('Bytes a second, of all that are running.'),
    rateUp: z.number(),
  }),
  async run(node, _, signal) {
    const lines = await linesOf(OPERATIONS.transfers, node, {}, signal)
    const { rateDown, rateUp } = lines.at(-1) as Line
    return { transfers: listed('transfer', lines), rateDown, rateUp }
  },
})

const rates = z.looseObject({ bytesPerSecond: z.number().nullable(), rate: z.string(), from: z.string() })
const limitsAnswer = z.looseObject({
  ...{ up: rates, down: rates, perPeer: rates, limitLocal: z.boolean() },
  schedule: z.string().nullable(),
})

const limitsNow = endpoint({
  method: 'GET',
  path: '/limits',
  summary: 'How fast this node may send and receive.',
  isPublic: false,
  query: nothing,
  answer: limitsAnswer,
  run: async (node, _, signal) => only(await linesOf(limits, node, {}, signal)),
})

const limitsChange = endpoint({
  method: 'PUT',
  path: '/limits',
  summary: 'Changes what is given, at once and for later starts. `clear` first goes back to the settings.',
  isPublic: false,
  query: nothing,
  body: limits.input,
  answer: limitsAnswer,
  run: async (node, { body }, signal) => only(await linesOf(limits, node, body, signal)),
})

const search = endpoint({
  method: 'GET',
  path: '/search',
  summary: 'Finds public packages here and at connected peers.',
  isPublic: true,
  query: z.strictObject({
    q: z.string().min(1).max(SEARCH_QUERY_LENGTH_MAX).describe('Words, or filters such as type:npm.'),
    limit: z.coerce.number().int().min(1).max(SEARCH_RESULTS_MAX).optional(),
    local: truth.optional().describe('Whether to ask no peers.'),
  }),
  answer: z.looseObject({
    results: z.array(
      z.looseObject({
        ...{ purl: z.string(), name: z.string(), version: z.string(), description: z.string() },
        ...{ publisher: z.string(), score: z.number(), trust: z.string(), local: z.boolean(), providers: count },
      }),
    ),
    suggestion: z.string().optional(),
    ...{ withheld: count, peersAsked: count, peersAnswered: count, ms: z.number(), ageMs: z.number() },
  }),
  async run({ sharing }, { query: { q, ...options } }, signal) {
    // Which peers were asked is not everybody's.
    const { peers: _, ...answer } = await sharing.searchPackages(q, { ...options, publicOnly: true, signal })
    return answer
  },
})

const releases = endpoint({
  method: 'GET',
  path: '/releases',
  summary: 'The public releases of a package by the publisher that counts; peers are asked where none is known.',
  isPublic: true,
  query: z.strictObject({ purl: z.string().min(1).describe('Of the package, such as pkg:npm/name.') }),
  answer: z.looseObject({
    name: z.string(),
    tags: z.record(z.string(), z.string()).describe('Versions by tag.'),
    releases: z.array(
      z.looseObject({
        ...{ purl: z.string(), version: z.string(), publisher: z.string(), publishedAt: time },
        deprecated: z.string().optional(),
        artifacts: z.array(z.looseObject({ path: z.string(), size: count, sha256: z.string() })),
      }),
    ),
  }),
  async run({ view }, { query }, signal) {
    const { type, name } = parsePurl(query.purl)
    const state = await view.state({ type, name }, signal)
    const told = state.releases.map(({ purl, record, body: { version, artifacts } }) => ({
      ...{ purl, version, publisher: record.signer, publishedAt: new Date(record.statement.at).toISOString() },
      deprecated: state.deprecated.get(version),
      artifacts: artifacts.map(({ path, size, sha256 }) => ({ path, size, sha256: toHex(sha256) })),
    }))
    return { name, tags: state.tags, releases: told }
  },
})

export const ENDPOINTS: readonly Endpoint[] = [status, peers, transfers, limitsNow, limitsChange, search, releases]

async function linesOf<Input>(operation: Operation<Input>, node: Facades, input: Input, signal: AbortSignal) {
  const lines: Line[] = []
  for await (const line of operation.run(node, input, signal)) lines.push(line)
  return lines
}

/** Of lines of one type, what they say. */
function listed(wanted: string, lines: readonly Line[]): object[] {
  return lines.filter(({ type }) => type === wanted).map(({ type: _, ...said }) => said)
}

function only([line]: readonly Line[]): object {
  const { type: _, ...said } = line as Line
  return said
}
