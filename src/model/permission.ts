// Who may see a release: a `share` record by its signer, the latest of which counts. No share = private.
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import type { CatalogRecord } from './record.ts'

export const PERMISSIONS = ['public', 'private', 'restricted', 'friends', 'anonymous', 'verified'] as const
export type Permission = (typeof PERMISSIONS)[number]

/** The kinds this build can enforce; the others are read, and nothing is served under them. */
export const ENFORCED_PERMISSIONS = ['public', 'private'] as const
export type EnforcedPermission = (typeof ENFORCED_PERMISSIONS)[number]

const shareSchema = z.looseObject({
  permission: z.enum(PERMISSIONS),
  groups: z.array(z.string().max(96)).max(64).optional(),
  expires: z.int().optional(),
})

export type ShareBody = z.infer<typeof shareSchema>

/** Read once per record object. */
const read = new WeakMap<CatalogRecord, ShareBody>()

/** @throws CatalogError `RECORD_INVALID` */
export function readShare(record: CatalogRecord): ShareBody {
  let share = read.get(record)
  if (!share) {
    share = parseShare(record)
    read.set(record, share)
  }
  return share
}

function parseShare(record: CatalogRecord): ShareBody {
  const body = shareSchema.safeParse(record.statement.body)
  if (record.statement.kind !== 'share' || !body.success || record.statement.seq === undefined) {
    throw new CatalogError('RECORD_INVALID', 'This is not a share record.', { cause: body.error })
  }
  return body.data
}

/** @throws CatalogError `USAGE` for an unknown word, `PERMISSION_UNSUPPORTED` for one not enforced yet */
export function parsePermission(text: string): EnforcedPermission {
  const enforced = ENFORCED_PERMISSIONS.find((permission) => permission === text)
  if (enforced) return enforced
  if ((PERMISSIONS as readonly string[]).includes(text)) {
    throw new CatalogError('PERMISSION_UNSUPPORTED', `The permission "${text}" cannot be enforced yet.`, {
      hint: 'Use --permission public or --permission private.',
    })
  }
  throw new CatalogError('USAGE', `"${text}" is not a permission.`, { hint: `One of: ${PERMISSIONS.join(', ')}.` })
}

/** Shelf audiences so far. Groups come with their own ids. */
export const AUDIENCES = ['public', 'private'] as const
export type Audience = (typeof AUDIENCES)[number]
