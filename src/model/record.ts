// A record: a signed statement in canonical CBOR. Its id is the SHA-256 of the statement alone, so that it does not
// depend on who signed or in which order. Records are stored and forwarded as the bytes received.
//
//   statement = {v, kind, subject, signer, signerVersion, seq?, at, body}
//   envelope  = [statement bytes, [[algorithm, public key, signature], …]]
//   signed    = "catalog/<kind>/v1\n" ‖ statement bytes; what an outside registry signs is its own (model/origin.ts)
import { z } from 'zod'
import { concatBytes, sha256, toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { RECORD_BYTES_MAX, SIGNATURES_MAX, SIGNER_LENGTH_MAX, SUBJECT_LENGTH_MAX } from '../base/limits.ts'
import { bytesOf, bytesUpTo, decodeCanonicalCbor, encodeCbor } from './cbor.ts'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type SigningKey, verifyAllEd25519, verifyEd25519 } from './ed25519.ts'

/** By which a record of this network is signed. */
export const ALGORITHM_ED25519 = 1 as const
/** ECDSA on P-256 with SHA-256, in DER, as npm's registry signs; the key is named by the SHA-256 of its SPKI. */
export const ALGORITHM_NPM = 2 as const
export const NPM_SIGNATURE_BYTES_MAX = 72

const statementSchema = z.looseObject({
  v: z.literal(1),
  kind: z.string().regex(/^[a-z][a-z-]{0,31}$/),
  subject: z.string().max(SUBJECT_LENGTH_MAX),
  signer: z
    .string()
    .max(SIGNER_LENGTH_MAX)
    .regex(/^[a-z]+:[\w:.-]*$/),
  signerVersion: z.int().nonnegative(),
  seq: z.int().nonnegative().optional(),
  at: z.int().nonnegative(),
  body: z.record(z.string(), z.unknown()),
})

const envelopeSchema = z.tuple([
  bytesUpTo(RECORD_BYTES_MAX),
  z
    .array(
      z.union([
        z.tuple([z.literal(ALGORITHM_ED25519), bytesOf(PUBLIC_KEY_BYTES), bytesOf(SIGNATURE_BYTES)]),
        z.tuple([z.literal(ALGORITHM_NPM), bytesOf(32), bytesUpTo(NPM_SIGNATURE_BYTES_MAX)]),
      ]),
    )
    .min(1)
    .max(SIGNATURES_MAX),
])

/** What is signed. Unknown keys are kept. `at` is milliseconds since the epoch by the signer's own clock. */
export interface Statement {
  v: 1
  kind: string
  /** What it is about; a purl for releases and shares. Write-once per (signer, kind, subject) without `seq`. */
  subject: string
  /** `publisher:<id>`, `node:<peer id>` or `origin:<registry>`; `publisher:` alone in a first publisher document. */
  signer: string
  /** Version of the signer's document whose keys signed. */
  signerVersion: number
  /** With it, the highest stays and replaces lower ones. */
  seq?: number | undefined
  at: number
  body: Record<string, unknown>
}

export interface SignatureEntry {
  /** Ed25519 where it is not said. */
  readonly algorithm?: typeof ALGORITHM_ED25519 | typeof ALGORITHM_NPM
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** What is found out of a record: which keys signed it, and what it reads as. */
interface Findings {
  keys: ReadonlySet<string> | undefined
  notice: unknown
  origin: unknown
  release: unknown
  share: unknown
}

interface Parts {
  readonly id: Uint8Array
  readonly statement: Statement
  readonly statementBytes: Uint8Array
  readonly signatures: readonly SignatureEntry[]
  readonly envelope: Uint8Array
}

/** Made by `draftRecord` and `decodeRecord`. */
export class CatalogRecord {
  /** 32 bytes. */
  readonly id: Uint8Array
  readonly statement: Statement
  /** `publisher:<id>` also for a first document, whose id is its own. */
  readonly signer: string
  readonly signatures: readonly SignatureEntry[]
  /** Bytes as made or received: what is stored and sent. */
  readonly envelope: Uint8Array
  readonly #statementBytes: Uint8Array
  readonly #findings: Findings = {
    keys: undefined,
    notice: undefined,
    origin: undefined,
    release: undefined,
    share: undefined,
  }

  constructor({ id, statement, statementBytes, signatures, envelope }: Parts) {
    this.id = id
    this.statement = statement
    this.signer = statement.signer === 'publisher:' ? `publisher:${toHex(id)}` : statement.signer
    this.signatures = signatures
    this.envelope = envelope
    this.#statementBytes = statementBytes
  }

  /** Bytes the signatures are over. */
  get signed(): Uint8Array {
    return signedBytes(this.statement.kind, this.#statementBytes)
  }

  /**
   * What was found out of this record, for whoever asks next. Kept here and in no weak map: what stands in one refers
   * to its record as a rule, and that way has it outlive many a collection of garbage.
   */
  get findings(): Findings {
    return this.#findings
  }
}

/** A reading of records that is made of each once. */
export function readOnce<Reading>(
  as: Exclude<keyof Findings, 'keys'>,
  read: (record: CatalogRecord) => Reading,
): (record: CatalogRecord) => Reading {
  return (record) => {
    record.findings[as] ??= read(record)
    return record.findings[as] as Reading
  }
}

/** A record that lacks its signatures. */
export interface Draft {
  /** 32 bytes: what the record's will be. */
  readonly id: Uint8Array
  /** What the signatures are over. */
  readonly signed: Uint8Array
  /**
   * @param signatures - one of each key over `signed`
   * @throws CatalogError `LIMIT_EXCEEDED` when the record is over 64 KiB
   */
  complete(signatures: readonly SignatureEntry[]): CatalogRecord
}

/** Nothing can be drafted that `decodeRecord` would refuse afterwards. @throws CatalogError `RECORD_INVALID` */
export function draftRecord(statement: Statement): Draft {
  const { kind } = statement
  const checked = statementSchema.safeParse(statement)
  if (!checked.success) {
    throw new CatalogError('RECORD_INVALID', `This ${kind} record cannot be made.`, { cause: checked.error })
  }
  const { seq, ...unnumbered } = statement
  const statementBytes = encodeCbor(seq === undefined ? unnumbered : statement) // CBOR has no undefined
  const id = sha256(statementBytes)
  return {
    id,
    signed: signedBytes(kind, statementBytes),
    complete(signatures) {
      const entries = signatures.map(({ algorithm = ALGORITHM_ED25519, key, value }) => [algorithm, key, value])
      const envelope = encodeCbor([statementBytes, entries])
      if (envelope.length > RECORD_BYTES_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `This ${kind} record would be over ${RECORD_BYTES_MAX} bytes.`)
      }
      const record = new CatalogRecord({ id, statement, statementBytes, signatures, envelope })
      // What was signed right here is not checked again.
      record.findings.keys = new Set(signatures.filter(isEd25519).map(({ key }) => toHex(key)))
      return record
    },
  }
}

/** Make a record signed by each of `keys`. @throws CatalogError `RECORD_INVALID`, `LIMIT_EXCEEDED` */
export function signRecord(statement: Statement, keys: readonly SigningKey[]): CatalogRecord {
  const draft = draftRecord(statement)
  return draft.complete(keys.map((key) => ({ key: key.publicKey, value: key.sign(draft.signed) })))
}

/**
 * Read a record's bytes: shape, size and canonical form, not its signatures.
 *
 * @param envelope - taken over; the caller does not change it afterwards
 * @throws CatalogError `RECORD_INVALID`
 */
export function decodeRecord(envelope: Uint8Array): CatalogRecord {
  if (envelope.length > RECORD_BYTES_MAX) {
    throw new CatalogError('RECORD_INVALID', `A record of ${envelope.length} bytes is over ${RECORD_BYTES_MAX}.`)
  }
  const outer = envelopeSchema.safeParse(decodeCanonicalCbor(envelope))
  if (!outer.success) throw new CatalogError('RECORD_INVALID', 'This is not a record envelope.', { cause: outer.error })
  const [statementBytes, entries] = outer.data
  const inner = statementSchema.safeParse(decodeCanonicalCbor(statementBytes))
  if (!inner.success) throw new CatalogError('RECORD_INVALID', 'This is not a record.', { cause: inner.error })
  const signatures = entries.map(([algorithm, key, value]) => ({ algorithm, key, value }))
  return new CatalogRecord({ id: sha256(statementBytes), statement: inner.data, statementBytes, signatures, envelope })
}

/** The distinct keys, in hexadecimal, whose signature over this record is good. */
export function signingKeys(record: CatalogRecord): ReadonlySet<string> {
  const { keys } = record.findings
  if (keys) return keys
  const good = new Set<string>()
  record.findings.keys = good
  for (const { key, value } of record.signatures.filter(isEd25519)) {
    if (!good.has(toHex(key)) && verifyEd25519(key, record.signed, value)) good.add(toHex(key))
  }
  return good
}

/** To check fewer where they are asked for takes less time than going to another thread and back. */
const CHECKED_TOGETHER_MIN = 4

/** Check the signatures of many records on other threads, so that `signingKeys` knows of them. */
export async function checkSignatures(records: readonly CatalogRecord[]): Promise<void> {
  const unknown = records.filter((record) => record.findings.keys === undefined)
  if (unknown.length < CHECKED_TOGETHER_MIN) return
  const entries = unknown.flatMap(({ signed, signatures }) =>
    signatures.filter(isEd25519).map(({ key, value }) => ({ key, message: signed, signature: value })),
  )
  const holds = await verifyAllEd25519(entries)
  let at = 0
  for (const record of unknown) {
    const keys = record.signatures.filter(isEd25519).map(({ key }) => toHex(key))
    record.findings.keys = new Set(keys.filter(() => holds[at++]))
  }
}

function isEd25519({ algorithm = ALGORITHM_ED25519 }: SignatureEntry): boolean {
  return algorithm === ALGORITHM_ED25519
}

function signedBytes(kind: string, statementBytes: Uint8Array): Uint8Array {
  return concatBytes(Buffer.from(`catalog/${kind}/v1\n`), statementBytes)
}
