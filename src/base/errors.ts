// The one error class and its closed table of codes. A code is API: clients, exit codes and replies to
// peers hang on it. A message says what and why; a hint names the next step.

/** What a code means outside the process: exit status of the CLI, status of an HTTP reply, sense in trying again. */
interface ErrorKind {
  readonly exit: ExitCode
  readonly http: number
  readonly retryable: boolean
}

/** Exit statuses of `catalog`, the same for every command. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  verification: 4,
  permission: 5,
  network: 6,
  disk: 7,
  partial: 8,
  interrupted: 130,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const kind = (exit: ExitCode, http: number, retryable = false): ErrorKind => ({ exit, http, retryable })

export const ERRORS = {
  // Wrong calls.
  USAGE: kind(EXIT.usage, 400),
  CONFIG_INVALID: kind(EXIT.usage, 400),
  NAME_INVALID: kind(EXIT.usage, 400),
  VERSION_INVALID: kind(EXIT.usage, 400),
  PURL_INVALID: kind(EXIT.usage, 400),
  PERMISSION_UNSUPPORTED: kind(EXIT.usage, 400),
  ADDRESS_INVALID: kind(EXIT.usage, 400),
  SEARCH_QUERY: kind(EXIT.usage, 400),
  // Things that are not there, or are there already.
  NOT_FOUND: kind(EXIT.notFound, 404),
  WITHDRAWN: kind(EXIT.notFound, 410),
  RELEASE_EXISTS: kind(EXIT.failed, 409),
  CONFLICT: kind(EXIT.failed, 409, true),
  TARGET_EXISTS: kind(EXIT.failed, 409),
  // Checks that failed.
  ARCHIVE_CORRUPT: kind(EXIT.verification, 422),
  ARCHIVE_UNSAFE: kind(EXIT.verification, 422),
  MANIFEST_INVALID: kind(EXIT.verification, 422),
  RECORD_INVALID: kind(EXIT.verification, 422),
  RECORD_SIGNATURE: kind(EXIT.verification, 422),
  BLOB_CORRUPT: kind(EXIT.verification, 422),
  // Decisions against the asker.
  UNTRUSTED: kind(EXIT.permission, 403),
  REFUSED: kind(EXIT.permission, 403),
  UNAUTHORISED: kind(EXIT.permission, 401),
  // The network.
  PEER_UNREACHABLE: kind(EXIT.network, 502, true),
  PEER_PROTOCOL: kind(EXIT.network, 502),
  PEER_TIMEOUT: kind(EXIT.network, 504, true),
  PEER_BUSY: kind(EXIT.network, 503, true),
  NO_PROVIDERS: kind(EXIT.network, 502, true),
  UPSTREAM: kind(EXIT.network, 502, true),
  LISTEN_FAILED: kind(EXIT.network, 500),
  // The disk.
  DATA_DIR: kind(EXIT.disk, 500),
  DATA_DIR_LOCKED: kind(EXIT.disk, 409),
  STORE_FAILED: kind(EXIT.disk, 500, true),
  STORE_FORMAT: kind(EXIT.disk, 500),
  STORE_DAMAGED: kind(EXIT.failed, 500),
  DISK_FULL: kind(EXIT.disk, 507, true),
  FILE_UNREADABLE: kind(EXIT.disk, 500),
  // The core and the index.
  CORE_LENGTH: kind(EXIT.failed, 500),
  CORE_RANGE: kind(EXIT.failed, 500),
  CORE_UNAVAILABLE: kind(EXIT.failed, 500),
  SEARCH_LOCKED: kind(EXIT.disk, 500),
  SEARCH_INDEX: kind(EXIT.disk, 500, true),
  // Everything else.
  LIMIT_EXCEEDED: kind(EXIT.failed, 413),
  ABORTED: kind(EXIT.interrupted, 499),
  CLOSED: kind(EXIT.failed, 503, true),
  INTERNAL: kind(EXIT.failed, 500),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorOptions {
  /** The next step, as a sentence or a command to paste. */
  hint?: string | undefined
  /** For logs; plain data. */
  details?: Record<string, unknown> | undefined
  cause?: unknown
}

/** How an error crosses a thread, a socket or an HTTP reply. */
export interface ErrorData {
  code: ErrorCode
  message: string
  hint?: string | undefined
  details?: Record<string, unknown> | undefined
}

export class CatalogError extends Error {
  override readonly name = 'CatalogError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Record<string, unknown>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.details = options.details ?? {}
  }

  get exitCode(): ExitCode {
    return ERRORS[this.code].exit
  }

  toJSON(): ErrorData {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
    }
  }

  /** Rebuild an error from `toJSON`; a code this build does not know becomes INTERNAL. */
  static fromJSON(data: ErrorData): CatalogError {
    const code = Object.hasOwn(ERRORS, data.code) ? data.code : 'INTERNAL'
    return new CatalogError(code, data.message, { hint: data.hint, details: data.details })
  }

  /** Any thrown value as a CatalogError: our own as it is, coded ones (native, workers) by their code. */
  static from(thrown: unknown, fallback: ErrorCode = 'INTERNAL'): CatalogError {
    if (thrown instanceof CatalogError) return thrown
    if (!(thrown instanceof Error)) return new CatalogError(fallback, String(thrown))
    const code = (thrown as { code?: unknown }).code
    if (typeof code === 'string') {
      if (Object.hasOwn(ERRORS, code)) {
        const { hint, details } = thrown as { hint?: string; details?: Record<string, unknown> }
        return new CatalogError(code as ErrorCode, thrown.message, { hint, details, cause: thrown })
      }
      if (code === 'ENOSPC' || code === 'EDQUOT') {
        return new CatalogError('DISK_FULL', `The disk is full: ${thrown.message}.`, {
          hint: 'Free some space and run the same command again.',
          cause: thrown,
        })
      }
      if (code === 'EFBIG') {
        return new CatalogError('DISK_FULL', `A file may not grow any more: ${thrown.message}.`, {
          hint: 'Raise the limit on the size of files ("ulimit -f"), or use a file system that takes larger ones.',
          cause: thrown,
        })
      }
    }
    if (thrown.name === 'AbortError') return new CatalogError('ABORTED', 'Cancelled.', { cause: thrown })
    return new CatalogError(fallback, thrown.message, { cause: thrown })
  }
}

/** Whether `thrown` is a CatalogError with one of these codes. */
export function hasCode(thrown: unknown, ...codes: ErrorCode[]): thrown is CatalogError {
  return thrown instanceof CatalogError && codes.includes(thrown.code)
}
