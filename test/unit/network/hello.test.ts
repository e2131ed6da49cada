import { type Test, test } from 'tap'
import { seededRandom } from '../../../src/base/random.ts'
import { HelloService } from '../../../src/network/hello.ts'
import { MemoryHub, MemoryNetwork } from '../../../src/network/memory.ts'
import { Rpc } from '../../../src/network/rpc.ts'
import { HELLO, type Hello } from '../../../src/wire/messages.ts'
import { ManualClock } from '../../manual-clock.ts'

/** A node that greets, and a peer that is to dial it and says what it is given. */
async function greeted(t: Test, answers: boolean) {
  const clock = new ManualClock()
  const hub = new MemoryHub({ clock, random: seededRandom(1) })
  const [own, far] = [1, 2].map((seed) => new MemoryNetwork({ hub }, { seed: seededRandom(seed).bytes(32) }))
  if (!own || !far) throw new Error('two were made')
  const peers = { remember: async () => undefined }
  const hello = new HelloService({ network: own, rpc: new Rpc({ network: own, clock }), peers } as never, {
    agent: 'own',
  })
  t.teardown(() => hello.stop())
  await hello.start()
  const rpc = new Rpc({ network: far, clock })
  const said = (bulkPort?: number): Hello => {
    return { version: 1, agent: 'far', capabilities: [], addresses: [], ...(bulkPort && { bulkPort }) }
  }
  await rpc.serve(HELLO, async function* (_, { signal }) {
    if (!answers) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    yield said()
  })
  for (const network of [own, far]) await network.start()
  const say = async (bulkPort?: number) => {
    for await (const { agent } of rpc.call(HELLO, own.peerId, said(bulkPort))) t.equal(agent, 'own')
  }
  const dialled = far.dial(own.address)
  await clock.until(dialled)
  return { clock, hello, far, say: (bulkPort?: number) => clock.until(say(bulkPort)) }
}

test('a peer that comes is greeted, and until then it is worth waiting', async (t) => {
  const { clock, hello, far } = await greeted(t, true)
  t.same(hello.peers(), [])
  await clock.until(hello.settled())
  t.match(hello.peers(), [{ peer: far.peerId, agent: 'far' }])
  await hello.settled()
})

test('a peer that says hello itself is known by that, and again when it has another bulk plane', async (t) => {
  const { hello, far, say } = await greeted(t, false)
  const told: string[] = []
  hello.onHello((peer) => told.push(peer))
  for (const bulkPort of [undefined, undefined, 4_000, 4_000, 4_001]) await say(bulkPort)
  t.match(hello.peers(), [{ peer: far.peerId }])
  t.same(told, [far.peerId, far.peerId, far.peerId])
})
