// What is not for everybody, between processes: a publisher's node, those it lets in, and a stranger who tries every
// door. Each answer to the stranger is held against the answer about something that never was.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import { decodeRecord } from '../../src/model/record.ts'
import { readRelease } from '../../src/model/release.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { ANNOUNCE_TOPIC, BLOB, HELLO, type Hello, type Protocol, RECORDS, SEARCH } from '../../src/wire/messages.ts'
import { connected, eventually, type Line, startNode, type TestNode } from './processes.ts'

tap.setTimeout(480_000)

const ABSENT = new Uint8Array(32).fill(9)
const PURL = 'pkg:npm/undisclosed@1.0.0'

/** A peer that speaks the protocols by hand. */
interface Asker {
  readonly peerId: string
  readonly heard: Uint8Array[]
  /** All replies, or the code and message that it was refused with. */
  ask<Request, Reply>(protocol: Protocol<Request, Reply>, request: Request): Promise<Reply[] | string>
}

async function asker(t: Test, node: TestNode): Promise<Asker> {
  const listen = { host: '127.0.0.1', controlPort: 0 }
  const network = new Libp2pNetwork({ seed: systemRandom.bytes(32), listen, mdns: false, dht: false })
  const rpc = new Rpc({ network, clock: systemClock })
  const hello: Hello = { version: 1, agent: 'asker/1', capabilities: [], addresses: [] }
  await rpc.serve(HELLO, async function* () {
    yield hello
  })
  const heard: Uint8Array[] = []
  await network.subscribe(ANNOUNCE_TOPIC, async ({ data }) => {
    heard.push(data)
    return 'ignore'
  })
  await network.start()
  t.teardown(() => network.stop())
  const [address] = network.addresses().filter((each) => each.includes('/quic-v1'))
  await node.run('peers', 'add', String(address))
  return {
    peerId: network.peerId,
    heard,
    async ask(protocol, request) {
      const replies = []
      try {
        for await (const reply of rpc.call(protocol, node.peerId, request)) replies.push(reply)
        return replies
      } catch (thrown) {
        const { code, message } = CatalogError.from(thrown)
        return `${code}: ${message}`
      }
    },
  }
}

const blobOf = (root: Uint8Array, release: Uint8Array) => ({ root, release, want: 'data' as const, first: 0, count: 1 })

/** Every way to ask a node for a release, and what came of each. */
async function doors({ ask }: Asker, root: Uint8Array, release: Uint8Array): Promise<Record<string, unknown>> {
  return {
    byId: await ask(RECORDS, { ids: [release] }),
    byName: await ask(RECORDS, { packages: ['pkg:npm/undisclosed'] }),
    byPurl: await ask(RECORDS, { packages: [PURL] }),
    search: await ask(SEARCH, { query: 'undisclosed', limit: 1 }),
    data: await ask(BLOB, blobOf(root, release)),
    outline: await ask(BLOB, { ...blobOf(root, release), want: 'outline' }),
  }
}

const kindsOf = (replies: unknown) =>
  (replies as { records: Uint8Array[] }[]).flatMap(({ records }) =>
    records.map((one) => decodeRecord(one).statement.kind),
  )

const candidatesOf = (replies: unknown) =>
  (replies as { candidates: Uint8Array[][] }[]).flatMap(({ candidates }) => candidates)

async function scene(t: Test) {
  const source = {
    'package.json': JSON.stringify({ name: 'undisclosed', version: '1.0.0', description: 'Confidential plans' }),
    'plans.txt': 'x'.repeat(100_000),
  }
  const own = { 'package.json': JSON.stringify({ name: 'own', version: '1.0.0' }) }
  const folder = t.testdir({ source, own })
  const [owner, member, stranger] = await Promise.all(
    ['owner', 'member', 'stranger'].map((name) => startNode(t, join(folder, name))),
  )
  if (!owner || !member || !stranger) throw new Error('three nodes were started')
  await connected(member, owner)
  await connected(stranger, owner)
  await connected(stranger, member)
  return { folder, owner, member, stranger }
}

const last = (lines: readonly Line[]) => lines.at(-1) as Line

async function fetches(node: TestNode, folder: string): Promise<string> {
  const { status, lines } = await node.run('fetch', PURL, '--output', join(folder, `${node.peerId}.tgz`))
  const line = last(lines)
  return status === 0 ? 'ok' : String(line['code'])
}

/** Searching finds it, once the index has it and its peers are not too busy to answer in time. */
function finds(node: TestNode, ...words: string[]): Promise<Line> {
  return eventually(`${words} found`, async () => {
    const { lines } = await node.run('search', ...words)
    return lines.find(({ type, purl }) => type === 'result' && purl === PURL)
  })
}

test('friends, and what a stranger hears of it', async (t) => {
  const { folder, owner, member, stranger } = await scene(t)
  const hand = await asker(t, owner)
  t.match(await owner.run('group', 'create', 'team'), { status: 0, lines: [{ type: 'group', name: 'team' }] })
  t.match(await owner.run('group', 'add', 'team', member.peerId), {
    lines: [{ members: [owner.peerId, member.peerId] }],
  })
  const published = await owner.run('publish', join(folder, 'source'), '--permission', 'friends', '--group', 'team')
  t.match(last(published.lines), { type: 'published', purl: PURL, permission: 'friends' })

  t.equal(await fetches(stranger, folder), 'NOT_FOUND')
  t.match(await stranger.run('info', PURL), { status: 3 })
  t.match((await stranger.run('search', 'undisclosed')).lines, [{ type: 'summary', results: 0 }])

  await finds(member, 'confidential plans')
  t.equal(await fetches(member, folder), 'ok')
  const info = last((await member.run('info', PURL)).lines)
  t.match(info, { permission: 'friends', sharedWith: { groups: ['team'], peers: [], known: false }, local: true })
  await finds(member, 'undisclosed', '--local')
  t.equal(await fetches(stranger, folder), 'NOT_FOUND', 'nor from the member, who has it')

  // The stranger knows all the numbers, as nobody could, and still hears the same as of what never was.
  const id = new Uint8Array(Buffer.from(String(info['record']), 'hex'))
  const inside = await asker(t, owner)
  t.match(await owner.run('group', 'add', 'team', inside.peerId), { status: 0 })
  const bundle = await inside.ask(RECORDS, { ids: [id] })
  t.same(kindsOf(bundle), ['publisher', 'release', 'share', 'group'])
  const records = (bundle as { records: Uint8Array[] }[]).flatMap((reply) => reply.records.map(decodeRecord))
  const release = records.find(({ statement }) => statement.kind === 'release')
  const root = readRelease(release as never).body.artifacts[0]?.root as Uint8Array
  t.match(await inside.ask(BLOB, blobOf(root, id)), [{ data: Uint8Array }])
  for (const node of [owner, member]) {
    const outside = node === owner ? hand : await asker(t, node)
    const told = await doors(outside, root, id)
    const never = await doors(outside, ABSENT, ABSENT)
    t.same(told, { ...never, byName: told['byName'], byPurl: told['byPurl'] }, 'as what never was')
    t.same(candidatesOf(told['search']), [])
    const unknown = await outside.ask(RECORDS, { packages: ['pkg:npm/never-was'] })
    t.same([told['byName'], told['byPurl']], [unknown, unknown])
    for (const { id: each, statement } of records) {
      t.equal(await outside.ask(RECORDS, { ids: [each] }), unknown, `the ${statement.kind} record by its id`)
    }
  }
  t.same(hand.heard, [], 'nothing was announced')

  t.match(await owner.run('group', 'remove', 'team', inside.peerId), { status: 0 })
  t.same(await doors(inside, root, id), await doors(hand, root, id), 'who was removed is a stranger at once')
  t.match(await owner.run('share', PURL, '--permission', 'public'), { status: 0, lines: [{ releases: 1 }] })
  t.same(kindsOf(await hand.ask(RECORDS, { ids: [id] })), ['publisher', 'release', 'share'], 'public at once')
  t.equal(await fetches(stranger, folder), 'ok')
  t.match(await owner.run('unshare', PURL), { status: 0, lines: [{ permission: 'private' }] })
  t.match(await hand.ask(BLOB, blobOf(root, id)), /^NOT_FOUND: .*This blob is not known here\.$/)
})

test('restricted to listed peers, and known to others only where it is said', async (t) => {
  const { folder, owner, member, stranger } = await scene(t)
  const listed = ['--permission', 'restricted', '--peer', member.peerId]
  t.match(last((await owner.run('publish', join(folder, 'source'), ...listed)).lines), { permission: 'restricted' })
  t.equal(await fetches(stranger, folder), 'NOT_FOUND')
  t.match(last((await member.run('info', PURL)).lines), { sharedWith: { peers: [owner.peerId] } })
  t.match(await owner.run('share', PURL, ...listed, '--known'), { status: 0, lines: [{ known: true }] })
  const seen = last((await stranger.run('info', PURL)).lines)
  t.match(seen, { permission: 'restricted', sharedWith: { peers: [], known: true }, local: false })
  const refused = await stranger.run('fetch', PURL, '--output', join(folder, 'never.tgz'))
  t.match(refused.lines, [{ code: 'NO_PROVIDERS', details: { failures: [{ code: 'REFUSED' }] } }])
  t.equal(await fetches(member, folder), 'ok')
  const other = ['--permission', 'restricted', '--peer', stranger.peerId]
  t.match(await owner.run('share', PURL, ...other), { status: 0 })
  t.equal(await fetches(stranger, folder), 'ok', 'listed now')
  t.match(await readFile(join(folder, `${stranger.peerId}.tgz`)), await readFile(join(folder, `${member.peerId}.tgz`)))
})

test('private is for the publisher’s devices, and a publisher as a member for all of its own', async (t) => {
  const { folder, owner, member, stranger } = await scene(t)
  await owner.run('publish', join(folder, 'source'), '--permission', 'private')
  t.equal(await fetches(member, folder), 'NOT_FOUND')
  t.match((await owner.run('device', 'add', member.peerId)).lines, [
    { type: 'device', peer: owner.peerId, here: true },
    { type: 'device', peer: member.peerId, here: false },
    { type: 'summary', devices: 2 },
  ])
  await finds(member, 'undisclosed')
  t.equal(await fetches(member, folder), 'ok')
  t.match(last((await member.run('info', PURL)).lines), { permission: 'private' })
  t.equal(await fetches(stranger, folder), 'NOT_FOUND', 'also from the device')
  await stranger.run('publish', join(folder, 'own'))
  await stranger.run('device', 'add')
  const publisher = String(last((await stranger.run('status')).lines)['publisher'])
  await owner.run('group', 'create', 'partners')
  t.match(await owner.run('group', 'add', 'partners', publisher), { status: 0 })
  await owner.run('share', 'pkg:npm/undis*', '--permission', 'public')
  t.equal(await fetches(stranger, folder), 'NOT_FOUND', 'a share of the release itself goes before a glob')
  await owner.run('share', PURL, '--permission', 'friends', '--group', 'partners', '--expires', '1d')
  t.equal(await fetches(stranger, folder), 'ok', 'a device of a publisher that is a member')
})
