import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { seededRandom, systemRandom } from '../../../src/base/random.ts'
import { loadOrCreateSeed, peerIdOf } from '../../../src/network/identity.ts'

test('makes a seed that only its owner can read, and finds it again', async (t) => {
  const path = join(t.testdir(), 'node.key')
  const seed = await loadOrCreateSeed(path, systemRandom)
  t.equal(seed.length, 32)
  t.same(await readFile(path), Buffer.from(seed))
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.same(await loadOrCreateSeed(path, systemRandom), seed)
})

test('two that start at once agree on one seed, or one is refused', async (t) => {
  const path = join(t.testdir(), 'node.key')
  const results = await Promise.allSettled([loadOrCreateSeed(path, systemRandom), loadOrCreateSeed(path, systemRandom)])
  const seeds = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  t.ok(seeds.length > 0)
  for (const seed of seeds) t.same(Buffer.from(seed), await readFile(path))
})

test('refuses a seed that others can read', {
  skip: process.platform === 'win32' ? 'no mode bits' : false,
}, async (t) => {
  const path = join(t.testdir({ 'node.key': Buffer.alloc(32) }), 'node.key')
  for (const mode of [0o640, 0o604, 0o620]) {
    await chmod(path, mode)
    await t.rejects(loadOrCreateSeed(path, systemRandom), { code: 'DATA_DIR', hint: /chmod 600/ })
  }
  await chmod(path, 0o400)
  t.same(await loadOrCreateSeed(path, systemRandom), new Uint8Array(32))
})

test('refuses what is not 32 bytes', async (t) => {
  const path = join(t.testdir(), 'node.key')
  await writeFile(path, Buffer.alloc(31), { mode: 0o600 })
  await t.rejects(loadOrCreateSeed(path, systemRandom), { code: 'DATA_DIR', message: /31 bytes/ })
})

test('says why a key cannot be made', async (t) => {
  await t.rejects(loadOrCreateSeed(join(t.testdir(), 'absent', 'node.key'), systemRandom), { code: 'FILE_UNREADABLE' })
})

test('a seed has one peer id', async (t) => {
  const seed = seededRandom(1).bytes(32)
  t.match(peerIdOf(seed), /^12D3KooW/)
  t.equal(peerIdOf(seed), peerIdOf(seed.slice()))
  // Seed of all zeros: the same id in every libp2p implementation.
  t.equal(peerIdOf(new Uint8Array(32)), '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN')
})
