// Operations on who may have what: shares, groups of friends, and the publisher's own devices.
import { z } from 'zod'
import { GRANT_MS_MAX } from '../../base/limits.ts'
import type { Group } from '../../model/group.ts'
import type { SharedSubject } from '../../publishing/permissions.ts'
import { type Line, operation } from './operation.ts'

/** How every operation that shares says with whom. */
export const permissionInput = {
  permission: z.string().optional(),
  peers: z.array(z.string()).optional(),
  groups: z.array(z.string()).optional(),
  known: z.boolean().optional(),
  expiresInMs: z.int().positive().max(GRANT_MS_MAX).optional(),
}

const subject = z.string().min(1)
const name = z.string().min(1)
const members = z.array(z.string()).min(1)

/**
 * `shared` {subject, permission, peers, groups, known, expires, releases, exceptions: [{purl, permission}]}: how many
 * releases it counts for, and those for which a more specific share goes on counting.
 */
export const share = operation({
  input: z.strictObject({ subject, ...permissionInput }),
  async *run({ sharing }, { subject, ...options }) {
    yield sharedLine(await sharing.share(subject, options))
  },
})

/** As `share`. */
export const unshare = operation({
  input: z.strictObject({ subject }),
  async *run({ sharing }, { subject }) {
    yield sharedLine(await sharing.unshare(subject))
  },
})

/** `group` {id, name, members} for each, then `summary` {groups}. */
export const groups = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    const all = await sharing.groups()
    yield* all.map(groupLine)
    yield { type: 'summary', groups: all.length }
  },
})

/** `group` {id, name, members}. */
export const group = operation({
  input: z.strictObject({ name }),
  async *run({ sharing }, { name }) {
    yield groupLine(await sharing.group(name))
  },
})

/** As `group`. */
export const createGroup = operation({
  input: z.strictObject({ name }),
  async *run({ sharing }, { name }) {
    yield groupLine(await sharing.createGroup(name))
  },
})

/** As `group`. */
export const addToGroup = operation({
  input: z.strictObject({ name, members }),
  async *run({ sharing }, { name, members }) {
    yield groupLine(await sharing.addToGroup(name, members))
  },
})

/** As `group`. */
export const removeFromGroup = operation({
  input: z.strictObject({ name, members }),
  async *run({ sharing }, { name, members }) {
    yield groupLine(await sharing.removeFromGroup(name, members))
  },
})

/** `device` {peer, here} for each, then `summary` {devices}. */
export const devices = operation({
  input: z.strictObject({}),
  async *run({ sharing }) {
    yield* deviceLines(await sharing.devices(), sharing.peerId)
  },
})

/** As `devices`; without a peer it is this node. */
export const addDevice = operation({
  input: z.strictObject({ peer: z.string().min(1).optional() }),
  async *run({ sharing }, { peer }) {
    yield* deviceLines(await sharing.addDevice(peer), sharing.peerId)
  },
})

/** As `devices`. */
export const removeDevice = operation({
  input: z.strictObject({ peer: z.string().min(1) }),
  async *run({ sharing }, { peer }) {
    yield* deviceLines(await sharing.removeDevice(peer), sharing.peerId)
  },
})

function sharedLine({ subject, sharedWith, releases, exceptions }: SharedSubject): Line {
  return { type: 'shared', subject, ...sharedWith, releases, exceptions }
}

function groupLine({ id, name, members }: Group): Line {
  return { type: 'group', id, name, members }
}

function* deviceLines(peers: readonly string[], here: string): Generator<Line> {
  for (const peer of peers) yield { type: 'device', peer, here: peer === here }
  yield { type: 'summary', devices: peers.length }
}
