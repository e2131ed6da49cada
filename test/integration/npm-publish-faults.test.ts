// Publishing over HTTP when it does not go well: a node that is killed while a package comes, and two who publish one
// version at once.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { type ClientRequest, request } from 'node:http'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { dataPaths } from '../../src/store/data-directory.ts'
import { project } from './npm-project.ts'
import { connected, eventually, startNode, type TestNode, tokenOf } from './processes.ts'
import { tarball } from './registry.ts'

tap.setTimeout(240_000)

const VERSION = '1.0.0'
const LARGE_BYTES = 8_000_000
const integrityOf = (bytes: Buffer) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

/** A package that no compression makes smaller. */
function packed(name: string, noise: Buffer): Promise<Buffer> {
  const manifest = Buffer.from(JSON.stringify({ name, version: VERSION }))
  return tarball([
    ['package.json', manifest],
    ['noise', noise],
  ])
}

/** As npm sends it. */
function documentOf(name: string, bytes: Buffer): Buffer {
  const attachment = { content_type: 'application/octet-stream', data: bytes.toString('base64'), length: bytes.length }
  const about = {
    _id: name,
    name,
    'dist-tags': { latest: VERSION },
    versions: { [VERSION]: { name, version: VERSION } },
  }
  return Buffer.from(JSON.stringify({ ...about, _attachments: { [`${name}-${VERSION}.tgz`]: attachment } }))
}

interface Publishing {
  readonly call: ClientRequest
  /** Of the answer. */
  readonly status: Promise<number | undefined>
}

/** Send a document up to a byte, and keep the rest back. */
function send({ http }: TestNode, token: string, name: string, document: Buffer, end: number): Publishing {
  const headers = { authorization: `Bearer ${token}`, 'content-length': document.length }
  const call = request(`${http}/npm/${name}`, { method: 'PUT', headers, agent: false })
  const status = once(call, 'response').then(([response]) => {
    response.resume()
    return response.statusCode
  })
  call.write(document.subarray(0, end))
  return { call, status }
}

/** Of a tarball that a node writes as it comes. */
async function received({ dataDir }: TestNode): Promise<number> {
  const { scratch } = dataPaths(dataDir)
  const names = await readdir(scratch, { recursive: true })
  const sizes = names
    .filter((name) => name.endsWith('.tgz'))
    .map(async (name) => (await stat(join(scratch, name))).size)
  return Math.max(0, ...(await Promise.all(sizes)))
}

test('a node that is killed while a package comes shows nothing of it, and takes it again', async (t) => {
  const folder = t.testdir({})
  const name = 'interrupted'
  const bytes = await packed(name, randomBytes(LARGE_BYTES))
  const document = documentOf(name, bytes)
  const points = { 'a third': document.length / 3, 'all but the end': document.length - 1, all: document.length }
  const first = await startNode(t, join(folder, 'node'))
  const token = await tokenOf(first)
  let node = first
  for (const [what, end] of Object.entries(points)) {
    const { call, status } = send(node, token, name, document, Math.floor(end))
    // In base64, and all but what is on its way.
    const least = Math.min(end * 0.7, bytes.length * 0.9)
    await eventually(`${what} has come`, async () => ((await received(node)) >= least ? true : undefined))
    const answered = status.catch(() => 'none')
    await node.kill()
    call.destroy()
    const was = await answered
    node = await startNode(t, first.dataDir)
    t.equal(await received(node), 0, `${what}: nothing is left lying about`)
    await wholeOrNothing(t, node, name, bytes, was)
  }
  const expected = (await fetch(`${node.http}/npm/${name}`)).status === 404 ? 201 : 409
  const { call, status } = send(node, token, name, document, document.length)
  call.end()
  t.equal(await status, expected)
  await wholeOrNothing(t, node, name, bytes, 201)
  t.match((await node.run('verify', '--all')).lines.at(-1), { damaged: 0 })
})

/** @param was - what the publisher was told */
async function wholeOrNothing(t: Test, { http }: TestNode, name: string, bytes: Buffer, was: unknown): Promise<void> {
  const response = await fetch(`${http}/npm/${name}`)
  const told = await response.json()
  if (was !== 201 && response.status === 404) return
  t.equal(told.versions[VERSION].dist.integrity, integrityOf(bytes))
  t.ok(Buffer.from(await (await fetch(told.versions[VERSION].dist.tarball)).arrayBuffer()).equals(bytes))
}

test('of two who publish one version at once, one has published it', async (t) => {
  const folder = t.testdir({})
  const near = await startNode(t, join(folder, 'near'))
  const far = await startNode(t, join(folder, 'far'))
  await connected(far, near)
  const token = await tokenOf(near)
  const user = await project(join(folder, 'user'), far)
  const dependencies: Record<string, string> = {}
  const won = new Map<string, Buffer>()
  for (const [index, size] of [10, 10, 100_000, 3_000_000].entries()) {
    const name = `contested-${index}`
    const all = await Promise.all([randomBytes(size), randomBytes(size)].map((noise) => packed(name, noise)))
    const documents = all.map((bytes) => documentOf(name, bytes))
    const sent = documents.map((document) => send(near, token, name, document, document.length - 1))
    for (const [at, { call }] of sent.entries()) call.end(documents[at]?.subarray(-1))
    const statuses = await Promise.all(sent.map(({ status }) => status))
    t.strictSame([...statuses].sort(), [201, 409], `${size} bytes`)
    won.set(name, all[statuses.indexOf(201)] as Buffer)
    dependencies[name] = VERSION
  }
  await writeFile(join(user.folder, 'package.json'), JSON.stringify({ name: 'user', version: VERSION, dependencies }))
  await user.npm('install')
  const lock = JSON.parse(await readFile(join(user.folder, 'package-lock.json'), 'utf8'))
  for (const [name, bytes] of won) {
    t.equal(lock.packages[`node_modules/${name}`].integrity, integrityOf(bytes), "what is installed is the winner's")
  }
})
