// What of the records that compete is listed, over a store as it stands on a node.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import { directEffects } from '../../../src/base/effects.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { conflictRules } from '../../../src/model/conflict.ts'
import { Disputes } from '../../../src/publishing/disputes.ts'
import { Judgement } from '../../../src/trust/judgement.ts'
import { LocalPublisher } from '../../../src/trust/publishers.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { publisherOf, releaseOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

test('a contradiction is listed once, on however many shelves it stands', async (t) => {
  const { records, pins, clock, disk, folder } = await openStore(t)
  const keys = join(folder, 'keys')
  await mkdir(keys)
  const publisher = new LocalPublisher({ disk, clock, random: seededRandom(1), effects: directEffects }, { keys })
  const judgement = new Judgement({ records, clock }, { rules: conflictRules([], []), owner: undefined })
  const shares = new Shares({ records, clock })
  const disputes = new Disputes({ records, shares, pins, judgement, publisher })
  const maker = publisherOf(1)
  const two = [releaseOf(maker), releaseOf(maker, { description: 'another' })]
  for (const audience of ['public', 'private'] as const) {
    await records.admit([maker.document, ...two].map((record) => ({ record, audience })))
  }
  const listed = [...disputes.list()]
  t.match(listed, [{ kind: 'contradiction', subject: 'pkg:npm/parser@1.0.0', by: 'nothing' }])
  t.equal(listed.length, 1)
  t.strictSame(listed[0]?.candidates.map(({ record }) => record).sort(), two.map(({ id }) => toHex(id)).sort())
})
