import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { PublishBody } from '../../../../src/gateway/npm/publish-body.ts'

const tarball = randomBytes(10_000)

function document(more: object = {}, data = tarball.toString('base64')) {
  const [name, version] = ['@acme/tool', '1.0.0']
  return {
    ...{ _id: name, name, 'dist-tags': { latest: version } },
    versions: { [version]: { name, version, readme: 'says "data": "x" and \\ "_attachments"', data: 'kept' } },
    access: null,
    _attachments: { [`${name}-${version}.tgz`]: { content_type: 'x', data, length: tarball.length } },
    ...more,
  }
}

/** In pieces of so many bytes. */
function read(text: string, size: number) {
  const body = new PublishBody()
  const bytes = Buffer.from(text)
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(...body.push(bytes.subarray(at, at + size)))
  return { read: body.end(), bytes: Buffer.concat(pieces), decoded: body.decoded }
}

test('the tarball comes out piece by piece, and the document without it', async (t) => {
  for (const size of [1, 2, 3, 7, 4_096, 1_000_000]) {
    const { read: got, bytes, decoded } = read(JSON.stringify(document()), size)
    t.ok(bytes.equals(tarball), `in pieces of ${size}`)
    t.equal(decoded, tarball.length)
    t.strictSame(got, JSON.parse(JSON.stringify(document({}, ''))))
  }
})

test('slashes may be escaped, keys may come in any order, and what is no tarball is kept', async (t) => {
  const text = JSON.stringify(document()).replaceAll('/', '\\/')
  t.ok(read(text, 100).bytes.equals(tarball))
  const bundle = { 'tool.sigstore': { data: '{"a":"b"}', length: 9 } }
  const { _attachments, ...rest } = document()
  const first = { _attachments: { ...bundle, ..._attachments }, ...rest }
  const { read: got, bytes } = read(JSON.stringify(first, undefined, 2), 11)
  t.match(got._attachments, bundle)
  t.ok(bytes.equals(tarball))
})

test('what is no such document is refused', async (t) => {
  for (const text of ['', '{', '[]', '{"name":1}', `${'['.repeat(70)}`, JSON.stringify(document({ access: 'x' }))]) {
    t.throws(() => read(text, 10), { code: 'USAGE' }, text.slice(0, 20))
  }
  t.throws(() => read(JSON.stringify(document({ readme: 'x'.repeat(9_000_000) })), 1_000_000), {
    code: 'LIMIT_EXCEEDED',
  })
})
