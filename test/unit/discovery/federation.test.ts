// Asking peers made by hand, over the network in memory and under virtual time.
import { type Test, test } from 'tap'
import { CatalogError } from '../../../src/base/errors.ts'
import { SEARCH_DEADLINE_MS, SEARCH_FAN_OUT_MAX } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { SECOND_MS } from '../../../src/base/units.ts'
import { type Candidate, Federation } from '../../../src/discovery/federation.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { MemoryHub, MemoryNetwork } from '../../../src/network/memory.ts'
import { type RequestHandler, Rpc } from '../../../src/network/rpc.ts'
import { SEARCH, type SearchReply } from '../../../src/wire/messages.ts'
import { ManualClock } from '../../manual-clock.ts'
import { publisherOf, releaseOf, shareOf } from '../model/made.ts'

type Answer = RequestHandler<{ query: string; limit: number }, SearchReply>

/** What each peer does when it is asked. */
interface World {
  clock: ManualClock
  federation: Federation
  peers: string[]
  late: Candidate[]
  ask(limit?: number, signal?: AbortSignal): ReturnType<Federation['ask']>
}

async function withPeers(t: Test, answers: readonly Answer[], work: (world: World) => Promise<void>): Promise<void> {
  const clock = new ManualClock()
  const random = seededRandom(5)
  const hub = new MemoryHub({ clock, random })
  const network = new MemoryNetwork({ hub }, { seed: random.bytes(32) })
  const others = answers.map(() => new MemoryNetwork({ hub }, { seed: random.bytes(32) }))
  t.teardown(() => Promise.all([network, ...others].map((one) => one.stop())))
  const run = async () => {
    await network.start()
    const rpc = new Rpc({ network, clock })
    for (const [i, other] of others.entries()) {
      await new Rpc({ network: other, clock }).serve(SEARCH, answers[i] as Answer)
      await other.start()
      await network.dial(other.address)
    }
    const peers = others.map(({ peerId }) => peerId)
    const hello = { peers: () => peers.map((peer) => ({ peer, agent: 'made', addresses: [] })) }
    const exchange = { addressee: { is: () => false, belongs: () => false } }
    const federation = new Federation({ rpc, hello, exchange, clock, random })
    const late: Candidate[] = []
    const ask = (limit = 20, signal?: AbortSignal) =>
      federation.ask('parser', limit, (candidates) => late.push(...candidates), signal)
    await work({ clock, federation, peers, late, ask })
  }
  await clock.until(run())
}

const publisher = publisherOf(30)

function bundle(
  name: string,
  change: (release: CatalogRecord) => Uint8Array = ({ envelope }) => envelope,
): SearchReply {
  const release = releaseOf(publisher, { name })
  const share = shareOf(publisher, `pkg:npm/${name}@1.0.0`, 1)
  return { candidates: [[publisher.document.envelope, change(release), share.envelope]] }
}

const says = (...replies: SearchReply[]): Answer =>
  async function* () {
    yield* replies
  }

const index: SearchReply = { index: { behind: 3, at: 5 }, candidates: [] }
const names = (candidates: readonly Candidate[]) => candidates.map(({ release }) => release.body.name).toSorted()

test('each peer ends in its own way, and costs nobody else anything', async (t) => {
  const refuses: Answer = async function* () {
    yield* []
    throw new CatalogError('PEER_BUSY', 'Not now.')
  }
  const stalls: Answer = async function* (_, { signal }) {
    yield bundle('slow')
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  const breaks: Answer = async function* () {
    yield bundle('broken')
    throw new Error('out of memory')
  }
  const lies = says(
    bundle('false', ({ envelope }) => envelope.with(-1, (envelope.at(-1) as number) ^ 1)),
    bundle('true'),
  )
  const answers = [says(index, bundle('good')), refuses, stalls, breaks, lies]
  await withPeers(t, answers, async ({ clock, ask, peers, federation }) => {
    const before = clock.now()
    const { candidates, inquiries } = await ask()
    t.equal(clock.now() - before, SEARCH_DEADLINE_MS, 'it is over when the time is over')
    t.strictSame(names(candidates), ['broken', 'good', 'slow'], 'what holds is kept, of all but who lied')
    const states = peers.map((peer) => inquiries.find((inquiry) => inquiry.peer === peer)?.state)
    t.strictSame(states, ['answered', 'refused', 'timed-out', 'failed', 'lied'])
    const answered = inquiries.find(({ state }) => state === 'answered')
    t.match(answered, { candidates: 1, index: { behind: 3, at: 5 } })
    t.ok((answered?.ms ?? SEARCH_DEADLINE_MS) < SEARCH_DEADLINE_MS)
    await federation.stop()
  })
})

test('all who answer quickly are not waited for any longer', async (t) => {
  await withPeers(t, [says(index, bundle('one')), says(index, bundle('two'))], async ({ clock, ask }) => {
    const before = clock.now()
    t.strictSame(names((await ask()).candidates), ['one', 'two'])
    t.ok(clock.now() - before < SEARCH_DEADLINE_MS)
  })
})

test('what comes late is told, once it has ended', async (t) => {
  let clock: ManualClock | undefined
  const slow: Answer = async function* () {
    yield bundle('early')
    await new Promise<void>((resolve) => void clock?.after(SECOND_MS, resolve))
    yield bundle('late')
  }
  await withPeers(t, [slow], async (world) => {
    clock = world.clock
    const { candidates, inquiries } = await world.ask()
    t.strictSame(names(candidates), ['early'])
    t.match(inquiries, [{ state: 'timed-out' }])
    t.strictSame(world.late, [])
    await new Promise<void>((resolve) => void world.clock.after(2 * SECOND_MS, resolve))
    t.strictSame(names(world.late), ['early', 'late'])
  })
})

test('so many are asked, and of each so much is taken', async (t) => {
  let asked = 0
  const many: Answer = async function* ({ limit }) {
    asked++
    for (let i = 0; i < limit + 5; i++) yield bundle(`name-${i}`)
  }
  const answers = Array.from({ length: SEARCH_FAN_OUT_MAX + 4 }, () => many)
  await withPeers(t, answers, async ({ ask }) => {
    const { candidates, inquiries } = await ask(3)
    t.equal(asked, SEARCH_FAN_OUT_MAX)
    t.equal(inquiries.length, SEARCH_FAN_OUT_MAX)
    t.equal(candidates.length, 3 * SEARCH_FAN_OUT_MAX)
  })
})

test('who gives up is told why, and nothing goes on', async (t) => {
  const stalls: Answer = async function* (_, { signal }) {
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
  await withPeers(t, [stalls], async ({ clock, ask, late, federation }) => {
    const controller = new AbortController()
    clock.after(100, () => controller.abort(new CatalogError('ABORTED', 'Enough.')))
    await t.rejects(ask(20, controller.signal), { code: 'ABORTED' })
    await federation.stop()
    t.strictSame(late, [])
  })
})
