// What npm changes of packages that are published, unmodified, at one node; and how that shows at another. What is not
// about npm's own doing goes over HTTP: each npm that is started takes about a second.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { failure, type Project, project } from './npm-project.ts'
import { connected, eventually, startNode, type TestNode, tokenOf } from './processes.ts'
import { tarball } from './registry.ts'

tap.setTimeout(120_000)

// biome-ignore lint/suspicious/noExplicitAny: what is in it is looked at one by one
type Packument = any

/** A registry as who writes programs sees it. */
class Registry {
  readonly #url: string
  readonly #token: string | undefined

  constructor({ http }: TestNode, token?: string) {
    this.#url = `${http}/npm/`
    this.#token = token
  }

  async ask(path: string, method = 'GET', body?: unknown): Promise<{ status: number; json: Packument }> {
    const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(this.#url + path, { method, headers, ...sent })
    return { status: response.status, json: await response.json() }
  }

  /** As npm does it. @returns the status */
  async publish(name: string, version: string, tag = 'latest'): Promise<number> {
    const packed = await tarball([
      ['package.json', Buffer.from(JSON.stringify({ name, version, main: 'x.js' }))],
      ['x.js', Buffer.from(`module.exports = '${version}'\n`)],
    ])
    const attachment = { data: packed.toString('base64'), length: packed.length }
    const { status } = await this.ask(name, 'PUT', {
      ...{ name, 'dist-tags': { [tag]: version }, versions: { [version]: { name, version } } },
      _attachments: { [`${name}-${version}.tgz`]: attachment },
    })
    return status
  }

  /** Once it shows so, which at another node takes a moment. */
  seen(name: string, what: string, isSo: (packument: Packument) => boolean): Promise<Packument> {
    return eventually(what, async () => {
      const { json } = await this.ask(name)
      return isSo(json) ? json : undefined
    })
  }
}

async function installed({ folder }: Project, name: string): Promise<string> {
  return readFile(join(folder, 'node_modules', name, 'x.js'), 'utf8')
}

interface Pair {
  readonly sources: string
  readonly near: TestNode
  readonly far: TestNode
  readonly author: Project
  readonly user: Project
  /** The registry of the node where npm changes something, for who may. */
  readonly own: Registry
  readonly others: Registry
}

test('what npm changes at one node shows at another', async (t) => {
  const sources = t.testdir({})
  const near = await startNode(t, join(sources, 'near'))
  const far = await startNode(t, join(sources, 'far'))
  await connected(far, near)
  const author = await project(join(sources, 'author'), near)
  const user = await project(join(sources, 'user'), far)
  const own = new Registry(near, await author.login())
  const pair = { sources, near, far, author, user, own, others: new Registry(far) }
  await t.test('tags', (t) => tags(t, pair))
  await t.test('deprecations', (t) => deprecations(t, pair))
  await t.test('versions that are taken back', (t) => withdrawals(t, pair))
})

async function tags(t: Test, { near, far, author, user, own, others }: Pair): Promise<void> {
  const name = 'tagged'
  t.equal(await own.publish(name, '1.0.0'), 201)
  await writeFile(join(author.folder, 'package.json'), JSON.stringify({ name, version: '2.0.0', main: 'x.js' }))
  await writeFile(join(author.folder, 'x.js'), 'module.exports = "2.0.0"\n')
  await author.npm('publish', '--tag', 'beta')
  const told = await others.seen(name, 'the tags', (told) => told['dist-tags']?.beta !== undefined)
  t.strictSame(told['dist-tags'], { latest: '1.0.0', beta: '2.0.0' }, 'what has a tag of its own is not the latest')
  await user.npm('install', `${name}@beta`)
  t.match(await installed(user, name), '2.0.0')
  await author.npm('dist-tag', 'add', `${name}@1.0.0`, 'stable')
  t.match(await author.npm('dist-tag', 'ls', name), /beta: 2\.0\.0\nlatest: 1\.0\.0\nstable: 1\.0\.0/)
  await others.seen(name, 'a tag more', (told) => told['dist-tags'].stable === '1.0.0')
  await author.npm('dist-tag', 'rm', name, 'stable')
  await others.seen(name, 'a tag less', (told) => told['dist-tags'].stable === undefined)
  const tag = (registry: Registry, tag: string, version: string) =>
    registry.ask(`-/package/${name}/dist-tags/${tag}`, 'PUT', version)
  t.match(await tag(own, '1.x', '1.0.0'), { status: 400, json: { error: /valid SemVer range/ } })
  t.match(await tag(own, 'beta', '9.9.9'), { status: 404 })
  t.match(await tag(others, 'beta', '1.0.0'), { status: 401 })
  const stranger = new Registry(far, await tokenOf(far))
  t.match(await tag(stranger, 'beta', '1.0.0'), { status: 403, json: { error: /somebody else/ } })
  t.equal(await own.publish(name, '3.0.0'), 201)
  await others.seen(name, 'what has no tag is the latest', (told) => told['dist-tags'].latest === '3.0.0')
  t.match((await near.run('tag', 'add', `pkg:npm/${name}@1.0.0`, 'beta')).lines, [{ tag: 'beta', version: '1.0.0' }])
  t.match((await near.run('tag', 'ls', `pkg:npm/${name}`)).lines, [
    { tag: 'beta', version: '1.0.0' },
    { tag: 'latest', version: '3.0.0' },
    { tags: 2 },
  ])
}

async function deprecations(t: Test, { far, author, user, own, others }: Pair): Promise<void> {
  const name = 'aging'
  await own.publish(name, '1.0.0')
  await own.publish(name, '1.1.0')
  await author.npm('deprecate', `${name}@1.0.0`, 'it loses data')
  const told = await others.seen(name, 'what is deprecated', (told) => told.versions?.['1.0.0']?.deprecated)
  t.equal(told.versions['1.0.0'].deprecated, 'it loses data')
  t.notOk('deprecated' in told.versions['1.1.0'])
  const to = join(user.folder, 'by-catalog')
  t.match((await far.run('install', `pkg:npm/${name}@1.0.0`, '--to', to)).lines.at(-1), { deprecated: /loses data/ })
  await author.npm('deprecate', `${name}@1.0.0`, '')
  await others.seen(name, 'it is so no more', (told) => told.versions['1.0.0'].deprecated === undefined)
}

async function withdrawals(t: Test, { sources, near, far, author, user, own, others }: Pair): Promise<void> {
  const name = 'leaving'
  for (const minor of [0, 1, 2]) await own.publish(name, `1.${minor}.0`)
  await others.seen(name, 'all versions', (told) => told.versions?.['1.2.0'] !== undefined)
  await user.npm('install', `${name}@1.2.0`)
  t.equal((await far.run('pin', `pkg:npm/${name}@1.1.0`)).status, 0)
  await author.npm('unpublish', `${name}@1.2.0`)
  const told = await others.seen(name, 'a version less', (told) => told.versions['1.2.0'] === undefined)
  t.strictSame(told['dist-tags'], { latest: '1.1.0' })
  await user.npm('ci')
  t.match(await installed(user, name), '1.2.0', 'a lock file has it still')
  t.equal(await own.publish(name, '1.2.0'), 409, 'a version never comes twice')
  const fetched = (version: string) =>
    far.run('fetch', `pkg:npm/${name}@${version}`, '--output', join(sources, 'fetched'))
  t.match((await fetched('1.2.0')).lines.at(-1), { type: 'error', code: 'WITHDRAWN' })
  t.match((await far.run('search', '--local', name)).lines[0], { version: '1.1.0' })

  await author.npm('unpublish', name, '--force')
  await others.seen(name, 'nothing', (told) => told.error !== undefined)
  t.match(await failure(user.npm('view', name)), /E404/)
  t.equal((await fetched('1.1.0')).status, 0, 'what is pinned is kept')
  t.match((await far.run('search', '--local', name)).lines, [{ results: 0 }])
  t.match((await near.run('withdraw', `pkg:npm/${name}@1.0.0`, '--undo')).lines[0], { undone: true })
  await others.seen(name, 'what was put back', (told) => told.versions?.['1.0.0'] !== undefined)
}
