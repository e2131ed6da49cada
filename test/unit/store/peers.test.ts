import { test } from 'tap'
import { ADDRESSES_PER_PEER_MAX, KNOWN_PEERS_MAX } from '../../../src/base/limits.ts'
import { Peers } from '../../../src/store/peers.ts'
import { openStore } from './opened.ts'

test('addresses are remembered, the newest first, each once and not too many', async (t) => {
  const { environment, clock } = await openStore(t)
  const peers = new Peers({ environment, clock })
  await peers.remember('a', ['1', '2'])
  await clock.advance(5)
  await peers.remember('a', ['3', '2'])
  t.same(peers.list(), [{ peer: 'a', addresses: ['3', '2', '1'], seenAt: clock.now() }])
  await peers.remember(
    'a',
    Array.from({ length: 30 }, (_, n) => `new ${n}`),
  )
  t.equal(peers.list()[0]?.addresses.length, ADDRESSES_PER_PEER_MAX)
  t.equal(peers.list()[0]?.addresses[0], 'new 0')
})

test('a full book takes no new peers and goes on with those it has', async (t) => {
  const { environment, clock } = await openStore(t)
  const peers = new Peers({ environment, clock })
  await environment.transaction(() => {
    for (let n = 0; n < KNOWN_PEERS_MAX; n++) environment.peers.put(`peer ${n}`, { addresses: [], seenAt: 0 })
  })
  await peers.remember('late', ['1'])
  await peers.remember('peer 7', ['1'])
  t.equal(environment.peers.get('late'), undefined)
  t.same(environment.peers.get('peer 7')?.addresses, ['1'])
})
