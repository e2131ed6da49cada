// Outside registries that fail or lie, and peers that lie about what one has signed.
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { open } from 'lmdb'
import tap, { test } from 'tap'
import { decodeDerivation, encodeDerivation } from '../../src/model/origin.ts'
import { connected, startNode, type TestNode, tokenOf } from './processes.ts'
import { type Fault, OutsideRegistry } from './registry.ts'

tap.setTimeout(120_000)

interface Answer {
  readonly status: number
  readonly error: string
  readonly bytes: Buffer
  readonly headers: Headers
}

async function ask({ http }: TestNode, path: string, token?: string): Promise<Answer> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(`${http}/npm/${path}`, { headers })
  const bytes = Buffer.from(await response.arrayBuffer())
  const error = response.ok ? '' : ((JSON.parse(bytes.toString()) as { error: string }).error ?? '')
  return { status: response.status, error, bytes, headers: response.headers }
}

const tarballOf = (name: string) => `${name}/-/${name}-1.0.0.tgz`

/** Sends without end. */
function pour(response: ServerResponse): void {
  const piece = Buffer.alloc(1024 * 1024, ' ')
  const more = () => {
    while (!response.destroyed && response.write(piece));
  }
  response.on('drain', more)
  more()
}

/** What the registry does when it is asked for a package's tarball, or for the package itself. */
const FAULTS: Record<
  string,
  { document?: (response: ServerResponse) => void; file?: (response: ServerResponse) => void }
> = {
  broken: { document: (response) => response.writeHead(500).end('{}') },
  round: { document: (response) => response.writeHead(302, { location: '/round' }).end() },
  elsewhere: { document: (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end() },
  garbled: { document: (response) => response.end('{"name":"garbled","versions":') },
  other: { document: (response) => response.end('{"name":"another","versions":{}}') },
  endless: { document: pour },
  wrong: { file: (response) => response.end(randomBytes(1_000)) },
  cut: {
    file: (response) => {
      response.writeHead(200, { 'content-length': 100_000 })
      response.write(randomBytes(1_000), () => response.destroy())
    },
  },
  lost: { file: (response) => response.writeHead(404).end() },
  silent: { document: () => undefined },
}

const fault: Fault = ({ url = '' }, response) => {
  const [, name = '', dash] = url.split('/')
  const act = dash === '-' ? FAULTS[name]?.file : FAULTS[name]?.document
  act?.(response)
  return act !== undefined
}

test('what a registry gets wrong is told, and nothing of it is given to anybody', async (t) => {
  await using registry = await new OutsideRegistry().start()
  for (const name of [...Object.keys(FAULTS), 'forged', 'sound']) registry.add({ name, version: '1.0.0' })
  registry.forged.add('forged')
  registry.fault = fault
  const node = await startNode(t, join(t.testdir({}), 'node'), { env: registry.settings })
  const expected: Record<string, [status: number, error: RegExp]> = {
    broken: [502, /status 500/],
    round: [502, /on and on/],
    elsewhere: [502, /not one of the web/],
    garbled: [502, /cannot be read/],
    other: [502, /cannot be read/],
    endless: [413, /more than 64/],
    wrong: [422, /other bytes than it says/],
    cut: [502, /cannot be reached/],
    lost: [404, /has no/],
    forged: [422, /signature of forged@1.0.0 does not hold/],
    silent: [502, /No answer in 15 s/],
  }
  const checks = Object.entries(expected).map(async ([name, [status, error]]) => {
    const answer = await ask(node, tarballOf(name))
    t.equal(answer.status, status, name)
    t.match(answer.error, error, name)
  })
  const sound = await ask(node, tarballOf('sound'))
  t.ok(sound.bytes.equals(await registry.tarballOf('sound', '1.0.0')), 'the others are served meanwhile')
  await Promise.all(checks)
  const { lines } = await node.run('status')
  t.match(lines[0], { blobs: 1 }, 'nothing else was kept')
  registry.fault = undefined
  const again = await ask(node, tarballOf('wrong'))
  t.ok(
    again.status === 502 || again.bytes.equals(await registry.tarballOf('wrong', '1.0.0')),
    'a registry may mend itself',
  )
})

test('what is known of a package is told when the registry is gone, and it is asked once for all', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'part', version: '1.0.0' })
  const folder = join(t.testdir({}), 'node')
  const node = await startNode(t, folder, { env: registry.settings })
  const many = await Promise.all(Array.from({ length: 50 }, () => ask(node, 'part')))
  t.ok(many.every(({ status }) => status === 200))
  t.strictSame(registry.asked, ['part'])
  t.equal((await ask(node, 'nobody')).status, 404)
  t.equal((await ask(node, 'nobody')).status, 404)
  t.strictSame(registry.asked, ['part', 'nobody'], 'nor again for what is not there')
  await node.stop()
  await registry.stop()
  const later = await startNode(t, folder, { env: registry.settings })
  t.strictSame((await ask(later, 'part')).status, 200, 'after a restart, too')
  t.equal((await ask(later, 'stranger')).status, 502, 'of what is not known it cannot be told whether it is there')
})

test('who is let in alone has it alone', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.token = 'secret'
  registry.add({ name: '@own/part', version: '1.0.0' })
  const folder = t.testdir({ '.npmrc': `${registry.url.replace('http:', '')}:_authToken=secret\n` })
  const env = { ...registry.settings, npm_config_userconfig: join(folder, '.npmrc') }
  const near = await startNode(t, join(folder, 'near'), { env })
  const far = await startNode(t, join(folder, 'far'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  await connected(far, near)
  const token = await tokenOf(near)
  const file = '@own/part/-/part-1.0.0.tgz'
  t.equal((await ask(near, '@own%2fpart')).status, 404, 'any process of this machine')
  t.equal((await ask(near, '@own%2fpart', token)).status, 200, 'its user')
  t.equal((await ask(near, file, token)).status, 200)
  t.equal((await ask(near, file)).status, 404)
  t.equal((await ask(far, file)).status, 404, 'a peer')
  const { lines } = await far.run('search', 'part')
  t.notOk(lines.some(({ type }) => type === 'result'))
})

test('nobody in the mesh takes what is the registry’s', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'react', version: '1.0.0' })
  const sources = t.testdir({
    react: { 'package.json': '{"name":"react","version":"9.0.0"}' },
    mine: { 'package.json': '{"name":"mine","version":"1.0.0"}' },
  })
  const thief = await startNode(t, join(sources, 'thief'))
  const node = await startNode(t, join(sources, 'node'), { env: registry.settings })
  for (const name of ['react', 'mine']) t.equal((await thief.run('publish', join(sources, name))).status, 0)
  await connected(node, thief)
  const versions = (answer: Answer) => Object.keys(JSON.parse(answer.bytes.toString()).versions)
  t.strictSame(versions(await ask(node, 'react')), ['1.0.0'])
  t.equal((await ask(node, 'react/-/react-9.0.0.tgz')).status, 404)
  t.strictSame(versions(await ask(node, 'mine')), ['1.0.0'], 'what the registry says it has not is free')
  await registry.stop()
  const strict = await startNode(t, join(sources, 'strict'), { env: registry.settings })
  await connected(strict, thief)
  const refused = await ask(strict, 'react')
  t.equal(refused.status, 502)
  const [{ publisher }] = (await thief.run('status')).lines as unknown as [{ publisher: string }]
  const trust = await strict.run('trust', 'pkg:npm/react', publisher)
  t.equal(trust.status, 0)
  t.strictSame(versions(await ask(strict, 'react')), ['9.0.0'], 'whoever says so has it')
})

test('false dependencies beside a genuine signature are found before anything is given out', async (t) => {
  await using registry = await new OutsideRegistry().start()
  registry.add({ name: 'part', version: '1.0.0', dependencies: { sound: '^1.0.0' } })
  const folder = t.testdir({})
  const liar = await startNode(t, join(folder, 'liar'), { env: registry.settings })
  t.equal((await ask(liar, tarballOf('part'))).status, 200)
  await liar.stop()
  await registry.stop()
  await lie(join(folder, 'liar/database'))
  const again = await startNode(t, join(folder, 'liar'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  const node = await startNode(t, join(folder, 'node'), { env: { CATALOG_ORIGIN_KEYS: registry.key } })
  await connected(node, again)
  const needs = (answer: Answer) => JSON.parse(answer.bytes.toString()).versions['1.0.0'].dependencies
  t.strictSame(needs(await ask(node, 'part')), { evil: '^6.6.6' }, 'a hint')
  const refused = await ask(node, tarballOf('part'))
  t.equal(refused.status, 422)
  t.match(refused.error, /does not follow from its archive/)
  t.equal(refused.headers.get('cache-control'), 'no-store')
  t.strictSame(needs(await ask(node, 'part')), { sound: '^1.0.0' }, 'what follows from its bytes')
  t.ok((await ask(node, tarballOf('part'))).bytes.equals(await registry.tarballOf('part', '1.0.0')))
})

/** Have a node say of all that it got from a registry that it needs something else. */
async function lie(path: string): Promise<void> {
  const root = open({ path, noSubdir: false })
  // `encoder` is unknown to the types.
  const options = { name: 'derivations/1', keyEncoding: 'binary', encoder: { useRecords: false } } as const
  const table = root.openDB<{ bytes: Uint8Array }, Uint8Array>(options)
  // The database gives its own memory, for a moment.
  const rows = [
    ...table.getRange({}).map(({ key, value }) => ({ key: Uint8Array.from(key), bytes: Uint8Array.from(value.bytes) })),
  ]
  for (const { key, bytes } of rows) {
    const derivation = decodeDerivation(bytes)
    const manifest = { ...derivation.manifest, dependencies: { evil: '^6.6.6' } }
    const dependencies = [{ type: 'npm', name: 'evil', range: '^6.6.6' }]
    table.putSync(key, { bytes: encodeDerivation({ ...derivation, manifest, dependencies }) })
  }
  await root.close()
}
