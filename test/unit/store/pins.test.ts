import { test } from 'tap'
import { Pins } from '../../../src/store/pins.ts'
import { openStore } from './opened.ts'

const name = { type: 'npm', name: '@acme/parser' }

test('a pin is set, replaced, listed and removed', async (t) => {
  const { environment, clock } = await openStore(t)
  const pins = new Pins({ environment, clock })
  t.equal(pins.get(name), undefined)
  await pins.set(name, 'publisher:a', 'installed')
  await pins.set(name, 'publisher:b', 'trusted')
  await pins.set({ type: 'generic', name: 'x' }, 'publisher:a', 'published')
  t.same(pins.get(name), { ...name, signer: 'publisher:b', reason: 'trusted', at: clock.now() })
  t.same(
    pins.list().map(({ type, name: called }) => `${type} ${called}`),
    ['generic x', 'npm @acme/parser'],
  )
  t.equal(await pins.remove(name), true)
  t.equal(await pins.remove(name), false)
  t.equal(pins.get(name), undefined)
})

test('pins outlive a restart', async (t) => {
  const store = await openStore(t)
  await new Pins(store).set(name, 'publisher:a', 'installed')
  t.match(new Pins(await store.reopen()).get(name), { signer: 'publisher:a', reason: 'installed' })
})
