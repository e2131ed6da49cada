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
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type SigningKey, verifyEd25519 } from './ed25519.ts'

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

export interface CatalogRecord {
  /** 32 bytes. */
  readonly id: Uint8Array
  readonly statement: Statement
  /** `publisher:<id>` also for a first document, whose id is its own. */
  readonly signer: string
  readonly signatures: readonly SignatureEntry[]
  /** Bytes as made or received: what is stored and sent. */
  readonly envelope: Uint8Array
  /** Bytes the signatures are over. */
  readonly signed: Uint8Array
}

/** Verified once per record object, and never what was signed right here. */
const verified = new WeakMap<CatalogRecord, ReadonlySet<string>>()

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
  return {
    id: sha256(statementBytes),
    signed: signedBytes(kind, statementBytes),
    complete(signatures) {
      const entries = signatures.map(({ algorithm = ALGORITHM_ED25519, key, value }) => [algorithm, key, value])
      const envelope = encodeCbor([statementBytes, entries])
      if (envelope.length > RECORD_BYTES_MAX) {
        throw new CatalogError('LIMIT_EXCEEDED', `This ${kind} record would be over ${RECORD_BYTES_MAX} bytes.`)
      }
      const record = assemble(statement, statementBytes, signatures, envelope)
      verified.set(record, new Set(signatures.filter(isEd25519).map(({ key }) => toHex(key))))
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
  return assemble(inner.data, statementBytes, signatures, envelope)
}

/** The distinct keys, in hexadecimal, whose signature over this record is good. */
export function signingKeys(record: CatalogRecord): ReadonlySet<string> {
  const known = verified.get(record)
  if (known) return known
  const good = new Set<string>()
  verified.set(record, good)
  for (const { key, value } of record.signatures.filter(isEd25519)) {
    if (!good.has(toHex(key)) && verifyEd25519(key, record.signed, value)) good.add(toHex(key))
  }
  return good
}

function isEd25519({ algorithm = ALGORITHM_ED25519 }: SignatureEntry): boolean {
  return algorithm === ALGORITHM_ED25519
}

function assemble(
  statement: Statement,
  statementBytes: Uint8Array,
  signatures: readonly SignatureEntry[],
  envelope: Uint8Array,
): CatalogRecord {
  const id = sha256(statementBytes)
  const signer = statement.signer === 'publisher:' ? `publisher:${toHex(id)}` : statement.signer
  return { id, statement, signer, signatures, envelope, signed: signedBytes(statement.kind, statementBytes) }
}

function signedBytes(kind: string, statementBytes: Uint8Array): Uint8Array {
  return concatBytes(Buffer.from(`catalog/${kind}/v1\n`), statementBytes)
}
