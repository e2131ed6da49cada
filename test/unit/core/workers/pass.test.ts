import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadCore } from '../../../../src/core/load.ts'
import type { Core } from '../../../../src/core/surface.ts'
import { passOver } from '../../../../src/core/workers/pass.ts'

const ARENA = 131_072

/** A core that does something to the file each time it is asked to hash. */
async function meddling(meddle: () => void): Promise<Core> {
  const core = await loadCore('wasm')
  return {
    backend: 'wasm',
    abi: () => core.abi(),
    features: () => core.features(),
    merkleRoot: (...args) => core.merkleRoot(...args),
    sha256Many(...args) {
      meddle()
      return core.sha256Many(...args)
    },
  }
}

test('a file that shrinks while it is read is unreadable', async (t) => {
  const path = join(t.testdir({ file: 'x'.repeat(3 * ARENA) }), 'file')
  const core = await meddling(() => truncateSync(path, ARENA + 10))
  t.throws(() => passOver(core, new Uint8Array(ARENA), { path }), {
    code: 'FILE_UNREADABLE',
    message: /ends at byte 131082, before byte 393216/,
  })
})

test('what is written is what was hashed, whatever happens to the file meanwhile', async (t) => {
  const dir = t.testdir({ file: 'x'.repeat(2 * ARENA), target: '' })
  const path = join(dir, 'file')
  const core = await meddling(() => writeFileSync(path, 'y'.repeat(2 * ARENA)))
  const target = join(dir, 'target')
  const { root } = passOver(core, new Uint8Array(ARENA), { path }, target)
  t.equal(readFileSync(target, 'utf8'), 'x'.repeat(ARENA) + 'y'.repeat(ARENA))
  t.same(passOver(await loadCore('wasm'), new Uint8Array(ARENA), { path: target }).root, root)
})

test('a range is read from its offset and must lie within the file', async (t) => {
  const dir = t.testdir({ file: 'abcdefgh', part: 'cde' })
  const path = join(dir, 'file')
  const core = await loadCore('wasm')
  const pass = (offset: number, length?: number) => passOver(core, new Uint8Array(ARENA), { path, offset, length })
  t.same(pass(2, 3), passOver(core, new Uint8Array(ARENA), { path: join(dir, 'part') }))
  t.equal(pass(2).size, 6)
  t.equal(pass(8).size, 0)
  for (const [offset, length] of [
    [0, 9],
    [8, 1],
    [9, undefined],
    [-1, 1],
  ] as const) {
    t.throws(() => pass(offset, length), { code: 'FILE_UNREADABLE' })
  }
})
