import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadCore } from '../../../../src/core/load.ts'
import type { Core } from '../../../../src/core/surface.ts'
import type { Bench } from '../../../../src/core/workers/bench.ts'
import { digestFile } from '../../../../src/core/workers/digest.ts'

const SLOT = 131_072

/** A bench whose core does something each time it is asked to hash. */
async function benchWith(meddle: () => void = () => undefined): Promise<Bench> {
  const core = await loadCore('wasm')
  const meddling = {
    sha256Many(...args: Parameters<Core['sha256Many']>) {
      meddle()
      return core.sha256Many(...args)
    },
  } as Core
  return { core: meddling, roots: core, bytes: new Uint8Array(SLOT), mustStop: false }
}

test('a file that shrinks while it is read is unreadable', async (t) => {
  const path = join(t.testdir({ file: 'x'.repeat(3 * SLOT) }), 'file')
  const bench = await benchWith(() => truncateSync(path, SLOT + 10))
  t.throws(() => digestFile(bench, { path }), {
    code: 'FILE_UNREADABLE',
    message: /ends at byte 131082, before byte 393216/,
  })
})

test('what is written is what was hashed, whatever happens to the file meanwhile', async (t) => {
  const dir = t.testdir({ file: 'x'.repeat(2 * SLOT), target: '' })
  const path = join(dir, 'file')
  const bench = await benchWith(() => writeFileSync(path, 'y'.repeat(2 * SLOT)))
  const target = join(dir, 'target')
  const { root } = digestFile(bench, { path, target: { path: target } })
  t.equal(readFileSync(target, 'utf8'), 'x'.repeat(SLOT) + 'y'.repeat(SLOT))
  t.same(digestFile(await benchWith(), { path: target }).root, root)
})

test('a range is read from its offset and must lie within the file', async (t) => {
  const dir = t.testdir({ file: 'abcdefgh', part: 'cde' })
  const path = join(dir, 'file')
  const bench = await benchWith()
  const pass = (offset: number, length?: number) => digestFile(bench, { path, offset, length })
  t.same(pass(2, 3), digestFile(bench, { path: join(dir, 'part') }))
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

test('it looks whether to stop before each portion, and stops with the extent half written', async (t) => {
  const dir = t.testdir({ file: 'x'.repeat(3 * SLOT), target: '' })
  let portions = 0
  const bench = {
    ...(await benchWith(() => portions++)),
    get mustStop() {
      return portions === 2
    },
  }
  const target = join(dir, 'target')
  t.throws(() => digestFile(bench, { path: join(dir, 'file'), target: { path: target } }), { code: 'ABORTED' })
  t.equal(readFileSync(target).length, 2 * SLOT)
})
