import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { streamOf } from '../../../src/base/byte-source.ts'

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
