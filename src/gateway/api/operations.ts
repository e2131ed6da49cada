// Every operation a client can ask for, once. The HTTP API runs them in the node's process; the command line does too
// when no node is running.
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { formatPurl } from '../../model/purl.ts'
import type { Pin } from '../../store/pins.ts'
import { attest, conflicts, resolveConflict } from './conflict-operations.ts'
import { deprecate, tagAdd, tagList, tagRemove, withdraw } from './curation-operations.ts'
import { limits } from './limit-operations.ts'
import { type Facades, type Line, type Operation, operation, path, purl, withProgress } from './operation.ts'
import {
  addDevice,
  addToGroup,
  createGroup,
  devices,
  group,
  groups,
  permissionInput,
  removeDevice,
  removeFromGroup,
  share,
  unshare,
} from './permission-operations.ts'
import { backup, doctor, gc, pin, pinned, unpin, verify } from './storage-operations.ts'
import { follow, following, sync, syncStatus, unfollow } from './sync-operations.ts'
import { tokenApprove, tokenCreate, tokenList, tokenRevoke } from './token-operations.ts'
import { transfers } from './transfer-operations.ts'

const publish = operation({
  input: z.strictObject({
    path,
    ...permissionInput,
    type: z.string().optional(),
    name: z.string().optional(),
    version: z.string().optional(),
    tag: z.string().optional(),
  }),
  async *run({ sharing }, { path, ...options }, signal) {
    const { purl, record, permission, fresh, artifacts } = await sharing.sharePackage(path, { ...options, signal })
    yield { type: 'published', purl, record, permission, fresh, artifacts }
  },
})

const search = operation({
  input: z.strictObject({
    query: z.string(),
    limit: z.int().optional(),
    local: z.boolean().optional(),
    newcomers: z.boolean().optional(),
    highlight: z.boolean().optional(),
    explain: z.boolean().optional(),
  }),
  async *run({ sharing }, { query, ...options }, signal) {
    const { results, ...summary } = await sharing.searchPackages(query, { ...options, signal })
    for (const result of results) yield { type: 'result', ...result }
    yield { type: 'summary', results: results.length, ...summary }
  },
})

const recommend = operation({
  input: z.strictObject({ purl: purl.optional(), limit: z.int().optional() }),
  async *run({ sharing }, { purl, limit }) {
    const found = await sharing.recommendPackages(purl, { limit })
    for (const recommendation of found) yield { type: 'recommendation', ...recommendation }
    yield { type: 'summary', recommendations: found.length }
  },
})

const complete = operation({
  input: z.strictObject({ prefix: z.string(), limit: z.int().optional() }),
  async *run({ sharing }, { prefix, ...options }) {
    for (const completion of await sharing.completeNames(prefix, options)) yield { type: 'completion', ...completion }
  },
})

const info = operation({
  input: z.strictObject({ purl }),
  async *run({ sharing }, { purl }, signal) {
    yield { type: 'info', ...(await sharing.packageInfo(purl, { signal })) }
  },
})

const fetch = operation({
  input: z.strictObject({ purl, output: path }),
  run: ({ sharing }, { purl, output }, signal) =>
    withProgress(async (report) => {
      const fetched = await sharing.fetchPackage(purl, output, {
        signal,
        onProgress: (progress) => void report({ type: 'progress', purl, ...progress }),
      })
      void report({ type: 'fetched', ...fetched })
    }),
})

const install = operation({
  input: z.strictObject({
    purl,
    to: path,
    force: z.boolean().optional(),
    withDependencies: z.boolean().optional(),
  }),
  run: ({ sharing }, { purl, ...options }, signal) =>
    withProgress(async (report) => {
      await sharing.installPackage(purl, {
        ...options,
        signal,
        onProgress: (progress) => void report({ type: 'progress', purl, ...progress }),
        onInstalled: (installed) => void report({ type: 'installed', ...installed }),
      })
    }),
})

const peers = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const connected = sharing.connectedPeers()
    for (const peer of connected) yield { type: 'peer', ...peer }
    yield { type: 'summary', peers: connected.length }
  },
})

const accounts = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const all = sharing.accounts()
    for (const { since, until, ...account } of all) {
      yield { type: 'account', ...account, since: new Date(since).toISOString(), until: new Date(until).toISOString() }
    }
    yield { type: 'summary', accounts: all.length }
  },
})

const connect = operation({
  input: z.strictObject({ address: z.string() }),
  needsNode: () => true,
  async *run({ sharing }, { address }, signal) {
    yield { type: 'connected', ...(await sharing.connectPeer(address, { signal })) }
  },
})

const trust = operation({
  input: z.strictObject({ purl, publisher: z.string().optional() }),
  async *run({ sharing }, { purl, publisher }) {
    yield pinLine(await sharing.trustPublisher(purl, publisher))
  },
})

const untrust = operation({
  input: z.strictObject({ purl }),
  async *run({ sharing }, { purl }) {
    yield { type: 'untrusted', purl, changed: await sharing.untrust(purl) }
  },
})

const trusted = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const pins = sharing.trusted()
    yield* pins.map(pinLine)
    yield { type: 'summary', trusted: pins.length }
  },
})

const status = operation({
  input: z.strictObject({}),
  async *run({ sharing, storage }) {
    yield { type: 'status', ...(await sharing.status()), storage: storage.status() }
  },
})

export const OPERATIONS = {
  ...{
    publish,
    search,
    recommend,
    complete,
    info,
    fetch,
    install,
    peers,
    accounts,
    connect,
    trust,
    untrust,
    trusted,
    status,
    transfers,
    limits,
  },
  ...{ tagAdd, tagRemove, tagList, deprecate, withdraw },
  ...{ conflicts, resolveConflict, attest },
  ...{ share, unshare, groups, group, createGroup, addToGroup, removeFromGroup },
  ...{ devices, addDevice, removeDevice },
  ...{ sync, syncStatus, following, follow, unfollow },
  ...{ tokenCreate, tokenList, tokenRevoke, tokenApprove },
  ...{ verify, gc, pin, unpin, pinned, backup, doctor },
} as const

export type OperationName = keyof typeof OPERATIONS

export interface PreparedOperation {
  /** Whether it only makes sense on a node that is running. */
  readonly needsNode: boolean
  run(node: Facades, signal: AbortSignal): AsyncIterable<Line>
}

function pinLine({ type, name, signer, reason, at }: Pin): Line {
  const since = new Date(at).toISOString()
  return { type: 'trusted', purl: formatPurl({ type, name }), publisher: signer, reason, since }
}

/**
 * An operation with input from outside, ready to be run.
 *
 * @throws CatalogError `USAGE` for input of another shape
 */
export function prepare(name: OperationName, input: unknown): PreparedOperation {
  const chosen = OPERATIONS[name] as Operation<unknown>
  const parsed = chosen.input.safeParse(input)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const what = [issue?.path.join('.'), issue?.message].filter(Boolean).join(' ')
    throw new CatalogError('USAGE', `The input of ${name} is not right: ${what}.`)
  }
  return {
    needsNode: chosen.needsNode?.(parsed.data) ?? false,
    run: (node, signal) => chosen.run(node, parsed.data, signal),
  }
}
