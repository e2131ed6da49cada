// Peers as one would rather not have them: one that begins to answer and never ends, one that offers packages made up
// for each query, signed as they should be, by publishers that are as new.
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { HELLO, type Hello, SEARCH, type SearchReply } from '../../src/wire/messages.ts'
import { tell } from './messages.ts'
import { publisherOf, recordsOf } from './records.ts'

/** What comes before and behind the words of a query: names that look like the one that is meant. */
const AFFIXES = [
  ['', ''],
  ['', '-js'],
  ['node-', ''],
  ['@official/', ''],
  ['', 's'],
]
/** Of each name, by as many publishers. */
const RIVALS = 4

const listen = { host: '127.0.0.1', controlPort: 0 }
const network = new Libp2pNetwork({ seed: systemRandom.bytes(32), listen, mdns: false, dht: false })
const rpc = new Rpc({ network, clock: systemClock })
const hello: Hello = { version: 1, agent: 'hostile/1', capabilities: [], addresses: [] }
await rpc.serve(HELLO, async function* () {
  yield hello
})
await rpc.serve(SEARCH, process.argv[2] === 'lies' ? lie : stall)
await network.start()
process.on('disconnect', () => process.exit())
tell({ type: 'ready', addresses: network.addresses() })

async function* lie({ query }: { query: string }): AsyncGenerator<SearchReply> {
  const candidates: Uint8Array[][] = []
  const words = query.toLowerCase().match(/[a-z0-9]+/g) ?? ['package']
  for (const [before, behind] of AFFIXES) {
    for (let rival = 0; rival < RIVALS; rival++) {
      const publisher = publisherOf(`${process.pid} ${rival} ${query}`)
      const name = `${before}${words.join('-')}${behind}`
      candidates.push(recordsOf(publisher, { name, description: query }).map(({ envelope }) => envelope))
    }
  }
  yield { index: { behind: 0, at: Date.now() }, candidates }
}

async function* stall(_: unknown, { signal }: { signal: AbortSignal }): AsyncGenerator<SearchReply> {
  yield { index: { behind: 0, at: Date.now() }, candidates: [] }
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}
