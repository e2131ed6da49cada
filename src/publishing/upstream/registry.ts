// An outside registry over HTTP. It may be slow, broken or hostile: everything it sends is bounded, in bytes and in
// time. It is asked without credentials first, so that what everybody may have is told from what only this user may.
import { open } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import { type Clock, type Deadline, deadline, untilAborted } from '../../base/clock.ts'
import { CatalogError } from '../../base/errors.ts'
import {
  UPSTREAM_ANSWER_MS,
  UPSTREAM_DOCUMENT_BYTES_MAX,
  UPSTREAM_PACE_BYTES,
  UPSTREAM_PARALLEL_MAX,
  UPSTREAM_REDIRECTS_MAX,
  UPSTREAM_REST_MS,
  UPSTREAM_SILENCE_MS,
} from '../../base/http-limits.ts'
import { formatBytes, MiB } from '../../base/units.ts'

/** Looked for on the disk at a time: a registry need not say how much will come. */
const ROOM_BYTES = 16 * MiB
/** Servers that are remembered as out of reach; a registry has one or two. */
const UNREACHABLE_MAX = 100

/** What a user is to a registry: the words of an Authorization header, for URLs that they were given for. */
export type Credentials = (url: string) => string | undefined

interface Options {
  /** With a slash at its end. */
  readonly url: string
  readonly credentials: Credentials
  /** Sent along, so that a registry that is this node's own gateway can tell. */
  readonly via: string
}

export interface Question {
  readonly accept?: string
  /** Of what is known already. */
  readonly etag?: string | undefined
  readonly body?: string
  /** Only for what everybody may have. */
  readonly asAnybody?: boolean
  readonly signal: AbortSignal
}

export interface Download {
  readonly bytesMax: number
  readonly asAnybody: boolean
  /** As `ScratchFolders.mayWrite`. */
  readonly mayWrite: (bytes: number) => void
  readonly signal: AbortSignal
}

/** Bytes that came, or that those known are as they were. */
export interface Answer {
  readonly bytes: Buffer | 'unchanged'
  readonly etag?: string | undefined
  /** It took the user's credentials. */
  readonly isPrivate: boolean
}

interface Opened {
  readonly response: Response
  readonly isPrivate: boolean
}

export class Registry {
  readonly url: string
  readonly #clock: Clock
  readonly #credentials: Credentials
  readonly #via: string
  readonly #turn = pLimit(UPSTREAM_PARALLEL_MAX)
  /** By origin, since when it could not be reached: to ask again and again keeps clients waiting. */
  readonly #unreachable = new LRUCache<string, number>({ max: UNREACHABLE_MAX })

  constructor({ clock }: { clock: Clock }, { url, credentials, via }: Options) {
    this.#clock = clock
    this.url = url
    this.#credentials = credentials
    this.#via = via
  }

  /**
   * Ask for a document.
   *
   * @param path - below the registry's URL
   * @returns nothing when there is none such
   * @throws CatalogError `UPSTREAM` when the registry fails, `LIMIT_EXCEEDED`, `ABORTED`
   */
  ask(path: string, question: Question): Promise<Answer | undefined> {
    return this.#turn(async () => {
      const opened = await this.#open(`${this.url}${path}`, question)
      if (!opened) return undefined
      const { response, isPrivate } = opened
      const etag = response.headers.get('etag') ?? undefined
      if (response.status === 304) return { bytes: 'unchanged', etag: question.etag, isPrivate }
      const pieces: Buffer[] = []
      await this.#read(response, UPSTREAM_DOCUMENT_BYTES_MAX, question.signal, async (piece) => void pieces.push(piece))
      return { bytes: Buffer.concat(pieces), etag, isPrivate }
    })
  }

  /**
   * Write a file of the registry to the disk.
   *
   * @param url - as the registry gave it; of another server it is asked without credentials
   * @param path - where nothing is yet
   * @throws CatalogError as `ask`, `NOT_FOUND`, `DISK_FULL`
   */
  download(url: string, path: string, options: Download): Promise<{ isPrivate: boolean }> {
    const { bytesMax, asAnybody, mayWrite, signal } = options
    return this.#turn(async () => {
      const opened = await this.#open(url, { asAnybody, signal })
      if (!opened) throw new CatalogError('NOT_FOUND', `The registry has no ${url.slice(0, 300)}.`)
      const file = await open(path, 'wx', 0o600)
      let room = 0
      try {
        await this.#read(opened.response, bytesMax, signal, async (piece) => {
          if (room < piece.length) {
            mayWrite(ROOM_BYTES)
            room = ROOM_BYTES
          }
          room -= piece.length
          await file.appendFile(piece)
        })
      } catch (thrown) {
        throw CatalogError.from(thrown, 'STORE_FAILED')
      } finally {
        await file.close()
      }
      return { isPrivate: opened.isPrivate }
    })
  }

  /** Whether this node's user is somebody where a URL leads. */
  knowsUser(url: string): boolean {
    return URL.canParse(url) && this.#credentials(url) !== undefined
  }

  async #open(url: string, question: Question): Promise<Opened | undefined> {
    const plain = await this.#follow(url, question, undefined)
    if (plain.ok || plain.status === 304) return { response: plain, isPrivate: false }
    await plain.body?.cancel()
    const isRefused = plain.status === 401 || plain.status === 403
    // Many registries say of what they hide that it is not there.
    const isHidden = isRefused || plain.status === 404
    const words = isHidden && !question.asAnybody ? this.#credentials(url) : undefined
    if (words !== undefined) {
      const response = await this.#follow(url, question, words)
      if (response.ok || response.status === 304) return { response, isPrivate: true }
      await response.body?.cancel()
      if (response.status !== 404) throw failed(response.status)
    }
    // Who is only refused has not heard that there is none: others could take the name.
    if (isHidden && (words !== undefined || question.asAnybody || !isRefused)) return undefined
    throw failed(plain.status)
  }

  /** Redirects are followed a few times, with credentials only to where they belong. */
  async #follow(url: string, { accept, etag, body, signal }: Question, words: string | undefined): Promise<Response> {
    let target = checked(url)
    for (let hops = 0; hops <= UPSTREAM_REDIRECTS_MAX; hops++) {
      if (this.#clock.now() - (this.#unreachable.get(target.origin) ?? Number.NEGATIVE_INFINITY) < UPSTREAM_REST_MS) {
        throw new CatalogError('UPSTREAM', 'The outside registry could not be reached a moment ago.', {
          hint: 'It is asked again in half a minute.',
        })
      }
      const headers = {
        via: this.#via,
        ...(accept && { accept }),
        ...(etag && { 'if-none-match': etag }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(words !== undefined && target.origin === new URL(url).origin && { authorization: words }),
      }
      using limit = deadline(this.#clock, UPSTREAM_ANSWER_MS, 'the outside registry', signal)
      const sending = body === undefined ? {} : { method: 'POST', body }
      const asking = fetch(target, { ...sending, headers, redirect: 'manual', signal: limit.signal })
      const response = await asking.catch((thrown) => {
        throw this.#failure(target, thrown, limit, signal)
      })
      const location = response.headers.get('location')
      if (response.status < 300 || response.status === 304 || response.status >= 400 || !location) return response
      await response.body?.cancel()
      const next = checked(new URL(location, target).href)
      if (target.protocol === 'https:' && next.protocol === 'http:') {
        throw new CatalogError('UPSTREAM', 'The outside registry leads from an encrypted address to one that is not.')
      }
      target = next
    }
    throw new CatalogError('UPSTREAM', `The outside registry leads on and on: ${UPSTREAM_REDIRECTS_MAX} times.`)
  }

  async #read(
    { body, url }: Response,
    bytesMax: number,
    signal: AbortSignal,
    take: (piece: Buffer) => Promise<void>,
  ): Promise<void> {
    if (!body) return
    const reader = body.getReader()
    using limit = deadline(this.#clock, UPSTREAM_SILENCE_MS, 'the outside registry', signal)
    let bytes = 0
    let renewedAt = 0
    try {
      for (;;) {
        const { done, value } = await untilAborted(reader.read(), limit.signal).catch((thrown) => {
          throw this.#failure(new URL(url), thrown, limit, signal)
        })
        if (done) return
        bytes += value.length
        if (bytes > bytesMax) {
          throw new CatalogError('LIMIT_EXCEEDED', `The outside registry sends more than ${formatBytes(bytesMax)}.`)
        }
        await take(Buffer.from(value.buffer, value.byteOffset, value.length))
        // Drop by drop it could go on for years.
        if (bytes - renewedAt < UPSTREAM_PACE_BYTES) continue
        limit.renew()
        renewedAt = bytes
      }
    } catch (thrown) {
      await reader.cancel().catch(() => undefined) // it has failed already
      throw thrown
    }
  }

  #failure({ origin }: URL, thrown: unknown, limit: Deadline, signal: AbortSignal): CatalogError {
    if (signal.aborted) return CatalogError.from(signal.reason, 'ABORTED')
    this.#unreachable.set(origin, this.#clock.now())
    if (limit.signal.aborted) {
      return new CatalogError('UPSTREAM', CatalogError.from(limit.signal.reason).message, { cause: thrown })
    }
    const { cause = thrown } = thrown as { cause?: unknown }
    const why = cause instanceof Error ? cause.message || cause.name : String(cause)
    return new CatalogError('UPSTREAM', `The outside registry cannot be reached: ${why}.`, { cause: thrown })
  }
}

/** @throws CatalogError `UPSTREAM` for an address that is not of the web */
function checked(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined
  if (target && /^https?:$/.test(target.protocol) && target.username === '') return target
  throw new CatalogError('UPSTREAM', 'The outside registry leads to an address that is not one of the web.')
}

function failed(status: number): CatalogError {
  const hint = status === 401 || status === 403 ? 'Log in there with "npm login --registry URL".' : undefined
  return new CatalogError('UPSTREAM', `The outside registry answers with status ${status}.`, { hint })
}
