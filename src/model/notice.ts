// Notices: what a publisher says of its releases once they are published. A tag names a version, a deprecation advises
// against a release, a withdrawal takes one back. All are numbered, and the highest number counts; of two with one
// number the smaller record id, unless the user has set another rule.
import { z } from 'zod'
import { compareBytes } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { DESCRIPTION_LENGTH_MAX, TAG_LENGTH_MAX, VERSION_LENGTH_MAX } from '../base/limits.ts'
import type { Policy } from './conflict.ts'
import { formatPurl, type PackageName, type Purl, parsePurl } from './purl.ts'
import { type CatalogRecord, readOnce } from './record.ts'

export const NOTICE_KINDS = ['tag', 'deprecation', 'withdrawal'] as const
export type NoticeKind = (typeof NOTICE_KINDS)[number]

/** The tag that counts where nothing is asked for. */
export const LATEST = 'latest'

/** Between a package and a tag in the subject of a record; no purl of a package holds it. */
const TAG_MARK = '?tag='

const tagText = z
  .string()
  .max(TAG_LENGTH_MAX)
  .regex(/^[^\s\p{Cc}]+$/u)
const tagBody = z.looseObject({ version: z.string().min(1).max(VERSION_LENGTH_MAX).optional() })
const deprecationBody = z.looseObject({ message: z.string().max(DESCRIPTION_LENGTH_MAX) })
const withdrawalBody = z.looseObject({
  withdrawn: z.boolean(),
  reason: z.string().max(DESCRIPTION_LENGTH_MAX).optional(),
})

export interface Notice {
  readonly kind: NoticeKind
  /** Of a tag: its package. Of the others: the release. */
  readonly about: Purl
  readonly tag?: string
  /** Of a tag: what it names; without one the tag is there no more. */
  readonly version?: string | undefined
  /** Why a release should not be used, or was withdrawn. An empty deprecation is taken back. */
  readonly message: string
  /** False also of a withdrawal that is taken back. */
  readonly withdrawn: boolean
}

export function isNoticeKind(kind: string): kind is NoticeKind {
  return (NOTICE_KINDS as readonly string[]).includes(kind)
}

/** @throws CatalogError `RECORD_INVALID` */
export const readNotice = readOnce('notice', parseNotice)

/** The record that counts, of those of one subject; of two with one number by `newest` what was signed later. */
export function countingNotice(records: readonly CatalogRecord[], policy?: Policy): CatalogRecord | undefined {
  return standing(records, policy)[0]
}

/** What counts of one subject: the one record, or by `merge` what two with one number say together. */
export function settledNotice(records: readonly CatalogRecord[], policy?: Policy): Notice | undefined {
  const [best, other] = standing(records, policy)
  const notice = best && readNotice(best)
  if (!best || !notice || !other || policy !== 'merge' || seqOf(best) !== seqOf(other)) return notice
  const more = readNotice(other)
  const messages = [...new Set([notice.message, more.message])].filter((message) => message !== '')
  return { ...notice, message: messages.join('; '), withdrawn: notice.withdrawn || more.withdrawn }
}

function standing(records: readonly CatalogRecord[], policy?: Policy): CatalogRecord[] {
  const later = (a: CatalogRecord, b: CatalogRecord) => (policy === 'newest' ? b.statement.at - a.statement.at : 0)
  return [...records].sort((a, b) => seqOf(b) - seqOf(a) || later(a, b) || compareBytes(a.id, b.id))
}

/** @throws CatalogError `NAME_INVALID` */
export function tagSubject(name: PackageName, tag: string): string {
  if (!tagText.safeParse(tag).success || !tag.isWellFormed()) {
    throw new CatalogError('NAME_INVALID', `"${tag.slice(0, 80)}" is not a tag.`, {
      hint: `A tag has 1 to ${TAG_LENGTH_MAX} characters and no spaces, such as "beta".`,
    })
  }
  return `${tagPrefix(name)}${encodeURIComponent(tag)}`
}

/** How the subjects of all tags of a package begin. */
export function tagPrefix({ type, name }: PackageName): string {
  return `${formatPurl({ type, name })}${TAG_MARK}`
}

/** The release or package a subject is about; a tag's stands before its mark. @throws CatalogError `PURL_INVALID` */
export function purlOfSubject(subject: string): Purl {
  return parsePurl(subject.split(TAG_MARK, 1)[0] ?? '')
}

/** The package that a notice with this subject is about. @throws CatalogError `PURL_INVALID` */
export function noticePackage(subject: string): PackageName {
  const { type, name } = purlOfSubject(subject)
  return { type, name }
}

/** The version that a notice tells of; none for a tag that is taken back. */
export function noticeVersion(record: CatalogRecord): string | undefined {
  const { about, version = about.version } = readNotice(record)
  return version
}

function parseNotice({ statement: { kind, subject, seq, body } }: CatalogRecord): Notice {
  if (!isNoticeKind(kind) || seq === undefined) throw invalid(kind)
  const said = { kind, message: '', withdrawn: false }
  if (kind === 'tag') return { ...said, ...tagOf(subject), version: read(tagBody).version }
  const about = releaseOf(kind, subject)
  if (kind === 'deprecation') return { ...said, about, message: read(deprecationBody).message }
  const { withdrawn, reason = '' } = read(withdrawalBody)
  return { kind, about, withdrawn, message: reason }

  function read<T>(schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(body)
    if (!parsed.success) throw invalid(kind, parsed.error)
    return parsed.data
  }
}

/** Subjects are written in one way only, so that what is said of one thing stands in one slot. */
function tagOf(subject: string): { about: PackageName; tag: string } {
  const [purl = '', encoded] = subject.split(TAG_MARK, 2)
  try {
    const about = parsePurl(purl)
    const tag = decodeURIComponent(encoded ?? '')
    if (about.version === undefined && tagSubject(about, tag) === subject) return { about, tag }
  } catch (cause) {
    throw invalid('tag', cause)
  }
  throw invalid('tag')
}

function releaseOf(kind: string, subject: string): Purl {
  try {
    const about = parsePurl(subject)
    if (about.version !== undefined && formatPurl(about) === subject) return about
  } catch (cause) {
    throw invalid(kind, cause)
  }
  throw invalid(kind)
}

function seqOf({ statement }: CatalogRecord): number {
  return statement.seq ?? 0
}

function invalid(kind: string, cause?: unknown): CatalogError {
  return new CatalogError('RECORD_INVALID', `This is not a ${kind} record.`, { cause })
}
