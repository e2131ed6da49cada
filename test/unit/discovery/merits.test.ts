import { test } from 'tap'
import { seededRandom } from '../../../src/base/random.ts'
import { Merits } from '../../../src/discovery/merits.ts'

const peers = Array.from({ length: 20 }, (_, i) => `peer-${i}`)
const made = () => new Merits({ random: seededRandom(7) })
const good = { shown: true, attested: 5, unattested: 0 }

test('everybody is asked when there are few', async (t) => {
  t.strictSame(made().choose(peers.slice(0, 8), 8).toSorted(), peers.slice(0, 8).toSorted())
  t.strictSame(made().choose([], 8), [])
})

test('who answers well is asked again, and some of the others now and then', async (t) => {
  const merits = made()
  const best = new Set(peers.slice(0, 6))
  const bad = new Set(peers.slice(6, 12))
  for (const peer of best) {
    for (let i = 0; i < 5; i++) {
      merits.ended(peer, 'answered')
      merits.weigh(peer, good)
    }
  }
  for (const peer of bad) for (let i = 0; i < 5; i++) merits.ended(peer, 'timed-out')
  const asked = new Map<string, number>()
  for (let i = 0; i < 200; i++) {
    const chosen = merits.choose(peers, 8)
    t.equal(new Set(chosen).size, 8)
    for (const peer of chosen) asked.set(peer, (asked.get(peer) ?? 0) + 1)
  }
  for (const peer of peers) {
    if (best.has(peer)) t.equal(asked.get(peer), 200, `${peer} is always asked`)
    else t.ok((asked.get(peer) ?? 0) > 0, `${peer} gets its chance`)
  }
})

test('a peer that was good and fails falls behind those that were never asked', async (t) => {
  const merits = made()
  for (let i = 0; i < 20; i++) {
    merits.ended('peer-0', 'answered')
    merits.weigh('peer-0', good)
  }
  t.ok(merits.choose(peers, 4).includes('peer-0'))
  for (let i = 0; i < 20; i++) merits.ended('peer-0', 'failed')
  const times = Array.from({ length: 100 }, () => merits.choose(peers, 4)).filter((chosen) => chosen.includes('peer-0'))
  t.ok(times.length < 20, `asked ${times.length} times of 100`)
})

test('the word of those counts that mostly name publishers which others know', async (t) => {
  const merits = made()
  t.notOk(merits.vouches('peer-0'), 'nobody vouches who has named nobody')
  merits.weigh('peer-0', { shown: false, attested: 3, unattested: 2 })
  t.ok(merits.vouches('peer-0'))
  merits.weigh('peer-0', { shown: true, attested: 0, unattested: 1 })
  t.notOk(merits.vouches('peer-0'))
})
