// Backup, restore and rebuild, on directories that no node has.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { KiB } from '../../../src/base/units.ts'
import { rebuildIndexIn, restoreInto } from '../../../src/cli/offline.ts'
import type { Line } from '../../../src/gateway/api/operation.ts'
import { backUp } from '../../../src/store/backup.ts'
import { claimDirectory, dataPaths } from '../../../src/store/data-directory.ts'
import { blobOf, bytesOf, fetched, type Opened, openStore, put } from '../store/opened.ts'

const never = new AbortController().signal
const [release, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]

async function linesOf(lines: AsyncIterable<Line>): Promise<Line[]> {
  const all: Line[] = []
  for await (const line of lines) all.push(line)
  return all
}

/** Own and fetched blobs in two packs and in the database, one of them under two releases. */
async function filled(t: Test) {
  const store = await openStore(t, join(t.testdir({}), 'data'))
  const [own, mirrored, later, small] = [blobOf(300 * KiB), blobOf(90 * KiB), blobOf(70 * KiB), blobOf(5)]
  await put(store, own, release)
  await store.blobs.fetchedAgain(own.root, other)
  await fetched(store, mirrored, other)
  store.packs.retire(1)
  await put(store, later, release)
  await put(store, small, release)
  t.equal(readdirSync(join(store.folder, 'packs')).length, 2)
  return { store, own, blobs: [own, mirrored, later, small] }
}

/** Copy it aside, as "catalog backup" does. */
async function backedUp({ environment, packs, disk, folder }: Opened): Promise<string> {
  const target = `${folder}-copy`
  mkdirSync(join(folder, 'keys'), { recursive: true })
  writeFileSync(join(folder, 'keys', 'node.key'), 'secret', { mode: 0o600 })
  writeFileSync(join(folder, 'catalog.toml'), 'mdns = false\n')
  await backUp({ environment, packs, disk, effects: directEffects }, dataPaths(folder), target)
  return target
}

test('the index is made anew from the packs, and says again whose each blob is', async (t) => {
  const { store, own, blobs } = await filled(t)
  const { environment } = store
  const before = store.blobs.usage()
  await environment.transaction(() => {
    for (const table of [environment.packs, environment.extents]) {
      for (const key of [...table.getKeys({})]) table.remove(key as never)
    }
    environment.blobs.remove(own.root)
    environment.meta.put('bytes', 12)
  })
  t.not((await store.check()).length, 0)
  const reopen = store.reopen
  await environment.close()
  t.match(await linesOf(rebuildIndexIn(store.folder, never)), [
    { type: 'rebuilt', pack: 1, blobs: 2, bytes: 390 * KiB },
    { type: 'rebuilt', pack: 2, blobs: 1, bytes: 70 * KiB },
    { type: 'summary', orphans: 4, keptUntil: /^20/ },
  ])
  const again = await reopen()
  t.same(await again.check(), [])
  t.same(again.blobs.usage(), before)
  t.ok(again.blobs.isOwn(own.root))
  t.ok(again.blobs.isUnder(own.root, other))
  for (const blob of blobs) t.ok((await bytesOf(again, blob.root))?.equals(blob.bytes))
})

test('a rebuild that was cut off keeps the store shut, and is done by the next one', async (t) => {
  const { store, own, blobs } = await filled(t)
  await store.environment.close()
  for await (const { pack } of rebuildIndexIn(store.folder, never)) {
    t.equal(pack, 1)
    break
  }
  await t.rejects(openStore(t, store.folder), { code: 'STORE_DAMAGED', hint: /doctor --rebuild-index/ })
  t.equal(readdirSync(join(store.folder, 'packs')).length, 2, 'no pack was taken for nobody’s')
  const cancelled = AbortSignal.abort('enough')
  await t.rejects(linesOf(rebuildIndexIn(store.folder, cancelled)), { code: 'ABORTED' })
  t.equal((await linesOf(rebuildIndexIn(store.folder, never))).length, 3)
  const again = await store.reopen()
  t.same(await again.check(), [])
  t.ok(again.blobs.isOwn(own.root))
  for (const blob of blobs) t.ok((await bytesOf(again, blob.root))?.equals(blob.bytes))
})

test('nothing is done to a directory that a process has', async (t) => {
  const { store } = await filled(t)
  const backup = await backedUp(store)
  const lock = await claimDirectory(dataPaths(store.folder))
  const locked = { code: 'DATA_DIR_LOCKED', details: { pid: process.pid } }
  await t.rejects(linesOf(rebuildIndexIn(store.folder, never)), locked)
  await t.rejects(linesOf(restoreInto(store.folder, backup, never)), locked)
  lock.release()
  await t.rejects(linesOf(restoreInto(store.folder, backup, never)), { code: 'TARGET_EXISTS' })
})

test('a backup becomes a data directory like the one it was made of', async (t) => {
  const { store, blobs } = await filled(t)
  const backup = await backedUp(store)
  const target = `${store.folder}-restored`
  const lines = await linesOf(restoreInto(`${target}/`, backup, never))
  const progress = lines.at(-2)
  t.match(progress, { type: 'progress', bytes: progress?.['total'] })
  t.match(lines.at(-1), { type: 'restored', dataDir: target, bytes: progress?.['total'] })
  t.equal(statSync(target).mode & 0o777, 0o700)
  t.equal(statSync(join(target, 'keys/node.key')).mode & 0o777, 0o600)
  t.ok(existsSync(join(target, 'catalog.toml')))
  t.notOk(existsSync(join(target, 'backup.json')))
  const restored = await openStore(t, target)
  t.same(await restored.check(), [])
  t.same(restored.blobs.usage(), store.blobs.usage())
  for (const blob of blobs) t.ok((await bytesOf(restored, blob.root))?.equals(blob.bytes))
})

test('only a whole backup is restored, and half a restore leaves nothing', async (t) => {
  const { store } = await filled(t)
  const target = `${store.folder}-restored`
  for (const source of [store.folder, join(store.folder, 'nowhere'), join(store.folder, 'catalog.toml')]) {
    await t.rejects(linesOf(restoreInto(target, source, never)), { code: 'NOT_FOUND', hint: /catalog backup/ })
  }
  const backup = await backedUp(store)
  await t.rejects(linesOf(restoreInto(target, backup, AbortSignal.abort())), { code: 'ABORTED' })
  t.notOk(existsSync(target))
  t.notOk(existsSync(`${target}.restoring`))
  // What a process that was killed left, even of another backup, is not mixed in.
  mkdirSync(`${target}.restoring/keys`, { recursive: true })
  writeFileSync(`${target}.restoring/keys/publisher-root.key`, 'of another')
  await linesOf(restoreInto(target, backup, never))
  t.same(readdirSync(join(target, 'keys')), ['node.key'])
  writeFileSync(join(backup, 'backup.json'), '{"format":2}')
  await t.rejects(linesOf(restoreInto(`${target}-2`, backup, never)), { code: 'STORE_FORMAT' })
})

test('half a backup is cleared away, and nothing that was there before', async (t) => {
  const { store } = await filled(t)
  const { environment, packs, disk, folder } = store
  const components = { environment, packs, disk, effects: directEffects }
  const target = `${folder}-copy`
  mkdirSync(target)
  const cancel = new AbortController()
  const onProgress = () => cancel.abort()
  const cut = backUp(components, dataPaths(folder), target, { signal: cancel.signal, onProgress })
  await t.rejects(cut, { code: 'ABORTED' })
  t.same(readdirSync(target), [])
  writeFileSync(join(target, 'mine'), 'text')
  await t.rejects(backUp(components, dataPaths(folder), target), { code: 'TARGET_EXISTS' })
  t.same(readdirSync(target), ['mine'])
  await t.rejects(backUp(components, dataPaths(folder), join(target, 'mine')), { code: 'FILE_UNREADABLE' })
})
