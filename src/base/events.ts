// Facts that rooms announce on diagnostics_channel. Logs, metrics and progress bars listen; nobody counts by hand.
import { channel } from 'node:diagnostics_channel'
import type { ErrorCode } from './errors.ts'

export interface Events {
  /** A core was chosen; `reason` is set when it is not the one wanted. */
  'catalog:core': { backend: 'native' | 'wasm'; reason?: string }
  'catalog:peer': { peer: string; state: 'connected' | 'disconnected' | 'refused'; reason?: string }
  'catalog:record': { purl?: string; signer: string; kind: string; state: 'admitted' | 'refused'; reason?: string }
  'catalog:transfer': { peer: string; bytes: number; direction: 'sent' | 'received'; plane: 'bulk' | 'stream' }
  /** The bulk plane listens, or why there is none. */
  'catalog:bulk': { port: number } | { reason: string }
  'catalog:corrupt': { peer: string; root: string; chunk: number }
  /** A blob kept here is no longer what was written; `chunks` of it have to be fetched again, 0 when it was mended. */
  'catalog:damaged': { root: string; bytes: number; chunks: number }
  /** A mirrored blob went to make room for another one. */
  'catalog:evicted': { root: string; bytes: number }
  /** `ageMs` is above 0 for an answer that was found before: its peers were asked then. */
  'catalog:search': { ms: number; results: number; peersAsked: number; peersAnswered: number; ageMs: number }
  /** Whether a query was answered from what is kept; a stale answer is given while a new one is made. */
  'catalog:search-cache': { outcome: 'hit' | 'stale' | 'miss' }
  /** Kept answers that a commit of the index may have made wrong are kept no longer. */
  'catalog:search-invalidated': { queries: number }
  /** A background task failed; the node goes on. */
  'catalog:failure': { task: string; code: ErrorCode; message: string }
}

/** Publish a fact. Costs one property read when nobody listens. */
export function emit<Name extends keyof Events>(name: Name, fact: Events[Name]): void {
  const target = channel(name)
  if (target.hasSubscribers) target.publish(fact)
}

/** Listen to a fact; the returned function stops listening. */
export function listen<Name extends keyof Events>(name: Name, listener: (fact: Events[Name]) => void): () => void {
  const receive = (message: unknown) => listener(message as Events[Name])
  channel(name).subscribe(receive)
  return () => channel(name).unsubscribe(receive)
}
