// The groups of this node's publisher, and the nodes that are its own.
import { toHex } from '../base/bytes.ts'
import { CatalogError } from '../base/errors.ts'
import { DEVICES_MAX, GROUP_MEMBERS_MAX, GROUP_NAME_LENGTH_MAX } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { Turns } from '../base/turns.ts'
import { type Audience, groupAudience } from '../model/audience.ts'
import { DEVICES_SUBJECT, type Group, inAll, parseMember, readDevices, readGroup } from '../model/group.ts'
import { parsePeerId } from '../model/peer-id.ts'
import type { Records } from '../store/records.ts'
import type { LocalPublisher } from '../trust/publishers.ts'

interface Components {
  records: Records
  publisher: LocalPublisher
  random: Random
}

const GROUP_ID_BYTES = 16

export class Groups {
  readonly #components: Components
  readonly #peerId: string
  readonly #turns = new Turns()

  /** @param options - `peerId` is this node's, which is in every list: others give back what is lost here */
  constructor(components: Components, options: { peerId: string }) {
    this.#components = components
    this.#peerId = options.peerId
  }

  /** Make a group of nobody yet. @throws CatalogError `NAME_INVALID`, `TARGET_EXISTS`, `LIMIT_EXCEEDED` */
  create(name: string): Promise<Group> {
    return this.#turns.take('groups', async () => {
      if (!/^[\p{L}\p{N}][\p{L}\p{N} ._-]*$/u.test(name) || name.length > GROUP_NAME_LENGTH_MAX) {
        throw new CatalogError('NAME_INVALID', `"${name.slice(0, 80)}" is not a name for a group.`, {
          hint:
            `It begins with a letter or digit, and is at most ${GROUP_NAME_LENGTH_MAX} letters, digits, ` +
            'spaces, ".", "_" and "-".',
        })
      }
      if ((await this.list()).some((group) => group.name === name)) {
        throw new CatalogError('TARGET_EXISTS', `There is a group "${name}" already.`)
      }
      const id = toHex(this.#components.random.bytes(GROUP_ID_BYTES))
      return this.#putGroup({ id, name, members: [this.#peerId] }, 1)
    })
  }

  /** @throws CatalogError `USAGE` for what is no member, `NOT_FOUND`, `LIMIT_EXCEEDED` */
  async add(name: string, members: readonly string[]): Promise<Group> {
    const parsed = members.map(parseMember)
    return this.#change(name, (standing) => [...new Set([...standing, ...parsed])])
  }

  /** Who is removed is shut out at once, here and wherever it has been heard. @throws CatalogError as `add` */
  async remove(name: string, members: readonly string[]): Promise<Group> {
    const gone = new Set(members.map(parseMember))
    if (gone.has(this.#peerId)) throw new CatalogError('USAGE', 'A group always has the node of its owner.')
    return this.#change(name, (standing) => standing.filter((member) => !gone.has(member)))
  }

  /** All groups of this publisher, by name. */
  async list(): Promise<Group[]> {
    const { records, publisher } = this.#components
    const signer = (await publisher.existing())?.signer
    if (signer === undefined) return []
    const groups = records.audiencesOf(signer).flatMap((audience) => {
      if (!audience.startsWith('group:')) return []
      return this.#standing(signer, audience.slice('group:'.length)) ?? []
    })
    return groups.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** @param name - or id @throws CatalogError `NOT_FOUND` */
  async get(name: string): Promise<Group> {
    const groups = await this.list()
    const group = groups.find(({ id }) => id === name) ?? groups.find((each) => each.name === name)
    if (group) return group
    throw new CatalogError('NOT_FOUND', `There is no group "${name.slice(0, 80)}".`, {
      hint: 'See those there are with: catalog group list. Make one with: catalog group create NAME',
    })
  }

  /** What a group of whatever owner is called, if its record is here. */
  nameOf(owner: string, id: string): string | undefined {
    return this.#standing(owner, id)?.name
  }

  /** Peer ids of this publisher's nodes; none as long as it is this one alone. */
  async devices(): Promise<readonly string[]> {
    const { records, publisher } = this.#components
    const signer = (await publisher.existing())?.signer
    if (signer === undefined) return []
    return [...inAll(records.slot('private', signer, 'device', DEVICES_SUBJECT).map(readDevices))]
  }

  /** Let a node have what is private. @throws CatalogError `USAGE`, `LIMIT_EXCEEDED` */
  addDevice(peer: string): Promise<readonly string[]> {
    const parsed = parsePeerId(peer)
    return this.#changeDevices((standing) => [...new Set([this.#peerId, ...standing, parsed])])
  }

  /** @throws CatalogError `USAGE`; `NOT_FOUND` for one that is no device */
  removeDevice(peer: string): Promise<readonly string[]> {
    if (peer === this.#peerId) throw new CatalogError('USAGE', 'This node is always a device of its own publisher.')
    return this.#changeDevices((standing) => {
      if (!standing.includes(peer)) throw new CatalogError('NOT_FOUND', `"${peer.slice(0, 80)}" is not a device here.`)
      return standing.filter((device) => device !== peer)
    })
  }

  #changeDevices(change: (peers: readonly string[]) => readonly string[]): Promise<readonly string[]> {
    return this.#turns.take(DEVICES_SUBJECT, async () => {
      const peers = change(await this.devices())
      checkCount(peers, DEVICES_MAX, 'devices')
      const { signer } = await this.#components.publisher.identity()
      await this.#put('device', DEVICES_SUBJECT, { peers }, 'private', this.#seq('private', signer, 'device'))
      return peers
    })
  }

  async #change(name: string, change: (members: readonly string[]) => readonly string[]): Promise<Group> {
    const { id } = await this.get(name)
    return this.#turns.take(id, async () => {
      const group = await this.get(id)
      const members = change(group.members)
      checkCount(members, GROUP_MEMBERS_MAX, 'members')
      const { signer } = await this.#components.publisher.identity()
      return this.#putGroup({ ...group, members }, this.#seq(groupAudience(id), signer, 'group', id))
    })
  }

  async #putGroup({ id, name, members }: Group, seq: number): Promise<Group> {
    await this.#put('group', id, { name, members }, groupAudience(id), seq)
    return { id, name, members }
  }

  #seq(audience: Audience, signer: string, kind: string, subject = DEVICES_SUBJECT): number {
    const [standing] = this.#components.records.slot(audience, signer, kind, subject)
    return (standing?.statement.seq ?? 0) + 1
  }

  async #put(kind: string, subject: string, body: object, audience: Audience, seq: number): Promise<void> {
    const { publisher, records } = this.#components
    const { documents } = await publisher.identity()
    const record = await publisher.sign({ kind, subject, seq, body: { ...body } })
    await records.admitAll([...documents, record].map((each) => ({ record: each, audience })))
  }

  #standing(signer: string, id: string): Group | undefined {
    const records = this.#components.records.slot(groupAudience(id), signer, 'group', id).map(readGroup)
    const [group] = records
    return group && { ...group, members: [...inAll(records.map(({ members }) => members))] }
  }
}

function checkCount(list: readonly string[], max: number, what: string): void {
  if (list.length > max) throw new CatalogError('LIMIT_EXCEEDED', `At most ${max} ${what} are kept.`)
}
