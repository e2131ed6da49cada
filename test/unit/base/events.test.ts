import { test } from 'tap'
import { type Events, emit, listen } from '../../../src/base/events.ts'

test('a fact reaches who listens, until it stops listening', async (t) => {
  const facts: Events['catalog:core'][] = []
  const stop = listen('catalog:core', (fact) => facts.push(fact))
  emit('catalog:core', { backend: 'wasm' })
  emit('catalog:failure', { task: 'x', code: 'INTERNAL', message: 'another fact' })
  stop()
  emit('catalog:core', { backend: 'native' })
  t.same(facts, [{ backend: 'wasm' }])
})
