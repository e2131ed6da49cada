// What any process and any browser of this machine can see of a node over HTTP, and what it cannot.
import { once } from 'node:events'
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tap, { test } from 'tap'
import { eventually, startNode } from './processes.ts'

tap.setTimeout(90_000)

test('the page shows the node and what any peer could find, as text', async (t) => {
  const source = {
    sly: {
      'asset.toml': [
        'name = "mooring"',
        'version = "1.0.0"',
        'description = "<script>alert(1)</script> & \\"knots\\""',
      ].join('\n'),
      'knots.txt': 'bowline',
    },
    hidden: { 'package.json': JSON.stringify({ name: 'mooring-fees', version: '1.0.0', description: 'Secret knots' }) },
  }
  const folder = t.testdir({ ...source, a: {} })
  const a = await startNode(t, join(folder, 'a'))
  t.match(await a.run('publish', join(folder, 'hidden'), '--permission', 'private'), { status: 0 })
  t.match(await a.run('publish', join(folder, 'sly')), { status: 0 })

  const health = await ask(`${a.http}/healthz`)
  t.match(health, { status: 200, headers: { 'content-type': /^application\/json/ } })
  t.match(JSON.parse(health.body), { status: 'ok', online: true, peers: 0 })

  const home = await ask(`${a.http}/`)
  t.match(home, { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' } })
  t.match(home.headers['content-security-policy'], /default-src 'none'/)
  t.ok(home.body.includes(a.peerId))
  t.ok(home.body.includes(a.address))
  t.match(home.body, /<input id="q" name="q" type="search"/)
  t.notMatch(home.body, /<script/i)

  const found = await eventually('the public package on the page', async () => {
    const page = await ask(`${a.http}/?q=knots`)
    return page.body.includes('pkg:generic/mooring@1.0.0') ? page.body : undefined
  })
  t.match(found, '&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;knots&quot;')
  t.notMatch(found, /<script/i)
  t.match(found, /<datalist id="names"><option value="mooring"><\/datalist>/, 'names complete, but for private ones')
  const own = await eventually('the private package found by its owner', async () => {
    const { lines } = await a.run('search', 'mooring-fees')
    return lines.find(({ purl }) => purl === 'pkg:npm/mooring-fees@1.0.0')
  })
  t.match(own, { type: 'result' })
  for (const query of ['mooring-fees', 'secret', 'knots']) {
    const { body } = await ask(`${a.http}/?q=${query}`)
    t.notMatch(body, /pkg:npm\/mooring-fees|Secret knots|"mooring-fees">/, `private for "${query}"`)
  }
  const odd = await ask(`${a.http}/?q=${encodeURIComponent('"><script>alert(2)</script>')}`)
  t.match(odd, { status: 200, body: '&quot;&gt;&lt;script&gt;alert(2)' })
  t.notMatch(odd.body, /<script/i)
})

test('other names, other web pages and the owner’s operations are refused over TCP', async (t) => {
  const a = await startNode(t, join(t.testdir({}), 'a'))
  const { host, port } = new URL(a.http)
  const refused = { status: 403, body: /"code":"REFUSED"/ }
  t.match(await ask(a.http, { headers: { host: 'catalog.example' } }), refused)
  t.match(await ask(a.http, { headers: { host: `localhost.example:${port}` } }), refused)
  t.match(await ask(a.http, { headers: { origin: 'http://catalog.example' } }), refused)
  t.match(await ask(a.http, { headers: { origin: 'null' } }), refused)
  t.match(await ask(`${a.http}/metrics`, { headers: { host: 'catalog.example' } }), refused)
  t.match(await ask(`${a.http}/metrics`, { headers: { origin: 'http://catalog.example' } }), refused)
  const embedded = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
  t.match(await ask(`${a.http}/npm/lamp`, { headers: embedded }), { status: 403 }, 'no package is fetched for it')
  t.match(await ask(a.http, { headers: { ...embedded, 'sec-fetch-dest': 'iframe' } }), refused)
  t.match(await ask(a.http, { headers: { ...embedded, 'sec-fetch-dest': 'document' } }), { status: 200 }, 'a link')
  t.match(await ask(a.http, { headers: { ...embedded, 'sec-fetch-site': 'same-origin' } }), { status: 200 })
  const metrics = { status: 200, headers: { 'content-type': /^text\/plain/ }, body: /^catalog_peers 0$/m }
  t.match(await ask(`${a.http}/metrics`), metrics)
  t.match(await ask(a.http, { headers: { host: `localhost:${port}` } }), { status: 200 })
  t.match(await ask(a.http, { headers: { origin: `http://${host}` } }), { status: 200 })

  const json = { 'content-type': 'application/json' }
  const absent = { status: 404, headers: { 'content-type': /^application\/json/ }, body: /"code":"NOT_FOUND"/ }
  for (const operation of ['publish', 'fetch', 'status', 'trust']) {
    t.match(await ask(`${a.http}/api/v1/${operation}`, { method: 'POST', headers: json, body: '{}' }), absent)
  }
  t.match(await ask(`${a.http}/nowhere`), absent)
  t.match((await a.run('status')).lines[0], { releases: 0, online: true }, 'nothing was done')
})

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** `fetch` would not send a Host of one's own. */
async function ask(
  url: string,
  { method = 'GET', headers = {}, body }: Asked = {},
): Promise<{ status: number | undefined; headers: IncomingHttpHeaders; body: string }> {
  const call = request(url, { method, headers, agent: false })
  call.end(body)
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
