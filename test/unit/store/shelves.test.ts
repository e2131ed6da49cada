import fc from 'fast-check'
import { test } from 'tap'
import { concatBytes, sha256, toHex } from '../../../src/base/bytes.ts'
import { EMPTY_ROOT, trieRoot } from '../../../src/model/trie.ts'
import { Shelves } from '../../../src/store/shelves.ts'
import { openStore } from './opened.ts'

test('the root kept up to date is the root by definition, after any adds and removals', async (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed}`)
  const { environment } = await openStore(t)
  const shelves = new Shelves({ environment })
  // Few distinct nibbles, so that nodes fill, split and merge at several depths.
  const id = fc
    .tuple(fc.constantFrom(0x00, 0x0f, 0xff), fc.nat(30))
    .map(([head, n]) => concatBytes(Uint8Array.of(head), sha256(Uint8Array.of(n)).subarray(0, 31)))
  const crowded = fc.nat(40).map((n) => concatBytes(new Uint8Array(31), Uint8Array.of(n)))
  const toggles = fc.array(fc.oneof(id, crowded), { minLength: 1, maxLength: 150 })
  let shelf = 0
  const property = fc.asyncProperty(toggles, fc.constantFrom(1, 7, 1000), async (ids, together) => {
    const batch = shelves.batch()
    const signer = `publisher:${shelf++}`
    const standing = new Map<string, Uint8Array>()
    await environment.transaction(() => {
      for (const [at, each] of ids.entries()) {
        const there = standing.has(toHex(each))
        if (there) standing.delete(toHex(each))
        else standing.set(toHex(each), each)
        batch.change(there ? 'remove' : 'add', 'public', signer, each, 10)
        t.equal(batch.has('public', signer, each), !there)
        t.equal(batch.count('public', signer), standing.size)
        if (at % together !== 0) continue
        batch.apply()
        t.same(shelves.get('public', signer).root, trieRoot([...standing.values()]))
        t.equal(shelves.has('public', signer, each), !there)
      }
      batch.apply()
    })
    const expected = [...standing.values()].sort(Buffer.compare)
    t.same(shelves.ids('public', signer), expected)
    for (const after of [undefined, ...ids]) {
      const behind = expected.filter((each) => !after || Buffer.compare(each, after) > 0)
      t.same(shelves.idsAfter('public', signer, after, 7), behind.slice(0, 7))
    }
    t.match(shelves.get('public', signer), { count: expected.length, bytes: 10 * expected.length })
    await environment.transaction(() => {
      for (const each of expected) batch.change('remove', 'public', signer, each, 10)
      batch.apply()
    })
    t.same(shelves.get('public', signer), { count: 0, bytes: 0, root: EMPTY_ROOT })
  })
  await fc.assert(property, { seed, numRuns: 15 })
  t.equal(shelves.count(), 0, 'an empty shelf leaves no row')
  t.equal(environment.trie.getCount(), 0, 'and no node')
})

test('shelves of other signers and audiences are apart', async (t) => {
  const { environment } = await openStore(t)
  const shelves = new Shelves({ environment })
  const id = sha256(new Uint8Array(0))
  await environment.transaction(() => {
    const batch = shelves.batch()
    batch.change('add', 'public', 'publisher:a', id, 5)
    batch.change('add', 'private', 'publisher:a', id, 5)
    batch.change('remove', 'public', 'publisher:a', id, 5)
    batch.apply()
  })
  t.notOk(shelves.has('public', 'publisher:a', id))
  t.ok(shelves.has('private', 'publisher:a', id))
  t.notOk(shelves.has('private', 'publisher:b', id))
  t.match(shelves.list(), [{ audience: 'private', signer: 'publisher:a', count: 1, bytes: 5 }])
})
