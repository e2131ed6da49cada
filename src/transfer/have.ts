// What peers have of a blob that is being fetched. Who fetches asks each provider now and then, and tells it what it
// has itself: so those who fetch the same find each other, and ask each other for what the source need not send twice.
import { LRUCache } from 'lru-cache'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { CatalogError } from '../base/errors.ts'
import {
  ALSO_FETCHING_MAX,
  ALSO_FETCHING_MS,
  BLOBS_WATCHED_MAX,
  CHUNK_BYTES,
  COMING_BYTES_MAX,
  HAVE_BYTES_MAX,
} from '../base/limits.ts'
import type { Rpc } from '../network/rpc.ts'
import { HAVE, type HaveReply, type HaveRequest } from '../wire/messages.ts'
import { decodeRuns, encodeRuns, type Run, runsOf } from '../wire/runs.ts'
import type { Holding } from './chunk-map.ts'
import type { BlobGrants } from './grants.ts'
import type { BlobWanted } from './sources.ts'

/** What a peer has of a blob, and is about to have. */
export interface PeerHolding {
  readonly has: Holding
  readonly coming: Uint8Array | undefined
}

/** A fetch that is under way here, as far as peers are concerned. */
export interface OpenFetch {
  readonly blob: BlobWanted
  /** One bit a chunk: verified. */
  held(): Uint8Array
  /** Chunks asked of others, in order. */
  coming(): Iterable<Run>
  /** A peer that fetches the same has told what it has. */
  heard(peer: string, holding: PeerHolding): void
}

interface Components {
  rpc: Rpc
  grants: BlobGrants
  clock: Clock
}

export class HaveExchange {
  readonly #components: Components
  readonly #open = new Map<string, OpenFetch>()
  /** By blob and release: who asked lately, and when. */
  readonly #fetching = new LRUCache<string, Map<string, number>>({ max: BLOBS_WATCHED_MAX })

  constructor(components: Components) {
    this.#components = components
  }

  async start(): Promise<void> {
    const answer = (request: HaveRequest, peer: string) => this.#answer(request, peer)
    await this.#components.rpc.serve(HAVE, async function* (request, { peer }) {
      yield answer(request, peer)
    })
  }

  /** Let peers hear of a fetch until this is disposed of. */
  opens(fetch: OpenFetch): Disposable {
    const name = nameOf(fetch.blob)
    this.#open.set(name, fetch)
    return {
      [Symbol.dispose]: () => {
        if (this.#open.get(name) === fetch) this.#open.delete(name)
      },
    }
  }

  /**
   * Ask a provider what it has, and tell it what is here.
   *
   * @returns that, and who else it knows to be fetching
   * @throws CatalogError as `Rpc.call`; `NOT_FOUND` when it has none of it, `PEER_PROTOCOL` when it cannot tell
   */
  async ask(
    peer: string,
    { blob, held, coming }: Pick<OpenFetch, 'blob' | 'held' | 'coming'>,
    signal: AbortSignal,
  ): Promise<PeerHolding & { alsoFetching: readonly string[] }> {
    const { root, release } = blob
    const request = { root, release, ...told(held(), coming(), chunksOf(blob.size)) }
    let reply: HaveReply | undefined
    // Read to the end: leaving early would tell the peer that the answer is not wanted.
    for await (const said of this.#components.rpc.call(HAVE, peer, request, { signal })) reply = said
    if (!reply) throw new CatalogError('PEER_PROTOCOL', `Peer ${peer} did not say what it has.`)
    const { whole, alsoFetching } = reply
    const holding = whole ? ({ has: 'whole', coming: undefined } as const) : heldBy(reply, chunksOf(blob.size))
    return { ...holding, alsoFetching }
  }

  #answer(request: HaveRequest, peer: string): HaveReply {
    const { root, release } = request
    using grant = this.#components.grants.grant({ peer, root, release })
    const chunks = chunksOf(grant.size)
    const fetch = this.#open.get(nameOf(request))
    const theirs = heldBy(request, chunks)
    fetch?.heard(peer, theirs)
    const alsoFetching = this.#others(request, peer)
    if (!grant.held) return { whole: true, have: new Uint8Array(0), coming: new Uint8Array(0), alsoFetching }
    return { whole: false, ...told(grant.held, fetch?.coming() ?? [], chunks), alsoFetching }
  }

  /** Who else asked lately; from now on the asker is among them. */
  #others(named: { root: Uint8Array; release: Uint8Array }, peer: string): string[] {
    const now = this.#components.clock.now()
    const name = nameOf(named)
    const asked = this.#fetching.get(name) ?? new Map<string, number>()
    for (const [other, at] of asked) if (now - at > ALSO_FETCHING_MS) asked.delete(other)
    const others = [...asked.keys()].filter((other) => other !== peer).slice(-ALSO_FETCHING_MAX)
    // The latest last: who has come just now is the likeliest to be there still.
    asked.delete(peer)
    asked.set(peer, now)
    const [oldest] = asked.keys()
    if (asked.size > ALSO_FETCHING_MAX && oldest !== undefined) asked.delete(oldest)
    this.#fetching.set(name, asked)
    return others
  }
}

function told(held: Uint8Array, coming: Iterable<Run>, chunks: number): { have: Uint8Array; coming: Uint8Array } {
  return { have: encodeRuns(runsOf(held, chunks), HAVE_BYTES_MAX), coming: encodeRuns(coming, COMING_BYTES_MAX) }
}

function heldBy(
  { have, coming }: { have: Uint8Array; coming: Uint8Array },
  chunks: number,
): PeerHolding & { has: Uint8Array } {
  return { has: decodeRuns(have, chunks), coming: decodeRuns(coming, chunks) }
}

function chunksOf(size: number): number {
  return Math.ceil(size / CHUNK_BYTES)
}

function nameOf({ root, release }: { root: Uint8Array; release: Uint8Array }): string {
  return toHex(root) + toHex(release)
}
