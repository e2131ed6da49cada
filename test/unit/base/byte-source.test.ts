import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { copyToFile, streamOf } from '../../../src/base/byte-source.ts'

test('a stream gives Buffers of the bytes asked for, wherever they lie', async (t) => {
  const path = join(t.testdir({ file: '0123456789' }), 'file')
  t.equal((await buffer(streamOf({ path, offset: 2, length: 3 }))).toString(), '234')
  t.equal((await buffer(streamOf({ path, offset: 2, length: 0 }))).toString(), '')
  const bytes = new Uint8Array(Buffer.from('0123456789')).subarray(2, 5)
  for await (const chunk of streamOf({ offset: 0, length: 3, bytes })) {
    t.ok(Buffer.isBuffer(chunk), 'who reads text or numbers from it needs one')
    t.equal(chunk.toString('latin1'), '234')
  }
  t.equal((await buffer(streamOf({ offset: 0, length: 0, bytes: new Uint8Array(0) }))).length, 0)
})

test('a file that is gone, and a reader who gives up, end the stream with an error and no descriptor', async (t) => {
  const path = join(t.testdir({ file: '0123456789' }), 'file')
  await t.rejects(buffer(streamOf({ path: `${path}-gone`, offset: 0, length: 3 })), { code: 'ENOENT' })
  const stop = new AbortController()
  const stream = streamOf({ path, offset: 0, length: 3 }, stop.signal)
  stop.abort()
  await t.rejects(buffer(stream), { name: 'AbortError' })
  t.ok(stream.destroyed)
})

test('a part of a file is copied whole, or not at all to a file that is there', async (t) => {
  const folder = t.testdir({ there: 'before' })
  const bytes = Buffer.alloc(3 * 1024 * 1024 + 7, 'catalog')
  writeFileSync(join(folder, 'source'), bytes)
  const part = { path: join(folder, 'source'), offset: 5, length: bytes.length - 9 }
  await copyToFile(part, join(folder, 'copy'))
  t.ok(bytes.subarray(5, -4).equals(readFileSync(join(folder, 'copy'))))
  await copyToFile({ offset: 0, length: 3, bytes: Uint8Array.of(1, 2, 3) }, join(folder, 'memory'))
  t.same([...readFileSync(join(folder, 'memory'))], [1, 2, 3])
  await copyToFile({ ...part, length: 0 }, join(folder, 'empty'))
  t.equal(readFileSync(join(folder, 'empty')).length, 0)
  await t.rejects(copyToFile(part, join(folder, 'there')), { code: 'EEXIST' })
  t.equal(readFileSync(join(folder, 'there'), 'utf8'), 'before')
  const beyond = copyToFile({ ...part, length: bytes.length }, join(folder, 'beyond'))
  await t.rejects(beyond, { code: 'FILE_UNREADABLE', message: /ends before byte/ })
  const aborted = copyToFile(part, join(folder, 'aborted'), { signal: AbortSignal.abort(new Error('enough')) })
  await t.rejects(aborted, /enough/)
})
