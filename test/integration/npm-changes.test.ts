// What npm changes of packages that are published, unmodified, at one node; and how that shows at another.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { failure, type Project, project } from './npm-project.ts'
import { connected, eventually, startNode, type TestNode } from './processes.ts'

tap.setTimeout(120_000)

const NAME = '@acme/made'

interface Pair {
  readonly near: TestNode
  readonly far: TestNode
  readonly author: Project
  readonly user: Project
  /** Publish this version from the author's folder. */
  published(version: string, ...flags: string[]): Promise<void>
  /** Until it shows so at the other node. */
  seen(what: string, isSo: (packument: Packument) => boolean): Promise<Packument>
}

// biome-ignore lint/suspicious/noExplicitAny: what is in it is looked at one by one
type Packument = any

/** Two nodes that know each other: npm publishes at one, and installs from the other. */
async function pair(t: Test): Promise<Pair> {
  const sources = t.testdir({})
  const near = await startNode(t, join(sources, 'near'))
  const far = await startNode(t, join(sources, 'far'))
  await connected(far, near)
  const author = await project(join(sources, 'author'), near)
  const user = await project(join(sources, 'user'), far)
  await author.login()
  const packument = async () => (await fetch(`${far.http}/npm/${NAME}`)).json()
  return {
    ...{ near, far, author, user },
    async published(version, ...flags) {
      await writeFile(join(author.folder, 'package.json'), JSON.stringify({ name: NAME, version, main: 'x.js' }))
      await writeFile(join(author.folder, 'x.js'), `module.exports = '${version}'\n`)
      await author.npm('publish', ...flags)
    },
    seen: (what, isSo) =>
      eventually(what, async () => {
        const told = await packument()
        return isSo(told) ? told : undefined
      }),
  }
}

test('tags', async (t) => {
  const { near, author, user, published, seen } = await pair(t)
  await published('1.0.0')
  await published('2.0.0', '--tag', 'beta')
  const tags = { latest: '1.0.0', beta: '2.0.0' }
  const told = await seen('the tags', (told) => told['dist-tags']?.beta !== undefined)
  t.strictSame(told['dist-tags'], tags, 'a version under a tag of its own is not the latest')
  await user.npm('install', NAME)
  const installed = async () => readFile(join(user.folder, 'node_modules', NAME, 'x.js'), 'utf8')
  t.match(await installed(), '1.0.0')
  await user.npm('install', `${NAME}@beta`)
  t.match(await installed(), '2.0.0')

  await author.npm('dist-tag', 'add', `${NAME}@1.0.0`, 'stable')
  t.match(await author.npm('dist-tag', 'ls', NAME), /beta: 2\.0\.0\nlatest: 1\.0\.0\nstable: 1\.0\.0/)
  await seen('the tag that was added', (told) => told['dist-tags'].stable === '1.0.0')
  await author.npm('dist-tag', 'rm', NAME, 'stable')
  t.notMatch(await author.npm('dist-tag', 'ls', NAME), 'stable')
  await seen('the tag that was taken back', (told) => told['dist-tags'].stable === undefined)
  t.match(await failure(author.npm('dist-tag', 'add', `${NAME}@1.0.0`, '1.x')), /valid SemVer range/)
  t.match(await failure(author.npm('dist-tag', 'add', `${NAME}@9.9.9`, 'beta')), /E404/)
  t.match(await failure(user.npm('dist-tag', 'add', `${NAME}@1.0.0`, 'beta')), /ENEEDAUTH|E401/)
  await user.login()
  t.match(await failure(user.npm('dist-tag', 'add', `${NAME}@1.0.0`, 'beta')), /E403/, 'of somebody else')

  await published('3.0.0')
  await seen('a version without a tag is the latest', (told) => told['dist-tags'].latest === '3.0.0')
  t.match((await near.run('tag', 'ls', `pkg:npm/${NAME}`)).lines, [
    { tag: 'beta', version: '2.0.0' },
    { tag: 'latest', version: '3.0.0' },
    { tags: 2 },
  ])
  t.match((await near.run('tag', 'add', `pkg:npm/${NAME}@1.0.0`, 'beta')).lines, [{ tag: 'beta', version: '1.0.0' }])
  t.match((await near.run('tag', 'rm', `pkg:npm/${NAME}`, 'beta')).lines, [{ tag: 'beta', changed: true }])
})

test('deprecations', async (t) => {
  const { far, author, user, published, seen } = await pair(t)
  await published('1.0.0')
  await published('1.1.0')
  await author.npm('deprecate', `${NAME}@1.0.0`, 'it loses data')
  const told = await seen('what is deprecated', (told) => told.versions?.['1.0.0']?.deprecated !== undefined)
  t.equal(told.versions['1.0.0'].deprecated, 'it loses data')
  t.notOk('deprecated' in told.versions['1.1.0'])
  await user.npm('install', `${NAME}@1.0.0`)
  const lock = JSON.parse(await readFile(join(user.folder, 'package-lock.json'), 'utf8'))
  t.equal(lock.packages[`node_modules/${NAME}`].deprecated, 'it loses data', 'npm reads it in the short form')
  t.match((await far.run('info', `pkg:npm/${NAME}@1.0.0`)).lines, [{ deprecated: 'it loses data' }])
  const to = join(user.folder, 'by-catalog')
  t.match((await far.run('install', `pkg:npm/${NAME}@1.0.0`, '--to', to)).lines.at(-1), { deprecated: 'it loses data' })
  await author.npm('deprecate', `${NAME}@1.0.0`, '')
  await seen('what is deprecated no more', (told) => told.versions['1.0.0'].deprecated === undefined)
})

test('unpublishing', async (t) => {
  const { near, far, author, user, published, seen } = await pair(t)
  for (const version of ['1.0.0', '1.1.0', '1.2.0']) await published(version)
  await seen('all versions', (told) => told.versions?.['1.2.0'] !== undefined)
  await user.npm('install', `${NAME}@1.2.0`)
  t.equal((await far.run('pin', `pkg:npm/${NAME}@1.1.0`)).status, 0)
  await author.npm('unpublish', `${NAME}@1.2.0`)
  const told = await seen('a version less', (told) => told.versions['1.2.0'] === undefined)
  t.strictSame(told['dist-tags'], { latest: '1.1.0' })
  await user.npm('ci')
  t.match(await readFile(join(user.folder, 'node_modules', NAME, 'x.js'), 'utf8'), '1.2.0', 'a lock file has it still')
  t.match(await failure(published('1.2.0')), /cannot publish over the previously published versions: 1\.2\.0/)
  t.match((await far.run('fetch', `pkg:npm/${NAME}@1.2.0`, '--output', join(user.folder, 'x'))).lines.at(-1), {
    type: 'error',
    code: 'WITHDRAWN',
  })
  t.match((await far.run('search', '--local', 'made')).lines[0], { version: '1.1.0' })

  await author.npm('unpublish', NAME, '--force')
  await seen('nothing', (told) => told.error !== undefined)
  t.match(await failure(user.npm('view', NAME)), /E404/)
  const pinned = await far.run('fetch', `pkg:npm/${NAME}@1.1.0`, '--output', join(user.folder, 'x'))
  t.equal(pinned.status, 0, 'what is pinned is kept')
  t.match((await far.run('search', '--local', 'made')).lines, [{ results: 0 }])
  t.match((await near.run('withdraw', `pkg:npm/${NAME}@1.0.0`, '--undo')).lines[0], { undone: true })
  await seen('what was put back', (told) => told.versions?.['1.0.0'] !== undefined)
})
