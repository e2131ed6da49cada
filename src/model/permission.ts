// Who may have a release: `share` records by its signer, each about one release or about names by a glob. Of one
// subject the highest number counts; of several subjects the most specific one. No share = private.
import { z } from 'zod'
import { compareBytes, equalBytes } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { SHARE_GLOBS_MAX, SHARE_GROUPS_MAX, SHARE_PEERS_MAX } from '../base/limits.ts'
import { globWeight, matchesGlob, parseGlob } from './glob.ts'
import { groupIdText } from './group.ts'
import { peerIdText } from './peer-id.ts'
import { formatPurl, type Purl } from './purl.ts'
import { type CatalogRecord, readOnce } from './record.ts'

export const PERMISSIONS = ['public', 'private', 'restricted', 'friends', 'anonymous', 'verified'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** The kinds this build can enforce, the strictest first; the others are read, and nothing is served under them. */
export const ENFORCED_PERMISSIONS = ['private', 'restricted', 'friends', 'public'] as const
export type EnforcedPermission = (typeof ENFORCED_PERMISSIONS)[number]

const shareSchema = z.looseObject({
  permission: z.enum(PERMISSIONS),
  peers: z.array(peerIdText).max(SHARE_PEERS_MAX).optional(),
  groups: z.array(groupIdText).max(SHARE_GROUPS_MAX).optional(),
  known: z.boolean().optional(),
  expires: z.int().nonnegative().optional(),
})

export type ShareBody = z.infer<typeof shareSchema>

/** @throws CatalogError `RECORD_INVALID` */
export const readShare = readOnce('share', parseShare)

function parseShare(record: CatalogRecord): ShareBody {
  const body = shareSchema.safeParse(record.statement.body)
  if (record.statement.kind !== 'share' || !body.success || record.statement.seq === undefined) {
    throw new CatalogError('RECORD_INVALID', 'This is not a share record.', { cause: body.error })
  }
  return body.data
}

/** Who is let in. */
export interface Grant {
  readonly permission: EnforcedPermission
  /** With `restricted`: peer ids. */
  readonly peers: readonly string[]
  /** With `friends`: ids of groups of the same signer. */
  readonly groups: readonly string[]
  /** With `restricted`: everybody may know that the release exists. */
  readonly known: boolean
  /** Milliseconds since the epoch; from then on it is private. */
  readonly expires?: number | undefined
}

/** This node and its publisher's other devices. */
export const PRIVATE: Grant = { permission: 'private', peers: [], groups: [], known: false }
export const PUBLIC: Grant = { ...PRIVATE, permission: 'public' }

/** What a share grants before it expires. What this build cannot enforce grants nothing. */
export function grantOf({ permission, peers = [], groups = [], known = false, expires }: ShareBody): Grant {
  const expiry = expires === undefined ? {} : { expires }
  if (permission === 'public') return { ...PUBLIC, ...expiry }
  if (permission === 'restricted') return { ...PRIVATE, permission, peers, known, ...expiry }
  if (permission === 'friends') return { ...PRIVATE, permission, groups, ...expiry }
  return PRIVATE
}

/** The body that grants it. */
export function shareBodyOf({ permission, peers, groups, known, expires }: Grant): ShareBody {
  return {
    permission,
    ...(peers.length > 0 ? { peers: [...peers] } : {}),
    ...(groups.length > 0 ? { groups: [...groups] } : {}),
    ...(known ? { known } : {}),
    ...(expires === undefined ? {} : { expires }),
  }
}

/**
 * The share that counts for a release, of all that its signer made, in whatever order they are given.
 *
 * A share of the release itself goes before every glob, a whole name before a pattern, and of two patterns the one
 * with more characters that are no star; where that is equal too, the stricter one. Shares of one subject and one
 * number that contradict each other cancel each other.
 *
 * @returns the records of the subject that counts, one but for a contradiction; none when nothing is about the release
 */
export function sharesOf(release: Purl, shares: Iterable<CatalogRecord>): readonly CatalogRecord[] {
  const own = formatPurl(release)
  const newest = new Map<string, CatalogRecord[]>()
  for (const share of shares) {
    const { subject, seq = 0 } = share.statement
    const standing = newest.get(subject) ?? []
    const ahead = seq - (standing[0]?.statement.seq ?? -1)
    if (ahead > 0) newest.set(subject, [share])
    else if (ahead === 0 && !standing.some(({ id }) => equalBytes(id, share.id))) standing.push(share)
  }
  const exact = newest.get(own)
  if (exact) return exact.sort((a, b) => compareBytes(a.id, b.id))
  const globs = [...newest].flatMap(([subject, records]) => {
    const glob = parseGlob(subject)
    return glob ? [{ subject, records, glob, strictness: strictness(grantedBy(records)) }] : []
  })
  if (globs.length > SHARE_GLOBS_MAX) return []
  const applying = globs.filter(({ glob }) => matchesGlob(glob, release))
  applying.sort(
    (a, b) =>
      globWeight(b.glob) - globWeight(a.glob) || a.strictness - b.strictness || (a.subject < b.subject ? -1 : 1),
  )
  return applying[0]?.records.sort((a, b) => compareBytes(a.id, b.id)) ?? []
}

/** What records of one subject and number grant together: nothing when there are none, or they contradict. */
export function grantedBy(records: readonly CatalogRecord[]): Grant {
  const [grant, ...others] = records.map((record) => grantOf(readShare(record)))
  return grant && others.every((other) => sameGrant(grant, other)) ? grant : PRIVATE
}

/** Whether two let in the same, in whatever order they list them. */
export function sameGrant(a: Grant, b: Grant): boolean {
  const inOrder = (grant: Grant) => ({ ...grant, peers: [...grant.peers].sort(), groups: [...grant.groups].sort() })
  return JSON.stringify(shareBodyOf(inOrder(a))) === JSON.stringify(shareBodyOf(inOrder(b)))
}

/** A grant as it stands at a time. */
export function grantAt(grant: Grant, now: number): Grant {
  return grant.expires !== undefined && grant.expires <= now ? PRIVATE : grant
}

function strictness({ permission }: Grant): number {
  return ENFORCED_PERMISSIONS.indexOf(permission)
}

/** @throws CatalogError `USAGE` for an unknown word, `PERMISSION_UNSUPPORTED` for one not enforced yet */
export function parsePermission(text: string): EnforcedPermission {
  const enforced = ENFORCED_PERMISSIONS.find((permission) => permission === text)
  if (enforced) return enforced
  if ((PERMISSIONS as readonly string[]).includes(text)) {
    throw new CatalogError('PERMISSION_UNSUPPORTED', `The permission "${text}" cannot be enforced yet.`, {
      hint: 'Use --permission public, private, restricted or friends.',
    })
  }
  throw new CatalogError('USAGE', `"${text}" is not a permission.`, { hint: `One of: ${PERMISSIONS.join(', ')}.` })
}
