// The API on TCP as a program of this machine meets it: each path of its document answers, with what the document says,
// and nothing is told that is not everybody's to who has no token.
import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import tap, { type Test, test } from 'tap'
import { ENDPOINTS } from '../../src/gateway/api/endpoints.ts'
import { openApi } from '../../src/gateway/api/openapi.ts'
import { connected, startNode, type TestNode, tokenOf } from './processes.ts'

tap.setTimeout(60_000)

const QUERIES: Record<string, string> = { '/search': '?q=open&local=true&limit=5', '/releases': '?purl=pkg:npm/open' }
const BODY = JSON.stringify({ up: '5 MB/s' })

async function opened(t: Test) {
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'))
  for (const name of ['open', 'closed']) {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'package.json'), JSON.stringify({ name, version: '1.0.0' }))
    const permission = name === 'open' ? 'public' : 'private'
    await node.run('publish', join(folder, name), '--permission', permission)
  }
  const token = await tokenOf(node)
  const ask = (
    path: string,
    { method = 'GET', as = token, body }: { method?: string; as?: string; body?: string } = {},
  ) =>
    fetch(`${node.http}/api/v1${path}`, {
      method,
      headers: { ...(as && { authorization: `Bearer ${as}` }), ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body }),
    })
  return { node, folder, ask }
}

/** The status under another name of the server, which fetch would not send. */
function statusUnder(host: string, { http }: TestNode): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  const call = request(`${http}/api/v1/search?q=x`, { headers: { host } }, (response) => {
    response.resume()
    resolve(response.statusCode)
  })
  call.on('error', reject).end()
  return promise
}

test('the document is one of OpenAPI', async (t) => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(openApi())
  t.ok(valid, JSON.stringify(errors))
  t.equal(validator.version, '3.1')
})

test('each path answers as the document says, to who may ask', async (t) => {
  const { node, folder, ask } = await opened(t)
  await connected(node, await startNode(t, join(folder, 'other')))
  const document = await (await ask('/openapi.json', { as: '' })).json()
  t.strictSame(document, JSON.parse(JSON.stringify(openApi())))
  t.strictSame(Object.keys(document.paths), [...new Set(ENDPOINTS.map(({ path }) => `/api/v1${path}`))])
  for (const { method, path, isPublic, answer } of ENDPOINTS) {
    const asked = { method, ...(method === 'PUT' && { body: BODY }) }
    const response = await ask(`${path}${QUERIES[path] ?? ''}`, asked)
    t.equal(response.status, 200, `${method} ${path}`)
    t.ok(answer.safeParse(await response.json()).success, `${method} ${path} answers as it says`)
    for (const as of ['', `catalog_0000000000000000_${'0'.repeat(64)}`]) {
      const status = (await ask(`${path}${QUERIES[path] ?? ''}`, { ...asked, as })).status
      t.equal(status, isPublic ? 200 : 401, `${method} ${path} to somebody`)
    }
  }
  t.match(await (await ask('/limits')).json(), { up: { bytesPerSecond: 5_000_000, from: 'changed' } })
  t.match(await (await ask('/peers')).json(), { peers: [{ peer: /^12D3/ }] })
})

test('what is not public is not there, and what is not right is refused', async (t) => {
  const { node, ask } = await opened(t)
  t.match(await (await ask('/releases?purl=pkg:npm/open')).json(), {
    releases: [{ version: '1.0.0', artifacts: [{}] }],
  })
  t.equal((await ask('/releases?purl=pkg:npm/closed')).status, 404)
  t.match(await (await ask('/search?q=closed')).json(), { results: [] })
  t.notOk('peers' in (await (await ask('/search?q=open')).json()), 'who was asked is not told')
  for (const path of ['/search', '/search?q=', '/search?q=a&limit=0', '/search?q=a&other=1', '/releases?purl=x']) {
    t.equal((await ask(path)).status, 400, path)
  }
  for (const body of ['{"up":"fast"}', '{"other":1}', '[]', '{', 'null']) {
    t.equal((await ask('/limits', { method: 'PUT', body })).status, 400, body)
  }
  t.equal((await ask('/limits', { method: 'PUT' })).status, 400, 'nothing at all')
  t.equal(
    (await ask('/limits', { method: 'PUT', body: JSON.stringify({ schedule: 'x'.repeat(2 ** 20) }) })).status,
    400,
  )
  t.match(await (await ask('/limits')).json(), { up: { from: 'settings' } }, 'and changes nothing')
  for (const path of ['/publish', '/tokenCreate', '/status']) {
    t.equal((await ask(path, { method: 'POST', body: '{}' })).status, 404, `${path} is for the socket`)
  }
  t.equal(await statusUnder('elsewhere.example', node), 403)
  t.equal(await statusUnder('localhost', node), 200)
  const origin = { headers: { origin: 'http://elsewhere.example' } }
  t.equal((await fetch(`${node.http}/api/v1/search?q=x`, origin)).status, 403)
})
