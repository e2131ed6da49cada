import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { BLOB_AT_HAND_BYTES_MAX } from '../../../src/base/limits.ts'
import { KiB } from '../../../src/base/units.ts'
import { describeRecovery } from '../../../src/store/recovery.ts'
import { begun, blobOf, bytesOf, nobody, openStore, put, stagedOf } from './opened.ts'

const nothing = { cut: [], removed: [], short: [], scratch: 0, fetches: 0 }

test('a start undoes what was half made, keeps fetches, and tells what is missing', async (t) => {
  const store = await openStore(t)
  const [kept, unfinished] = [blobOf(200_000), blobOf(BLOB_AT_HAND_BYTES_MAX + 1)]
  await put(store, kept, nobody)
  await (await begun(store, unfinished, nobody)).suspend()
  // Killed while it was publishing: bytes are on the disk and no row says so.
  const half = await stagedOf(store, blobOf(BLOB_AT_HAND_BYTES_MAX + 2))
  const large = await stagedOf(store, blobOf(65 * 1024 * KiB))
  await store.scratch.open().folder()
  const after = await store.reopen()
  t.same(after.recovery, {
    cut: [{ pack: 1, bytes: half.place?.bytes }],
    removed: [2],
    short: [],
    scratch: 1,
    fetches: 1,
  })
  t.equal(large.place?.pack, 2)
  t.same(await after.check(), [])
  t.ok((await bytesOf(after, kept.root))?.equals(kept.bytes))
  await after.close()
  truncateSync(join(store.folder, 'packs/00000001.pack'), 1000)
  const short = await openStore(t, store.folder)
  t.match(short.recovery, { cut: [], removed: [], short: [{ pack: 1, missing: Number }] })
  const found = []
  for await (const each of short.scrubber.run(undefined)) found.push(each)
  t.match(found, [{ damaged: 4, chunks: 4 }], 'what was lost is out of sight')
  t.same(describeRecovery(after.recovery).length, 4)
})

test('a start after an orderly end has nothing to tell', async (t) => {
  const store = await openStore(t)
  await put(store, blobOf(200_000), nobody)
  t.same((await store.reopen()).recovery, nothing)
  t.same(describeRecovery(nothing), [])
})

test('each thing done is a sentence, in the singular too', async (t) => {
  t.same(
    describeRecovery({
      cut: [
        { pack: 1, bytes: KiB },
        { pack: 2, bytes: KiB },
      ],
      removed: [3],
      short: [{ pack: 4, missing: 5 * KiB }],
      scratch: 1,
      fetches: 2,
    }),
    [
      '2.0 KiB that nothing had acknowledged were cut off 2 packs.',
      '1 pack with nothing in use was removed.',
      '1 thing half made was removed.',
      '2 unfinished fetches are kept; to go on with one, ask for the package again.',
      'Pack 4 lacks 5.0 KiB that were there: run "catalog verify".',
    ],
  )
  t.same(describeRecovery({ ...nothing, cut: [{ pack: 1, bytes: 5 }], removed: [2, 3], scratch: 2, fetches: 1 }), [
    '5 B that nothing had acknowledged were cut off 1 pack.',
    '2 packs with nothing in use were removed.',
    '2 things half made were removed.',
    '1 unfinished fetch is kept; to go on with one, ask for the package again.',
  ])
})
