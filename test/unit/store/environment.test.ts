import { existsSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { directEffects } from '../../../src/base/effects.ts'
import { CatalogError } from '../../../src/base/errors.ts'
import { MiB } from '../../../src/base/units.ts'
import { Environment } from '../../../src/store/environment.ts'
import { blobOf, type Made, nobody, openStore } from './opened.ts'

const pin = { signer: 'publisher:a', reason: 'trusted', at: 1 } as const

test('a transaction is done when it resolves, and its result comes back', async (t) => {
  const { environment } = await openStore(t)
  const result = await environment.transaction(() => {
    environment.pins.put(['npm', 'x'], pin)
    return environment.pins.get(['npm', 'x'])?.signer
  })
  t.equal(result, 'publisher:a', 'reads inside see its writes')
  t.same(environment.pins.get(['npm', 'x']), pin)
})

test('a transaction that throws leaves nothing', async (t) => {
  const { environment } = await openStore(t)
  await environment.transaction(() => environment.pins.put(['npm', 'kept'], pin))
  const failing = environment.transaction(() => {
    environment.pins.put(['npm', 'x'], pin)
    environment.pins.remove(['npm', 'kept'])
    throw new CatalogError('LIMIT_EXCEEDED', 'enough')
  })
  await t.rejects(failing, { code: 'LIMIT_EXCEEDED' })
  t.equal(environment.pins.get(['npm', 'x']), undefined)
  t.same(environment.pins.get(['npm', 'kept']), pin)
})

test('what is thrown that is no error of ours becomes one', async (t) => {
  const { environment } = await openStore(t)
  const broken = environment.transaction(() => {
    throw new TypeError('a fault')
  })
  await t.rejects(broken, { name: 'CatalogError', code: 'STORE_FAILED', cause: TypeError })
})

test('works that share a commit fail alone, and in order see what came before', async (t) => {
  const { environment } = await openStore(t)
  const put = (name: string) => environment.transaction(() => environment.pins.put(['npm', name], pin))
  const outcomes = await Promise.allSettled([
    put('a'),
    environment.transaction(() => {
      environment.pins.put(['npm', 'b'], pin)
      environment.pins.remove(['npm', 'a'])
      throw new Error('no')
    }),
    put('c'),
    environment.transaction(() => environment.pins.getCount()),
  ])
  t.same(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  t.match(outcomes[3], { value: 2 })
  t.same(
    ['a', 'b', 'c'].map((name) => environment.pins.doesExist(['npm', name])),
    [true, false, true],
  )
})

test('closing commits what is queued', async (t) => {
  const store = await openStore(t)
  const queued = store.environment.transaction(() => store.environment.pins.put(['npm', 'x'], pin))
  const { environment } = await store.reopen()
  await queued
  t.same(environment.pins.get(['npm', 'x']), pin)
})

test('a closed store refuses', async (t) => {
  const { environment, reopen } = await openStore(t)
  await reopen()
  await t.rejects(
    environment.transaction(() => undefined),
    { name: 'CatalogError' },
  )
})

test('keys of parts come back as they were, whatever is in them, and in order', async (t) => {
  const { environment } = await openStore(t)
  const names = ['', 'a', 'a\u0000', 'a\u0000b', 'a\u001eb', 'ab', 'é', '1', '\u{1f600}', '\uffff', 'x'.repeat(512)]
  await environment.transaction(() => {
    for (const name of names) environment.pins.put(['npm', name], { ...pin, signer: name })
  })
  for (const name of names) t.equal(environment.pins.get(['npm', name])?.signer, name)
  const rows = [...environment.pins.getRange({})]
  t.equal(rows.length, names.length)
  t.ok(rows.every(({ key, value }) => key[1] === value.signer))
})

test('a slot’s key may have the longest signer, kind and subject there are', async (t) => {
  const { environment } = await openStore(t)
  for (const filler of ['x', '\u0000', '\uffff']) {
    const key = ['private', `publisher:${'a'.repeat(86)}`, 'k'.repeat(32), filler.repeat(512)]
    await environment.transaction(() => environment.slots.put(key, [{ id: new Uint8Array(32), seq: 1 }]))
    t.match(environment.slots.get(key), [{ seq: 1 }])
  }
})

test('a store of another version is refused', async (t) => {
  for (const [version, which] of [
    [2, /before its first release/],
    [4, /later version/],
  ] as const) {
    const store = await openStore(t, t.testdir({}))
    await store.environment.transaction(() => store.environment.meta.put('version', version))
    await t.rejects(store.reopen(), { code: 'STORE_FORMAT', message: which, hint: /--data-dir/ })
  }
})

test('a database that cannot be opened is a CatalogError', async (t) => {
  const folder = t.testdir({ database: 'a file that is no database' })
  await t.rejects(openStore(t, folder), { name: 'CatalogError' })
})

test('a refused store is closed again', async (t) => {
  const folder = t.testdir({})
  const store = await openStore(t, folder)
  await store.environment.transaction(() => store.environment.meta.put('version', 99))
  await t.rejects(store.reopen(), { code: 'STORE_FORMAT' })
  await new Promise((resolve) => setImmediate(resolve))
  const open = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : []
  const targets = open.map((fd) => (existsSync(`/proc/self/fd/${fd}`) ? readlinkSync(`/proc/self/fd/${fd}`) : ''))
  t.notOk(targets.some((path) => path.startsWith(folder)))
})

test('what there is no room for is refused before it is begun, and nothing else is lost', async (t) => {
  const failures: CatalogError[] = []
  let room = 10 * MiB
  const guard = (bytes: number) => {
    if (bytes > room) throw new CatalogError('DISK_FULL', 'full')
  }
  const path = join(t.testdir({}), 'database')
  const onFailure = (error: CatalogError) => failures.push(error)
  const environment = new Environment({ effects: directEffects }, { path, guard, onFailure })
  t.teardown(() => environment.close())
  const put = (name: string, bytes: number) =>
    environment.transaction(() => environment.pins.put(['npm', name], pin), bytes)
  const outcomes = await Promise.allSettled([put('a', 9 * MiB), put('b', 9 * MiB), put('c', 11 * MiB)])
  t.match(outcomes, [
    { status: 'fulfilled' },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'DISK_FULL' } },
  ])
  room = 0
  await t.rejects(put('d', 1), { code: 'DISK_FULL' })
  room = MiB
  await put('d', 1)
  t.same(
    ['a', 'b', 'c', 'd'].map((name) => environment.pins.doesExist(['npm', name])),
    [true, true, false, true],
  )
  t.same(failures, [])
})

test('after a commit that failed nothing is written any more, it is told once, and reads go on', async (t) => {
  const failures: CatalogError[] = []
  const path = join(t.testdir({}), 'database')
  const onFailure = (error: CatalogError) => failures.push(error)
  const environment = new Environment({ effects: directEffects }, { path, onFailure })
  t.teardown(() => environment.close())
  await environment.transaction(() => environment.pins.put(['npm', 'before'], pin))
  let rolledBack = 0
  let fails = true
  environment.addHook({
    beforeCommit() {
      if (fails) throw new Error('no write')
    },
    rolledBack: () => {
      rolledBack++
    },
  })
  const put = () => environment.transaction(() => environment.pins.put(['npm', 'x'], pin))
  const both = await Promise.allSettled([put(), put()])
  t.match(both, [{ reason: { code: 'STORE_FAILED' } }, { reason: { code: 'STORE_FAILED' } }])
  fails = false
  await t.rejects(put(), { code: 'STORE_FAILED', hint: /start the node again/ })
  t.match(failures, [{ code: 'STORE_FAILED', message: /no write/ }])
  t.ok(rolledBack > 0)
  t.ok(environment.pins.doesExist(['npm', 'before']))
  t.notOk(environment.pins.doesExist(['npm', 'x']))
})

test('a work that throws makes the others of its group run again, and no sum counts twice', async (t) => {
  const store = await openStore(t)
  const { environment, blobs } = store
  const [first, second] = [blobOf(5), blobOf(6)]
  const link = (blob: Made) =>
    environment.transaction(() => blobs.link({ ...blob, bytes: blob.bytes }, nobody, 'fetched'))
  const outcomes = await Promise.allSettled([
    link(first),
    environment.transaction(() => {
      throw new CatalogError('LIMIT_EXCEEDED', 'no')
    }),
    link(second),
  ])
  t.match(outcomes, [{ status: 'fulfilled' }, { reason: { code: 'LIMIT_EXCEEDED' } }, { status: 'fulfilled' }])
  t.same(blobs.usage(), { blobs: 2, bytes: 11, mirroredBytes: 11 })
  t.same(await store.check(), [])
})

test('a copy is the database of one moment; one that cannot be made is told', async (t) => {
  const { environment, folder } = await openStore(t)
  const put = (name: string) => environment.transaction(() => environment.pins.put(['npm', name], pin))
  await put('a')
  const target = join(folder, 'copy')
  mkdirSync(target)
  await Promise.all([environment.copyTo(target), put('b')])
  const copy = new Environment({ effects: directEffects }, { path: target })
  t.teardown(() => copy.close())
  t.ok(copy.pins.doesExist(['npm', 'a']))
  t.notOk(copy.isNew)
  await t.rejects(environment.copyTo(join(folder, 'nowhere')), { code: 'STORE_FAILED', message: /No such file/ })
})
