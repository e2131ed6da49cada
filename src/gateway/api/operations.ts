// Every operation a client can ask for, once: input schema, and a run that yields NDJSON lines. The HTTP API runs them
// in the node's process; the command line does too when no node is running.
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { formatPurl } from '../../model/purl.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { Pin } from '../../store/pins.ts'

/** One line of output. `progress` lines come any number of times before the results. */
export type Line = { readonly type: string } & Readonly<Record<string, unknown>>

export interface Operation<Input> {
  readonly input: z.ZodType<Input>
  /** Whether it only makes sense on a node that is running. */
  readonly needsNode?: boolean
  run(sharing: SharingManager, input: Input, signal: AbortSignal): AsyncIterable<Line>
}

const purl = z.string().min(1)
/** Paths are absolute: the client and the node may stand in different folders. */
const path = z.string().startsWith('/')

const operation = <Input>(definition: Operation<Input>): Operation<Input> => definition

const publish = operation({
  input: z.strictObject({
    path,
    permission: z.string().optional(),
    type: z.string().optional(),
    name: z.string().optional(),
    version: z.string().optional(),
  }),
  async *run(sharing, { path, ...options }, signal) {
    const { purl, record, permission, fresh, artifacts } = await sharing.sharePackage(path, { ...options, signal })
    yield { type: 'published', purl, record, permission, fresh, artifacts }
  },
})

const search = operation({
  input: z.strictObject({ query: z.string(), limit: z.int().optional(), local: z.boolean().optional() }),
  async *run(sharing, { query, ...options }, signal) {
    const { results, ...summary } = await sharing.searchPackages(query, { ...options, signal })
    for (const result of results) yield { type: 'result', ...result }
    yield { type: 'summary', results: results.length, ...summary }
  },
})

const info = operation({
  input: z.strictObject({ purl }),
  async *run(sharing, { purl }, signal) {
    yield { type: 'info', ...(await sharing.packageInfo(purl, { signal })) }
  },
})

const fetch = operation({
  input: z.strictObject({ purl, output: path }),
  run: (sharing, { purl, output }, signal) =>
    withProgress(async (report) => {
      const fetched = await sharing.fetchPackage(purl, output, {
        signal,
        onProgress: ({ bytes, total }) => report({ type: 'progress', purl, bytes, total }),
      })
      report({ type: 'fetched', ...fetched })
    }),
})

const install = operation({
  input: z.strictObject({
    purl,
    to: path,
    force: z.boolean().optional(),
    withDependencies: z.boolean().optional(),
  }),
  run: (sharing, { purl, ...options }, signal) =>
    withProgress(async (report) => {
      await sharing.installPackage(purl, {
        ...options,
        signal,
        onProgress: ({ bytes, total }) => report({ type: 'progress', purl, bytes, total }),
        onPackage: (installed) => report({ type: 'installed', ...installed }),
      })
    }),
})

const verify = operation({
  input: z.strictObject({ purl: purl.optional() }),
  async *run(sharing, { purl }, signal) {
    let damaged = 0
    let artifacts = 0
    let bytes = 0
    for await (const artifact of sharing.verifyPackages(purl, { signal })) {
      yield { type: 'verified', ...artifact }
      artifacts++
      bytes += artifact.bytes
      if (!artifact.ok) damaged++
    }
    yield { type: 'summary', artifacts, bytes, damaged }
    if (damaged > 0) {
      throw new CatalogError('BLOB_CORRUPT', `${damaged} of ${artifacts} artifacts kept here were damaged.`, {
        hint: 'They were set aside. Fetch them again with: catalog fetch PURL --output FILE',
      })
    }
  },
})

const peers = operation({
  input: z.strictObject({}),
  async *run(sharing) {
    const connected = sharing.connectedPeers()
    for (const peer of connected) yield { type: 'peer', ...peer }
    yield { type: 'summary', peers: connected.length }
  },
})

const connect = operation({
  input: z.strictObject({ address: z.string() }),
  needsNode: true,
  async *run(sharing, { address }, signal) {
    yield { type: 'connected', ...(await sharing.connectPeer(address, { signal })) }
  },
})

const trust = operation({
  input: z.strictObject({ purl, publisher: z.string().optional() }),
  async *run(sharing, { purl, publisher }) {
    yield pinLine(await sharing.trustPublisher(purl, publisher))
  },
})

const untrust = operation({
  input: z.strictObject({ purl }),
  async *run(sharing, { purl }) {
    yield { type: 'untrusted', purl, changed: await sharing.untrust(purl) }
  },
})

const trusted = operation({
  input: z.strictObject({}),
  async *run(sharing) {
    const pins = sharing.trusted()
    yield* pins.map(pinLine)
    yield { type: 'summary', trusted: pins.length }
  },
})

const status = operation({
  input: z.strictObject({}),
  async *run(sharing) {
    yield { type: 'status', ...(await sharing.status()) }
  },
})

export const OPERATIONS = {
  ...{ publish, search, info, fetch, install, verify, peers, connect, trust, untrust, trusted, status },
} as const

export type OperationName = keyof typeof OPERATIONS

function pinLine({ type, name, signer, reason, at }: Pin): Line {
  const since = new Date(at).toISOString()
  return { type: 'trusted', purl: formatPurl({ type, name }), publisher: signer, reason, since }
}

/** Run an operation on input from outside. @throws CatalogError `USAGE` for input of another shape */
export function runOperation(
  name: OperationName,
  sharing: SharingManager,
  input: unknown,
  signal: AbortSignal,
): AsyncIterable<Line> {
  const { input: schema, run } = OPERATIONS[name] as Operation<unknown>
  const parsed = schema.safeParse(input)
  if (parsed.success) return run(sharing, parsed.data, signal)
  const [issue] = parsed.error.issues
  throw new CatalogError('USAGE', `The input of ${name} is not right: ${issue?.path.join('.')} ${issue?.message}.`)
}

/** Lines reported by callbacks while `work` runs, in order; of progress lines a slow reader gets only the newest. */
async function* withProgress(work: (report: (line: Line) => void) => Promise<void>): AsyncGenerator<Line> {
  const lines: Line[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  const report = (line: Line) => {
    if (line.type === 'progress' && lines.at(-1)?.type === 'progress') lines.pop()
    lines.push(line)
    wake.resolve()
  }
  const working = work(report).finally(() => {
    ended = true
    wake.resolve()
  })
  // Its failure is thrown below, once every line before it has been read.
  working.catch(() => undefined)
  while (!ended || lines.length > 0) {
    const line = lines.shift()
    if (line) {
      yield line
      continue
    }
    await wake.promise
    wake = Promise.withResolvers()
    if (ended && lines.length === 0) break
  }
  await working
}
