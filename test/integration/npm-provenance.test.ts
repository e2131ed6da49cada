// What `npm publish --provenance` sends, which only a build service can have npm make: it is kept with the release, and
// told at every node that has it.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { project } from './npm-project.ts'
import { connected, eventually, startNode, type TestNode, tokenOf } from './processes.ts'
import { OutsideRegistry } from './registry.ts'

tap.setTimeout(120_000)

const NAME = '@acme/built'
const PREDICATE = 'https://slsa.dev/provenance/v1'
const MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/** As npm makes it, but for certificates and signatures, which are for clients to check. */
function bundleOf(tarball: Buffer, purl: string): string {
  const sha512 = createHash('sha512').update(tarball).digest('hex')
  const subject = [{ name: purl, digest: { sha512 } }]
  const statement = { _type: 'https://in-toto.io/Statement/v1', subject, predicateType: PREDICATE, predicate: {} }
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64')
  const dsseEnvelope = {
    payload,
    payloadType: 'application/vnd.in-toto+json',
    signatures: [{ sig: 'AAAA', keyid: '' }],
  }
  return JSON.stringify({ mediaType: MEDIA_TYPE, verificationMaterial: {}, dsseEnvelope })
}

function sent({ http }: TestNode, token: string, tarball: Buffer, bundle: string): Promise<Response> {
  const type = 'application/octet-stream'
  const body = {
    ...{
      _id: NAME,
      name: NAME,
      'dist-tags': { latest: '1.0.0' },
      versions: { '1.0.0': { name: NAME, version: '1.0.0' } },
    },
    _attachments: {
      [`${NAME}-1.0.0.tgz`]: { content_type: type, data: tarball.toString('base64'), length: tarball.length },
      [`${NAME}-1.0.0.sigstore`]: { content_type: MEDIA_TYPE, data: bundle, length: bundle.length },
    },
  }
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return fetch(`${http}/npm/${NAME.replace('/', '%2f')}`, { method: 'PUT', headers, body: JSON.stringify(body) })
}

test('what is attested of a version goes with it to other nodes, and into no folder', async (t) => {
  const folder = t.testdir({})
  const near = await startNode(t, join(folder, 'near'))
  const far = await startNode(t, join(folder, 'far'))
  await connected(far, near)
  const token = await tokenOf(near)
  const { npm, folder: source } = await project(join(folder, 'author'), near)
  await writeFile(join(source, 'package.json'), JSON.stringify({ name: NAME, version: '1.0.0' }))
  await npm('pack')
  const tarball = await readFile(join(source, 'acme-built-1.0.0.tgz'))
  const purl = 'pkg:npm/%40acme/built@1.0.0'
  for (const bundle of ['{}', 'no JSON', bundleOf(tarball, 'pkg:npm/other@1.0.0'), bundleOf(Buffer.of(1), purl)]) {
    const refused = await sent(near, token, tarball, bundle)
    t.match([refused.status, await refused.json()], [400, { error: /^What is attested/ }])
  }
  const bundle = bundleOf(tarball, purl)
  t.equal((await sent(near, token, tarball, bundle)).status, 201)

  const told = await eventually('the other node has heard of it', async () => {
    const response = await fetch(`${far.http}/npm/${NAME}`)
    return response.ok ? response.json() : undefined
  })
  const { integrity, attestations } = told.versions['1.0.0'].dist
  t.equal(integrity, `sha512-${createHash('sha512').update(tarball).digest('base64')}`)
  t.match(attestations, { provenance: { predicateType: PREDICATE } })
  t.strictSame(await (await fetch(attestations.url)).json(), {
    attestations: [{ predicateType: PREDICATE, bundle: JSON.parse(bundle) }],
  })
  t.equal((await fetch(attestations.url.replace('1.0.0', '2.0.0'))).status, 404)
  const to = join(folder, 'installed')
  await mkdir(to)
  t.equal((await far.run('install', purl, '--to', to)).status, 0)
  t.strictSame(await readdir(join(to, '@acme/built')), ['package.json'])
  const fetched = await far.run('fetch', purl, '--output', join(folder, 'fetched.tgz'))
  t.equal(fetched.status, 0)
  t.ok(tarball.equals(await readFile(join(folder, 'fetched.tgz'))))
  t.match((await far.run('verify')).lines.at(-1), { type: 'summary', artifacts: 2, damaged: 0 }, 'it is kept here too')
})

test('what an outside registry attests is told here, where clients look for it', async (t) => {
  await using registry = await new OutsideRegistry().start()
  const attestations = [{ predicateType: PREDICATE, bundle: { any: 'thing' } }]
  registry.attested.set('@outer/tool@1.0.0', attestations)
  for (const version of ['1.0.0', '2.0.0']) registry.add({ name: '@outer/tool', version })
  const node = await startNode(t, join(t.testdir({}), 'node'), { env: registry.settings })
  const { versions } = await (await fetch(`${node.http}/npm/@outer%2ftool`)).json()
  const { url } = versions['1.0.0'].dist.attestations
  t.equal(url, `${node.http}/npm/-/npm/v1/attestations/@outer%2ftool@1.0.0`)
  t.strictSame(await (await fetch(url)).json(), { attestations })
  t.notOk('attestations' in versions['2.0.0'].dist)
  t.equal((await fetch(url.replace('1.0.0', '2.0.0'))).status, 404)
  t.equal((await fetch(`${node.http}/npm/-/npm/v1/attestations/nothing`)).status, 404)
  const { keys } = await (await fetch(`${node.http}/npm/-/npm/v1/keys`)).json()
  t.ok(
    keys.some(({ key }: { key: string }) => key === registry.key),
    'with the key that signs there',
  )
  registry.fault = (_request, response) => {
    response.end('no JSON')
    return true
  }
  t.equal((await fetch(url)).status, 502, 'where nothing can be had of it')
})
