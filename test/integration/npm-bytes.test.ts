// What goes over the wire of npm's registry: packed packuments, tags, heads and parts, as any client may ask for them.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import tap, { test } from 'tap'
import { startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

const LARGE_BYTES = 900_000
const NAME = 'wired'

/** Without what a friendlier client does by itself: unpacking, and leaving out heads. */
async function ask(url: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const asked = request(url, { method, headers, agent: false }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

async function published(node: TestNode, folder: string, version: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const keywords = Array.from({ length: 100 }, (_, i) => `keyword-${i}`)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: NAME, version, keywords }))
  await writeFile(join(folder, 'large.bin'), randomBytes(LARGE_BYTES))
  const { status, stderr } = await node.run('publish', folder)
  if (status !== 0) throw new Error(stderr)
}

test('a packument goes out as it is accepted, and says when it is still the same', async (t) => {
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'))
  await published(node, join(folder, 'first'), '1.0.0')
  const url = `${node.http}/npm/${NAME}`
  const plain = await ask(url)
  t.equal(plain.headers['content-encoding'], undefined)
  t.equal(plain.headers['content-length'], `${plain.body.length}`)
  t.match(plain.headers.vary, /accept-encoding/)

  const codings = { gzip: gunzipSync, br: brotliDecompressSync }
  for (const [coding, unpack] of Object.entries(codings)) {
    // All at once, as the first of them have it packed.
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask(url, { 'accept-encoding': coding })))
    for (const { headers, body } of answers) {
      t.equal(headers['content-encoding'], coding)
      t.ok(body.length < plain.body.length)
      t.ok(unpack(body).equals(plain.body), `${coding} says the same`)
      t.not(headers.etag, plain.headers.etag, 'other bytes have another tag')
    }
    const tag = answers[0]?.headers.etag ?? ''
    const again = await ask(url, { 'accept-encoding': coding, 'if-none-match': `"other", ${tag}` })
    t.match(again, { status: 304, headers: { etag: tag } })
    t.equal(again.body.length, 0)
    const head = await ask(url, { 'accept-encoding': coding }, 'HEAD')
    t.match(head, { status: 200, headers: { etag: tag, 'content-length': `${answers[0]?.body.length}` } })
    t.equal(head.body.length, 0)
  }
  const accepted = async (text: string) => (await ask(url, { 'accept-encoding': text })).headers['content-encoding']
  t.equal(await accepted('gzip, deflate, br'), 'br', 'the best of them')
  t.equal(await accepted('GZIP;q=0.5, br;q=0'), 'gzip', 'what is refused is not it')
  t.equal(await accepted('gzip;q=0.0'), undefined)
  t.equal(await accepted('deflate, zstd'), undefined)

  await published(node, join(folder, 'second'), '1.1.0')
  const later = await ask(url, { 'accept-encoding': 'gzip', 'if-none-match': plain.headers.etag ?? '' })
  t.equal(later.status, 200, 'it is another one')
  t.strictSame(Object.keys(JSON.parse(gunzipSync(later.body).toString()).versions), ['1.0.0', '1.1.0'])
})

test('a tarball goes out whole, in part, or not at all', async (t) => {
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'))
  await published(node, join(folder, 'first'), '1.0.0')
  const url = `${node.http}/npm/${NAME}/-/${NAME}-1.0.0.tgz`
  const whole = await ask(url, { 'accept-encoding': 'gzip, br' })
  t.equal(whole.headers['content-encoding'], undefined, 'it is packed already')
  t.ok(whole.body.length > LARGE_BYTES)
  t.equal(whole.headers['content-length'], `${whole.body.length}`)
  const head = await ask(url, {}, 'HEAD')
  t.match(head, { status: 200, headers: { 'content-length': `${whole.body.length}`, 'accept-ranges': 'bytes' } })
  t.equal(head.body.length, 0)

  for (const [from, to] of [
    [0, 0],
    [100, 199],
    [1, 700_000],
    [262_143, 262_144 + 262_144],
    [whole.body.length - 1, whole.body.length - 1],
  ] as const) {
    const part = await ask(url, { range: `bytes=${from}-${to}` })
    t.match(part, { status: 206, headers: { 'content-range': `bytes ${from}-${to}/${whole.body.length}` } })
    t.ok(part.body.equals(whole.body.subarray(from, to + 1)), `bytes ${from} to ${to}`)
  }

  // Who goes away in the middle takes nothing along: buffers are used again, and never by two.
  const leave = async () => {
    const asked = request(url, { agent: false }).end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    await once(response, 'data')
    response.destroy()
  }
  await Promise.all(Array.from({ length: 10 }, leave))
  const together = await Promise.all(Array.from({ length: 20 }, () => ask(url)))
  for (const { body } of together) t.ok(body.equals(whole.body))
})
