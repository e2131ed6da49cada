import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { fromHex, sha256, toHex } from '../../../src/base/bytes.ts'
import { seededRandom, shuffled } from '../../../src/base/random.ts'
import { groupByNibble, innerHash, leafHash, nibbleAt, trieRoot } from '../../../src/model/trie.ts'

interface Vectors {
  counted: { count: number; root: string }[]
  crowded: { ids: string[]; root: string }
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('../../vectors/trie.json', import.meta.url), 'utf8'))

function counted(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(n)
    return sha256(number)
  })
}

test('roots are those of the vectors, in whatever order the ids come', async (t) => {
  const random = seededRandom(7)
  for (const { count, root } of vectors.counted) {
    t.equal(toHex(trieRoot(counted(count))), root, `${count} ids`)
    t.equal(toHex(trieRoot(shuffled(random, counted(count)))), root, `${count} ids, shuffled (seed 7)`)
  }
  const crowded = vectors.crowded.ids.map((id) => fromHex(id) as Uint8Array)
  t.equal(toHex(trieRoot(shuffled(random, crowded))), vectors.crowded.root, 'ids that share their first nibbles')
})

test('sixteen ids are one leaf, one more makes a node with children', async (t) => {
  const sorted = (count: number) => counted(count).sort(Buffer.compare)
  t.same(trieRoot(counted(16)), leafHash(sorted(16)))
  const children = groupByNibble(sorted(17), 0).map((group) => (group.length > 0 ? leafHash(group) : undefined))
  t.same(trieRoot(counted(17)), innerHash(children))
})

test('nibbles are read high half first', async (t) => {
  const id = Uint8Array.of(0xa1, 0xb2)
  t.same(
    [0, 1, 2, 3].map((depth) => nibbleAt(id, depth)),
    [0xa, 0x1, 0xb, 0x2],
  )
})
