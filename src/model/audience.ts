// Audiences: whom a shelf is for. What is not public stands on shelves that only its audience may know of.
import { sha256, toHex } from '../base/bytes.ts'
import type { Grant } from './permission.ts'

/**
 * `public` is everybody, `private` the signer's own devices, `group:<id>` the members of a group of the signer, and
 * `peers:<digest>` the peers of one list: all releases restricted to the same peers stand on one shelf.
 */
export type Audience = 'public' | 'private' | `group:${string}` | `peers:${string}`

const DIGEST_DIGITS = 32

export function groupAudience(id: string): Audience {
  return `group:${id}`
}

/** The same for the same peers in whatever order. */
export function peersAudience(peers: readonly string[]): Audience {
  const list = [...new Set(peers)].sort().join('\n')
  return `peers:${toHex(sha256(Buffer.from(list))).slice(0, DIGEST_DIGITS)}`
}

/** Whose shelves a release stands on that is shared so. A list of peers is never public itself. */
export function audiencesOf({ permission, peers, groups, known }: Grant): Audience[] {
  if (permission === 'friends') return groups.map(groupAudience)
  if (permission !== 'restricted') return [permission]
  if (peers.length > 0) return [peersAudience(peers)]
  return known ? ['public'] : ['private']
}

/** The same, with that of all who may only know of it. */
export function shelvesOf(grant: Grant): Audience[] {
  return [...new Set<Audience>([...audiencesOf(grant), ...(grant.known ? (['public'] as const) : [])])]
}
