// Every rule is broken once, by one row or byte, and has to complain; a sound store has nothing to say.
import { truncateSync, unlinkSync } from 'node:fs'
import { test } from 'tap'
import { toHex } from '../../../src/base/bytes.ts'
import type { Repair } from '../../../src/store/check.ts'
import type { Environment } from '../../../src/store/environment.ts'
import { publisherOf, releaseOf } from '../model/made.ts'
import { begun, blobOf, fetched, nobody, type Opened, openStore, put, released } from './opened.ts'

const [placed, second, small, far] = [blobOf(100_000), blobOf(70_000), blobOf(100), blobOf(80_000)]
const unfinished = blobOf(1_200_000)
const [first, other] = [publisherOf(0), publisherOf(1)]
const signer = first.signer

/** What is changed in one transaction. */
type Change = (environment: Environment, store: Opened) => void

interface Fault {
  readonly what: string
  readonly change?: Change
  /** To files, the store being closed for it. */
  readonly onDisk?: (store: Opened) => void
  readonly problem: RegExp
  readonly subject: RegExp | string
  readonly repair: Repair
}

function keyOf({ environment }: Opened, root: Uint8Array): number[] {
  const { pack = 0, offset = 0 } = environment.blobs.get(root) ?? environment.downloads.get(root) ?? {}
  return [pack, offset]
}

/** A record of the first publisher, by its place among those on the shelf. */
function recordOf({ records }: Opened): Uint8Array {
  return records.shelves.ids('public', signer)[0] ?? nobody
}

const shelf = ['public', signer]
const onShelf = { subject: `public ${signer}`, repair: 'restore' } as const
const aboutPlaced = { subject: `blob ${toHex(placed.root)}`, repair: 'rebuild-index' } as const

const FAULTS: readonly Fault[] = [
  {
    ...onShelf,
    what: 'a shelf that counts one record too many',
    change: ({ shelves }) => shelves.put(shelf, { count: 4, bytes: 0, root: shelves.get(shelf)?.root ?? nobody }),
    problem: /its count is 4, and 3 records/,
  },
  {
    ...onShelf,
    what: 'a shelf with the root of another',
    change: ({ shelves }) => shelves.put(shelf, { count: 3, bytes: 0, root: nobody }),
    problem: /its root is not/,
  },
  {
    ...onShelf,
    what: 'a record that is gone',
    change: ({ records }, store) => records.remove(recordOf(store)),
    problem: /stands on it and is not there/,
  },
  {
    what: 'a record with the bytes of another',
    change: ({ records }, store) => records.put(recordOf(store), other.document.envelope),
    problem: /another id/,
    subject: /^record/,
    repair: 'restore',
  },
  {
    what: 'a record of no sense',
    change: ({ records }, store) => records.put(recordOf(store), Buffer.from('nonsense')),
    problem: /./,
    subject: /^record/,
    repair: 'restore',
  },
  {
    what: 'a feed with a gap',
    change: ({ feed }) => feed.remove(2),
    problem: /3 follows 1/,
    subject: 'feed',
    repair: 'restore',
  },
  {
    what: 'a feed that is gone',
    change: ({ feed }) => {
      for (const key of [...feed.getKeys({})]) feed.remove(key)
    },
    problem: /empty/,
    subject: 'feed',
    repair: 'restore',
  },
  {
    ...aboutPlaced,
    what: 'a blob under no release',
    change: ({ blobReleases }) => {
      for (const key of [...blobReleases.getKeys({})]) {
        if (toHex(key).startsWith(toHex(placed.root))) blobReleases.remove(key)
      }
    },
    problem: /under no release/,
  },
  {
    what: 'a release of a blob that is not here',
    change: ({ blobReleases }) => blobReleases.put(Buffer.concat([nobody, nobody]), 'fetched'),
    problem: /is not here/,
    subject: `blob ${toHex(nobody)}`,
    repair: 'rebuild-index',
  },
  {
    what: 'an inline blob without bytes',
    change: ({ inline }) => inline.remove(small.root),
    problem: /no of its 100 bytes/,
    subject: `blob ${toHex(small.root)}`,
    repair: 'verify',
  },
  {
    what: 'an inline blob with too few bytes',
    change: ({ inline }) => inline.put(small.root, Buffer.alloc(99)),
    problem: /99 of its 100 bytes/,
    subject: `blob ${toHex(small.root)}`,
    repair: 'verify',
  },
  {
    what: 'bytes of a blob that nobody knows',
    change: ({ inline }) => inline.put(nobody, Buffer.alloc(5)),
    problem: /that nobody knows/,
    subject: 'inline',
    repair: 'rebuild-index',
  },
  {
    what: 'a sum that is none',
    change: ({ meta }) => meta.put('mirroredBytes', 17),
    problem: /the sum says 17, the rows 80000/,
    subject: 'mirroredBytes',
    repair: 'rebuild-index',
  },
  {
    what: 'a sum of what may go that is none',
    change: ({ meta }) => meta.put('idleBytes', 17),
    problem: /the sum says 17, the rows 80000/,
    subject: 'idleBytes',
    repair: 'rebuild-index',
  },
  {
    what: 'a mirrored blob that is not among those that may go',
    change: (_, { blobs }) => blobs.idle.change(blobs.idleOf(far.root), undefined),
    problem: /would never make room/,
    subject: `blob ${toHex(far.root)}`,
    repair: 'rebuild-index',
  },
  {
    what: 'a blob of this node among those that may go',
    change: (_, { blobs }) => blobs.idle.change(undefined, { root: placed.root, size: placed.size, since: 0 }),
    problem: /2 blobs are to go first, 1 may go/,
    subject: 'idle',
    repair: 'rebuild-index',
  },
  {
    ...aboutPlaced,
    what: 'a blob without an extent',
    change: ({ extents }, store) => extents.remove(keyOf(store, placed.root)),
    problem: /not known as its own/,
  },
  {
    ...aboutPlaced,
    what: 'a blob whose extent is another’s',
    change: ({ extents }, store) =>
      extents.put(keyOf(store, placed.root), { root: second.root, bytes: 100_352, sealed: true }),
    problem: /not known as its own/,
  },
  {
    ...aboutPlaced,
    what: 'a blob whose extent is too short',
    change: ({ extents }, store) =>
      extents.put(keyOf(store, placed.root), { root: placed.root, bytes: 64, sealed: true }),
    problem: /not known as its own/,
  },
  {
    what: 'an extent that nobody owns',
    change: ({ extents }) => extents.put([1, 4096], { root: nobody, bytes: 64, sealed: true }),
    problem: /nobody owns it/,
    subject: 'extent 1:4096',
    repair: 'rebuild-index',
  },
  {
    what: 'extents that overlap',
    change: ({ extents }, store) => {
      const [pack = 0, offset = 0] = keyOf(store, second.root)
      extents.put([pack, offset - 64], { root: nobody, bytes: 128, sealed: true })
    },
    problem: /overlaps/,
    subject: /^extent 1:/,
    repair: 'rebuild-index',
  },
  {
    what: 'a fetch without an extent',
    change: ({ extents }, store) => extents.remove(keyOf(store, unfinished.root)),
    problem: /its extent is not known/,
    subject: `fetch ${toHex(unfinished.root)}`,
    repair: 'rebuild-index',
  },
  {
    what: 'a pack that counts too much',
    change: ({ packs }) => packs.put(1, { end: 10_000_000, live: 17, alone: false }),
    problem: /17 live bytes are counted/,
    subject: 'pack 1',
    repair: 'rebuild-index',
  },
  {
    what: 'an extent behind the end of its pack',
    change: ({ packs }) => packs.put(1, { end: 64, live: packs.get(1)?.live ?? 0, alone: false }),
    problem: /behind its end/,
    subject: 'pack 1',
    repair: 'rebuild-index',
  },
  {
    what: 'a pack that is not known',
    change: ({ packs }) => packs.remove(1),
    problem: /extents lie in it and it is not known/,
    subject: 'pack 1',
    repair: 'rebuild-index',
  },
  {
    what: 'a pack that is too short',
    onDisk: ({ packs }) => truncateSync(packs.path(1), 1000),
    problem: /its file has 1000 bytes/,
    subject: 'pack 1',
    repair: 'verify',
  },
  {
    what: 'a pack that is gone',
    onDisk: ({ packs }) => unlinkSync(packs.path(1)),
    problem: /its file has 0 bytes/,
    subject: 'pack 1',
    repair: 'verify',
  },
]

test('each fault is found, and told what it is about and what mends it', async (t) => {
  for (const { what, change, onDisk, subject, problem, repair } of FAULTS) {
    const store = await openStore(t, t.testdir({}))
    const release = await released(store, '1.0.0')
    for (const blob of [placed, second, small]) await put(store, blob, release)
    await fetched(store, far, release)
    await (await begun(store, unfinished, release)).suspend()
    t.same(await store.check(), [], 'a sound store')
    await store.environment.transaction(() => change?.(store.environment, store))
    onDisk?.(store)
    t.match(
      (await store.check()).filter((found) => problem.test(found.problem)),
      [{ subject, problem, repair }],
      what,
    )
    await store.close()
  }
})

test('an empty store is sound', async (t) => {
  t.same(await (await openStore(t)).check(), [])
})

test('a large store is looked at in slices: others get their turn, and may end it', async (t) => {
  const store = await openStore(t)
  const publisher = publisherOf(0)
  const versions = Array.from({ length: 1_200 }, (_, patch) => releaseOf(publisher, { version: `1.0.${patch}` }))
  const records = [publisher.document, ...versions]
  await store.records.admitAll(records.map((record) => ({ record, audience: 'public' as const })))
  let turns = 0
  let going = true
  const take = () => {
    turns++
    if (going) setImmediate(take)
  }
  setImmediate(take)
  t.same(await store.check(), [])
  going = false
  t.ok(turns > 20, `${turns} turns`)
  const stop = new AbortController()
  setImmediate(() => stop.abort(new Error('enough')))
  await t.rejects(store.check(stop.signal), { code: 'ABORTED' })
})
