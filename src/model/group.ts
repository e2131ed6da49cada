// Groups and devices: who the friends of a publisher are, and which nodes are its own. Both are records by the
// publisher, numbered, and the highest number counts; of two with one number only what both say.
import { z } from 'zod'
import { CatalogError } from '../base/errors.ts'
import { DEVICES_MAX, GROUP_MEMBERS_MAX, GROUP_NAME_LENGTH_MAX } from '../base/limits.ts'
import { parsePeerId, peerIdText } from './peer-id.ts'
import type { CatalogRecord } from './record.ts'

/** A group's id: 32 hexadecimal digits, unique for its owner, by which shares name it. */
export const groupIdText = z.string().regex(/^[0-9a-f]{32}$/)
const publisherText = z.string().regex(/^publisher:[0-9a-f]{64}$/)

const groupSchema = z.looseObject({
  name: z.string().min(1).max(GROUP_NAME_LENGTH_MAX),
  members: z.array(z.union([publisherText, peerIdText])).max(GROUP_MEMBERS_MAX),
})

const deviceSchema = z.looseObject({ peers: z.array(peerIdText).max(DEVICES_MAX) })

/** Subject of a publisher's device record: it has one. */
export const DEVICES_SUBJECT = 'devices'

export interface Group {
  readonly id: string
  readonly name: string
  /** Peer ids, and `publisher:<id>` for all devices of one. */
  readonly members: readonly string[]
}

/** @throws CatalogError `RECORD_INVALID` */
export function readGroup({ statement: { kind, subject, seq, body } }: CatalogRecord): Group {
  const parsed = groupSchema.safeParse(body)
  if (kind !== 'group' || !parsed.success || seq === undefined || !groupIdText.safeParse(subject).success) {
    throw new CatalogError('RECORD_INVALID', 'This is not a group record.', { cause: parsed.error })
  }
  const { name, members } = parsed.data
  return { id: subject, name, members }
}

/** @returns peer ids @throws CatalogError `RECORD_INVALID` */
export function readDevices({ statement: { kind, subject, seq, body } }: CatalogRecord): readonly string[] {
  const parsed = deviceSchema.safeParse(body)
  if (kind !== 'device' || !parsed.success || seq === undefined || subject !== DEVICES_SUBJECT) {
    throw new CatalogError('RECORD_INVALID', 'This is not a device record.', { cause: parsed.error })
  }
  return parsed.data.peers
}

/** What all of the lists have. */
export function inAll(lists: readonly (readonly string[])[]): ReadonlySet<string> {
  const [first = [], ...others] = lists
  return new Set(first.filter((each) => others.every((list) => list.includes(each))))
}

/** A member as a user wrote it. @throws CatalogError `USAGE` */
export function parseMember(text: string): string {
  return publisherText.safeParse(text).success ? text : parsePeerId(text)
}
