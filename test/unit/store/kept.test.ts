import { test } from 'tap'
import { nobody, openStore } from './opened.ts'

test('a release is kept from the first time on, until it is no longer, and over a restart', async (t) => {
  const store = await openStore(t)
  const other = new Uint8Array(32).fill(255)
  const since = store.clock.now()
  t.equal(await store.kept.add(nobody), true)
  await store.clock.advance(1000)
  t.equal(await store.kept.add(nobody), false)
  t.equal(await store.kept.add(other), true)
  const { kept } = await store.reopen()
  t.ok(kept.has(nobody))
  t.equal(kept.since(nobody), since, 'the second time changed nothing')
  t.same(kept.list(), [
    { release: nobody, at: since },
    { release: other, at: since + 1000 },
  ])
  t.equal(await kept.remove(nobody), true)
  t.equal(await kept.remove(nobody), false)
  t.notOk(kept.has(nobody))
  t.equal(kept.since(nobody), undefined)
})
