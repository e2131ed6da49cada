import { test } from 'tap'
import { CatalogError, type ErrorCode } from '../../../src/base/errors.ts'
import { BULK_AVOIDED_MS } from '../../../src/base/limits.ts'
import { type BlobSource, type Plane, Sources } from '../../../src/transfer/sources.ts'
import { ManualClock } from '../../manual-clock.ts'

function setting() {
  const clock = new ManualClock()
  const tried: Plane[] = []
  const plane = (kind: Plane) => ({ kind, reaches: (peer: string) => peer !== 'unannounced' }) as BlobSource
  const sources = new Sources({ planes: [plane('bulk'), plane('stream')], clock })
  const outcomes: Partial<Record<Plane, ErrorCode>> = {}
  const ask = async (peer: string) => {
    const before = tried.length
    const answer = sources.ask(peer, async ({ kind }) => {
      tried.push(kind)
      const code = outcomes[kind]
      if (code) throw new CatalogError(code, kind)
      return { kind, error: undefined }
    })
    await answer.catch(() => undefined)
    return { answer, tried: tried.slice(before) }
  }
  return { clock, sources, outcomes, ask }
}

test('the best plane is taken, where the peer announces it', async (t) => {
  const { ask } = setting()
  t.same((await ask('p')).tried, ['bulk'])
  t.same((await ask('unannounced')).tried, ['stream'])
})

test('a plane that leads nowhere is left for the next one, at once and for a while', async (t) => {
  const { ask, outcomes, clock, sources } = setting()
  outcomes.bulk = 'PEER_UNREACHABLE'
  t.same((await ask('p')).tried, ['bulk', 'stream'])
  t.same((await ask('p')).tried, ['stream'])
  t.same((await ask('q')).tried, ['bulk', 'stream'], 'another peer')
  await clock.advance(BULK_AVOIDED_MS)
  t.same((await ask('p')).tried, ['bulk', 'stream'])
  sources.forget('p')
  delete outcomes.bulk
  t.same((await ask('p')).tried, ['bulk'], 'or until the peer comes anew')
})

test('where a plane has served, its failure is the peer’s', async (t) => {
  const { ask, outcomes } = setting()
  await ask('p')
  outcomes.bulk = 'PEER_TIMEOUT'
  const { answer, tried } = await ask('p')
  await t.rejects(answer, { code: 'PEER_TIMEOUT' })
  t.same(tried, ['bulk'])
})

test('what the peer refuses it refuses on every plane', async (t) => {
  const { ask, outcomes } = setting()
  outcomes.bulk = 'NOT_FOUND'
  const { answer, tried } = await ask('p')
  await t.rejects(answer, { code: 'NOT_FOUND' })
  t.same(tried, ['bulk'])
  outcomes.bulk = 'PEER_UNREACHABLE'
  outcomes.stream = 'PEER_UNREACHABLE'
  await t.rejects((await ask('r')).answer, { code: 'PEER_UNREACHABLE' })
})
