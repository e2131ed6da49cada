// The npm that is at hand, unmodified, against a node's registry: what one node has published is installed from
// another.
import { createVerify, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { failure, type Project, project } from './npm-project.ts'
import { connected, eventually, type Line, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const TOOL = '@acme/tool'

interface Dist {
  readonly integrity: string
  readonly signatures: { readonly keyid: string; readonly sig: string }[]
}

async function publish(node: TestNode, folder: string, manifest: object, flags: string[] = []): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
  await writeFile(join(folder, 'index.js'), `module.exports = ${JSON.stringify(manifest)}\n`)
  const { status, stderr } = await node.run('publish', folder, ...flags)
  if (status !== 0) throw new Error(stderr)
}

/** Packed by npm, under a name of this test's. */
async function tarballOf(npm: Project['npm'], folder: string, name: string): Promise<string> {
  await npm('pack')
  return join(folder, `acme-${name}.tgz`)
}

/** What npm would send, had it not looked whether the version is there. */
function sent({ http }: TestNode, token: string, name: string, tarball: Buffer): Promise<Response> {
  const attachment = {
    content_type: 'application/octet-stream',
    data: tarball.toString('base64'),
    length: tarball.length,
  }
  const body = {
    ...{ _id: name, name, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': { name, version: '1.0.0' } } },
    _attachments: { [`${name}-1.0.0.tgz`]: attachment },
  }
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return fetch(`${http}/npm/${name.replace('/', '%2f')}`, { method: 'PUT', headers, body: JSON.stringify(body) })
}

test('npm installs from one node what another has published', async (t) => {
  const sources = t.testdir({})
  const far = await startNode(t, join(sources, 'far'))
  const near = await startNode(t, join(sources, 'near'))
  await publish(far, join(sources, 'part'), { name: 'part', version: '1.0.0', description: 'A part of a tool' })
  await publish(far, join(sources, 'part-2'), { name: 'part', version: '2.0.0', description: 'A part of a tool' })
  await publish(far, join(sources, 'part-3'), { name: 'part', version: '3.0.0-rc.1' })
  await publish(far, join(sources, 'hidden'), { name: 'hidden', version: '1.0.0' }, ['--permission', 'private'])
  const bin = { tool: 'index.js' }
  await publish(far, join(sources, 'tool'), { name: TOOL, version: '1.2.3', dependencies: { part: '^1.0.0' }, bin })
  await connected(near, far)

  const { folder, npm } = await project(join(sources, 'user'), near)
  await npm('install', TOOL)
  const installed = async (name: string) =>
    JSON.parse(await readFile(join(folder, 'node_modules', name, 'package.json'), 'utf8'))
  t.match(await installed(TOOL), { version: '1.2.3' })
  t.match(await installed('part'), { version: '1.0.0' }, 'in the range that is asked for')
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8'))
  t.match(lock.packages[`node_modules/${TOOL}`], { integrity: /^sha512-/, resolved: /tool-1\.2\.3\.tgz$/ })
  await npm('ci')
  t.match(JSON.parse(await npm('view', 'part', '--json')), { version: '2.0.0', 'dist-tags': { latest: '2.0.0' } })
  t.match(JSON.parse(await npm('view', 'part@next', '--json').catch(() => '{}')), {}, 'no tag but the newest')
  t.match(JSON.parse(await npm('outdated', '--all', '--json').catch(({ stdout }) => stdout)), {
    part: { current: '1.0.0', latest: '2.0.0' },
  })
  t.match(JSON.parse(await npm('search', 'part of a tool', '--json')), [{ name: 'part', version: '2.0.0' }])
  t.match(await npm('dist-tag', 'ls', 'part'), 'latest: 2.0.0')
  t.match(await npm('pack', 'part@^1'), 'part-1.0.0.tgz')
  t.match(await failure(npm('view', 'hidden')), /E404/, 'what is private is not there')
})

test('npm publishes at one node what is installed from another', async (t) => {
  const sources = t.testdir({})
  const near = await startNode(t, join(sources, 'near'))
  const far = await startNode(t, join(sources, 'far'))
  await connected(far, near)
  const made = await near.run('token', 'create', 'for npm')
  const [{ token, id }] = made.lines as [Line & { token: string; id: string }]
  const { folder, npm } = await project(join(sources, 'author'), near)
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: '@acme/made', version: '1.0.0', main: 'x.js' }))
  await writeFile(join(folder, 'x.js'), 'module.exports = 1\n')
  const bytes = randomBytes(3_000_000)
  await writeFile(join(folder, 'large.bin'), bytes)
  t.match(await failure(npm('publish')), /ENEEDAUTH/)
  const settings = { registry: `${near.http}/npm/`, where: near.http.replace('http:', '') }
  await npm('config', 'set', `${settings.where}/npm/:_authToken=catalog_0000000000000000_${'0'.repeat(64)}`)
  t.match(await failure(npm('publish')), /E401[\s\S]*catalog token create/, 'a token that was made up is none')
  await npm('config', 'set', `${settings.where}/npm/:_authToken=${token}`)
  await npm('publish')
  t.match(await npm('whoami'), /^publisher:/)
  t.match(await failure(npm('publish')), /cannot publish over the previously published versions: 1\.0\.0/)
  const again = await sent(near, token, '@acme/made', await readFile(await tarballOf(npm, folder, 'made-1.0.0')))
  t.equal(again.status, 409)
  t.match(await again.json(), { error: /^You cannot publish over the previously published versions: 1\.0\.0/ })
  await writeFile(join(folder, 'x.js'), 'module.exports = 2\n')
  const other = await sent(near, token, '@acme/made', await readFile(await tarballOf(npm, folder, 'made-1.0.0')))
  t.equal(other.status, 409, 'other bytes are no other version')
  await npm('version', 'minor', '--no-git-tag-version')
  await npm('publish')
  const user = await project(join(sources, 'user'), far)
  await user.npm('install', '@acme/made@~1.0.0')
  t.equal(await readFile(join(user.folder, 'node_modules/@acme/made/x.js'), 'utf8'), 'module.exports = 1\n')
  const large = await readFile(join(user.folder, 'node_modules/@acme/made/large.bin'))
  t.ok(large.equals(bytes), 'of any size')
  await user.npm('install', '@acme/made@latest')
  t.equal(await readFile(join(user.folder, 'node_modules/@acme/made/x.js'), 'utf8'), 'module.exports = 2\n')

  t.match((await near.run('token', 'list')).lines, [{ type: 'token', id, note: 'for npm' }, { tokens: 1 }])
  t.notMatch(JSON.stringify((await near.run('token', 'list')).lines), token, 'it is told only once')
  t.equal((await near.run('token', 'revoke', id)).status, 0)
  await npm('version', 'minor', '--no-git-tag-version')
  t.match(await failure(npm('publish')), /E401/, 'a token that is revoked opens nothing')
  t.equal((await near.run('token', 'revoke', id)).status, 3)
})

test('each version is signed by a key that the gateway lists, as npm checks it', async (t) => {
  const sources = t.testdir({})
  const node = await startNode(t, join(sources, 'node'))
  for (const version of ['1.0.0', '1.1.0']) await publish(node, join(sources, version), { name: TOOL, version })
  const { keys } = await (await fetch(`${node.http}/npm/-/npm/v1/keys`)).json()
  for (const form of ['application/json', 'application/vnd.npm.install-v1+json']) {
    const { name, versions } = await (await fetch(`${node.http}/npm/${TOOL}`, { headers: { accept: form } })).json()
    t.strictSame(Object.keys(versions), ['1.0.0', '1.1.0'])
    for (const [version, { dist }] of Object.entries<{ dist: Dist }>(versions)) {
      const [{ keyid = '', sig = '' } = {}] = dist.signatures
      const { key } = keys.find((listed: { keyid: string }) => listed.keyid === keyid)
      const pem = `-----BEGIN PUBLIC KEY-----\n${key}\n-----END PUBLIC KEY-----`
      const said = createVerify('SHA256').update(`${name}@${version}:${dist.integrity}`)
      t.ok(said.verify(pem, sig, 'base64'), `${version} as ${form}`)
    }
    const [, { dist }] = Object.entries<{ dist: Dist }>(versions)[0] ?? ['', { dist: undefined }]
    t.match(await (await fetch(`${node.http}/npm/${TOOL}/1.0.0`)).json(), { dist })
  }
})

test('packuments and tarballs, as HTTP has them', async (t) => {
  const sources = t.testdir({})
  const node = await startNode(t, join(sources, 'node'))
  await publish(node, join(sources, 'tool'), { name: TOOL, version: '1.0.0', scripts: { test: 'x', install: 'y' } })
  const at = (path: string, headers: Record<string, string> = {}) => fetch(`${node.http}/npm/${path}`, { headers })
  const first = await at('@acme%2ftool')
  const full = await first.json()
  t.match(full, { name: TOOL, versions: { '1.0.0': { _id: `${TOOL}@1.0.0`, hasInstallScript: true } } })
  for (const path of ['@acme%2Ftool', '@acme/tool', '@acme/tool/']) t.strictSame(await (await at(path)).json(), full)
  const etag = first.headers.get('etag') ?? ''
  t.equal((await at('@acme/tool', { 'if-none-match': etag })).status, 304)
  const short = await at('@acme/tool', {
    accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8',
  })
  t.match(short.headers.get('content-type'), 'install-v1')
  t.notOk('scripts' in (await short.json()).versions['1.0.0'])
  t.match(await (await at('@acme/tool/latest')).json(), { version: '1.0.0' })

  const url = full.versions['1.0.0'].dist.tarball
  const whole = await fetch(url)
  const bytes = Buffer.from(await whole.arrayBuffer())
  t.equal(whole.headers.get('content-length'), `${bytes.length}`)
  const tag = whole.headers.get('etag') ?? ''
  t.equal((await fetch(url, { headers: { 'if-none-match': tag } })).status, 304)
  const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
  t.equal(part.status, 206)
  t.equal(part.headers.get('content-range'), `bytes 10-19/${bytes.length}`)
  t.strictSame(Buffer.from(await part.arrayBuffer()), bytes.subarray(10, 20))
  t.equal((await fetch(url, { headers: { range: `bytes=${bytes.length}-` } })).status, 416)
  t.equal((await fetch(url, { headers: { range: 'lines=1-2' } })).status, 200)

  // What is published later is there at once, under another tag.
  await publish(node, join(sources, 'tool-2'), { name: TOOL, version: '1.1.0' })
  const later = await eventually('the new version is told', async () => {
    const response = await at('@acme/tool', { 'if-none-match': etag })
    return response.status === 200 ? response : undefined
  })
  t.strictSame(Object.keys((await later.json()).versions), ['1.0.0', '1.1.0'])
  for (const [path, status] of [
    ['nothing-like-it', 404],
    ['@acme/tool/9.9.9', 404],
    ['@acme/tool/-/tool-9.9.9.tgz', 404],
    ['%ff', 400],
    ['..%2f..%2fetc', 404],
    ['-/ping', 200],
    ['-/v1/search?text=&size=1000', 200],
  ] as const) {
    t.equal((await at(path)).status, status, path)
  }
  for (const [method, status] of [
    ['PUT', 401],
    ['DELETE', 401],
    ['POST', 405],
  ] as const) {
    t.equal(
      (await fetch(`${node.http}/npm/@acme%2ftool`, { method, ...(method !== 'DELETE' && { body: '{}' }) })).status,
      status,
    )
  }
  const page = await fetch(`${node.http}/npm/-/whoami`, { headers: { origin: 'http://elsewhere.example' } })
  t.equal(page.status, 403, 'no other page speaks to it')
})
