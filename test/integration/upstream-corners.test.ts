// Outside registries that refuse, change their mind or are half there.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { connected, startNode, type TestNode, tokenOf } from './processes.ts'
import { OutsideRegistry } from './registry.ts'

tap.setTimeout(120_000)

const tarballOf = (name: string) => `${name}/-/${name}-1.0.0.tgz`

interface Answer {
  readonly status: number
  readonly text: string
}

async function ask({ http }: TestNode, path: string, token?: string): Promise<Answer> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(`${http}/npm/${path}`, { headers })
  return { status: response.status, text: await response.text() }
}

async function weaknesses({ http }: TestNode): Promise<object> {
  const body = JSON.stringify({ weak: ['1.0.0'] })
  const response = await fetch(`${http}/npm/-/npm/v1/security/advisories/bulk`, { method: 'POST', body })
  return (await response.json()) as object
}

test('what cannot be asked now is not taken for what there is not', async (t) => {
  await using registry = await new OutsideRegistry().start()
  for (const name of ['hidden', 'apart', 'part']) registry.add({ name, version: '1.0.0' })
  registry.fault = ({ url = '' }, response) => {
    if (url.startsWith('/hidden')) response.writeHead(401).end()
    else if (url.startsWith('/-/npm/v1/security')) response.writeHead(500).end()
    else if (url === '/apart') {
      const dist = { tarball: 'http://127.0.0.1:1/apart.tgz', shasum: '0'.repeat(40) }
      const versions = { '1.0.0': { name: 'apart', version: '1.0.0', dist } }
      response.end(JSON.stringify({ name: 'apart', 'dist-tags': { latest: '1.0.0' }, versions }))
    } else return false
    return true
  }
  const sources = t.testdir({ hidden: { 'package.json': '{"name":"hidden","version":"9.0.0"}' } })
  const thief = await startNode(t, join(sources, 'thief'))
  const node = await startNode(t, join(sources, 'node'), { env: registry.settings })
  t.equal((await thief.run('publish', join(sources, 'hidden'))).status, 0)
  await connected(node, thief)
  const refused = await ask(node, 'hidden')
  t.equal(refused.status, 502, 'nobody in the mesh takes a name that the registry only refuses to tell of')
  t.match(refused.text, /status 401.*npm login/)
  t.equal((await ask(node, tarballOf('apart'))).status, 502)
  t.equal((await ask(node, tarballOf('part'))).status, 200, 'another server out of reach is not the registry')
  t.same(await weaknesses(node), {})
  registry.fault = undefined
  t.match(await weaknesses(node), { weak: [{ severity: 'high' }] }, 'asked again at once')
})

test('what no registry has signed is fetched once, and there without it', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'ancient', version: '1.0.0' })
  registry.old.add('ancient')
  const node = await startNode(t, join(t.testdir({}), 'node'), { env: registry.settings })
  for (const _ of [1, 2]) t.equal((await ask(node, tarballOf('ancient'))).status, 200)
  t.strictSame(registry.asked, ['ancient', tarballOf('ancient')])
  await registry.stop()
  t.equal((await ask(node, tarballOf('ancient'))).status, 200)
})

test('what took credentials is for its user alone, also when it did not before', async (t) => {
  await using registry = await new OutsideRegistry().start()
  // So that it says the same twice, to the byte.
  registry.signs = false
  for (const name of ['guarded', 'turned']) registry.add({ name, version: '1.0.0' })
  const open = tarballOf('guarded')
  registry.fault = ({ url, headers }, response) => {
    if (url !== `/${open}` || headers.authorization !== undefined) return false
    response.writeHead(401).end()
    return true
  }
  const folder = t.testdir({})
  const userconfig = join(folder, '.npmrc')
  await writeFile(userconfig, `${registry.url.replace('http:', '')}:_authToken=secret\n`)
  const env = { ...registry.settings, npm_config_userconfig: userconfig }
  const node = await startNode(t, join(folder, 'node'), { env })
  const token = await tokenOf(node)
  t.equal((await ask(node, open, token)).status, 200)
  t.equal((await ask(node, open)).status, 404, 'any process of this machine')
  t.equal((await ask(node, 'turned')).status, 200)
  const way = `turned@${encodeURIComponent('x/../../../../../guarded')}`
  t.equal((await ask(node, `-/npm/v1/attestations/${way}`)).status, 404, 'nothing else of the registry is to be had so')
  await node.stop()
  registry.token = 'secret'
  const again = await startNode(t, join(folder, 'node'), { env })
  t.equal((await ask(again, 'turned', token)).status, 200)
  t.equal((await ask(again, 'turned')).status, 404, 'it is as it was, but for who may have it')
})
