// Thrown values of libp2p, Node and abort signals as the one error class.
import { CatalogError, type ErrorCode, hasCode } from '../base/errors.ts'
import { tellFailure } from '../base/failure.ts'

/** Longest reason taken over from a library or a peer. */
const REASON_LENGTH_MAX = 200

/** Whatever was thrown, on one line, without what could drive a terminal. */
export function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? deepest(thrown).message || thrown.name : String(thrown)
  return printable(text, REASON_LENGTH_MAX)
}

/** The text without control characters (peers choose theirs, and it may reach a terminal), cut to `length`. */
export function printable(text: string, length: number): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, length)
}

/** An aggregate's first error says more than the aggregate. */
function deepest(error: Error): Error {
  const first = error instanceof AggregateError ? error.errors[0] : undefined
  return first instanceof Error ? deepest(first) : error
}

/** The reason of an aborted signal as a CatalogError. */
export function abortReason(signal: AbortSignal): CatalogError {
  const reason: unknown = signal.reason
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new CatalogError('PEER_TIMEOUT', 'No answer in the time that was given.', { cause: reason })
  }
  return CatalogError.from(reason, 'ABORTED')
}

/**
 * @param signal - the caller's; when it aborted, its reason is the answer
 * @param code - for what is not a CatalogError yet
 * @param what - what failed, as the start of a sentence
 */
export function failure(thrown: unknown, signal: AbortSignal | undefined, code: ErrorCode, what: string): CatalogError {
  if (signal?.aborted) return abortReason(signal)
  if (thrown instanceof CatalogError) return thrown
  return new CatalogError(code, `${what}: ${reasonOf(thrown)}`, { cause: thrown })
}

/** Codes that only say that the other side went away or took too long: nothing a background task need report. */
const EXPECTED: readonly ErrorCode[] = ['ABORTED', 'CLOSED', 'PEER_TIMEOUT', 'PEER_UNREACHABLE', 'PEER_PROTOCOL']

/** Report what a background task threw, unless it is part of ordinary life among peers. */
export function reportFailure(task: string, thrown: unknown): void {
  if (!hasCode(thrown, ...EXPECTED)) tellFailure(task, thrown)
}
