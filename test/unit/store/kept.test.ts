import { test } from 'tap'
import { nobody, openStore } from './opened.ts'

const PURL = 'pkg:npm/parser@1.0.0'

test('a release is kept from the first time on, until it is no longer, and over a restart', async (t) => {
  const store = await openStore(t)
  const other = new Uint8Array(32).fill(255)
  const since = store.clock.now()
  t.equal(await store.kept.add(nobody, PURL), true)
  await store.clock.advance(1000)
  t.equal(await store.kept.add(nobody, PURL), false)
  t.equal(await store.kept.add(other, PURL), true)
  const { kept } = await store.reopen()
  t.ok(kept.has(nobody))
  t.equal(kept.since(nobody), since, 'the second time changed nothing')
  t.same(kept.list(), [
    { release: nobody, at: since, purl: PURL },
    { release: other, at: since + 1000, purl: PURL },
  ])
  t.equal(await kept.remove(nobody), true)
  t.equal(await kept.remove(nobody), false)
  t.notOk(kept.has(nobody))
  t.equal(kept.since(nobody), undefined)
})
