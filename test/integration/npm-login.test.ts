// Logging in to a node's registry, with the npm that is at hand and as older clients do it.
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { failure, project } from './npm-project.ts'
import { startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

/** As npm's older clients send it. */
function passwordLogin({ http }: TestNode, name: string, password: string): Promise<Response> {
  const body = { _id: `org.couchdb.user:${name}`, name, password, type: 'user', roles: [], date: '2026-01-01' }
  return fetch(`${http}/npm/-/user/org.couchdb.user:${name}`, { method: 'PUT', body: JSON.stringify(body) })
}

test('npm logs in through its page, publishes, and logs out', async (t) => {
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'))
  const { npm, start, folder: home } = await project(join(folder, 'user'), node)
  const login = start('login')
  let told = ''
  login.process.stdout?.on('data', (chunk) => {
    told += chunk
  })
  while (!/\/login\/\S+\s/.test(told)) await once(login.process.stdout as NodeJS.ReadableStream, 'data')
  const [url = '', code = ''] = /http:\S+\/login\/(\S+)/.exec(told) ?? []
  const page = await fetch(url)
  t.match(await page.text(), `catalog token approve ${code}`)
  t.match(page.headers.get('content-security-policy'), "default-src 'none'")
  t.strictSame((await node.run('token', 'list')).lines, [{ type: 'summary', tokens: 0 }], 'looking approves nothing')
  const approved = await node.run('token', 'approve', code)
  t.match(approved.lines, [{ type: 'approved', code, program: /npm\/\d/ }])
  t.match(await login.ended, /Logged in/)
  t.equal((await fetch(url)).status, 404, 'a page lives no longer than its code')
  t.equal((await node.run('token', 'approve', code)).status, 3)

  await npm('whoami')
  t.match(await npm('profile', 'get', '--json'), '"name"')
  await writeFile(join(home, 'package.json'), '{"name":"@acme/mine","version":"1.0.0"}')
  await npm('publish')
  const [, token = ''] = /_authToken=(\S+)/.exec(await readFile(join(home, '../home/.npmrc'), 'utf8')) ?? []
  await npm('logout')
  t.strictSame((await node.run('token', 'list')).lines, [{ type: 'summary', tokens: 0 }], 'and gave its token back')
  t.match(await failure(npm('whoami')), /ENEEDAUTH/)
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await fetch(`${node.http}/npm/-/whoami`, { headers })).status, 401)
})

test('a name and a password open nothing until the owner says so', async (t) => {
  const node = await startNode(t, join(t.testdir({}), 'node'))
  const first = await passwordLogin(node, 'me', 'what I typed')
  t.equal(first.status, 401)
  const [, code = ''] = /catalog token approve (\S+)/.exec((await first.json()).error) ?? []
  t.equal((await passwordLogin(node, 'me', 'what I typed')).status, 401)
  const { lines } = await node.run('token', 'approve')
  t.match(
    lines,
    [
      { type: 'login', code },
      { type: 'summary', logins: 1 },
    ],
    'where the client does not show the code',
  )
  await node.run('token', 'approve', code)
  t.equal((await passwordLogin(node, 'me', 'what I did not type')).status, 401)
  const entered = await passwordLogin(node, 'me', 'what I typed')
  t.equal(entered.status, 201)
  const { token } = await entered.json()
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await fetch(`${node.http}/npm/-/npm/v1/user`, { headers })).status, 200)
  t.equal((await passwordLogin(node, 'me', 'what I typed')).status, 401, 'once')
})

test('what is no login is refused', async (t) => {
  const node = await startNode(t, join(t.testdir({}), 'node'))
  const send = (path: string, body: string, headers = {}) =>
    fetch(`${node.http}/npm/-/${path}`, { method: path.startsWith('user') ? 'PUT' : 'POST', body, headers })
  const user = 'user/org.couchdb.user:me'
  t.equal((await send(user, '{')).status, 400)
  t.equal((await send(user, '{"name":"me"}')).status, 400)
  t.equal((await send(user, '{"name":"you","password":"x"}')).status, 400)
  t.equal((await send(user, JSON.stringify({ name: 'me', password: 'x'.repeat(20_000) }))).status, 413)
  t.equal((await send('v1/login', '{}', { origin: 'http://elsewhere.example' })).status, 403)
  t.equal((await fetch(`${node.http}/npm/-/v1/login/${'0'.repeat(64)}`)).status, 404)
  t.equal((await fetch(`${node.http}/npm/-/npm/v1/user`)).status, 401)
  t.equal((await fetch(`${node.http}/login/AAAA-AAAA`)).status, 404)
  const socket = await node.run('token', 'approve', 'AAAA-AAAA')
  t.equal(socket.status, 3)
  const overTcp = await fetch(`${node.http}/api/v1/tokenApprove`, { method: 'POST', body: '{"code":"AAAA-AAAA"}' })
  t.equal(overTcp.status, 404, 'only the owner lets anybody in')
})
