// What each stock client does, from its login to an audit, at one node and at another: the same for all, as far as a
// client has a command for it.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { type Client, said, User } from './npm-clients.ts'
import { connected, eventually, startNode, type TestNode } from './processes.ts'
import { OutsideRegistry } from './registry.ts'

const TOOL = '@acme/tool'
const PART = 'part'

// biome-ignore lint/suspicious/noExplicitAny: what is in it is looked at one by one
type Packument = any

interface Walk {
  readonly client: Client
  readonly near: TestNode
  readonly far: TestNode
  /** At the near node, which has no outside registry. */
  readonly author: User
  /** At the far one. */
  readonly user: User
}

export function walk(client: Client): void {
  tap.setTimeout(240_000)
  test(`${client.name} publishes at one node and installs at another`, async (t) => {
    await using registry = await new OutsideRegistry().start()
    registry.add({ name: 'weak', version: '1.0.0' }, { 'x.js': "module.exports = '1.0.0'" })
    const folder = t.testdir({})
    const near = await startNode(t, join(folder, 'near'))
    const far = await startNode(t, join(folder, 'far'), { env: registry.settings })
    await connected(far, near)
    const flags = client.login === 'token' ? [] : ['--registry-only']
    const author = await User.of(client, join(folder, 'author'), near, flags)
    const user = await User.of(client, join(folder, 'user'), far, ['--registry-only'])
    const here = { client, near, far, author, user }
    await t.test('login', (t) => login(t, here))
    await t.test('publish and install', (t) => publish(t, here))
    await t.test('what can be asked', (t) => questions(t, here))
    await t.test('changes', (t) => changes(t, here))
    await t.test('audit', (t) => audit(t, here))
  })
}

async function login(t: Test, { client, near, author }: Walk): Promise<void> {
  const folder = await author.package(PART, '1.0.0', { description: 'A part of a walk' })
  if (client.prepare) await author.do(client.prepare, folder)
  if (client.login !== 'token') t.not((await author.run(client.publish, folder)).status, 0, 'not without a login')
  if (client.login === 'page') {
    const child = author.start(client.loginArgs)
    const ended = said(child)
    let told = ''
    child.stdout?.on('data', (text) => {
      told += text
    })
    while (!/\/login\/\S+\s/.test(told)) await once(child.stdout as NodeJS.ReadableStream, 'data')
    await near.run('token', 'approve', /\/login\/([\w-]+)/.exec(told)?.[1] ?? '')
    t.equal((await ended).status, 0, told)
  } else if (client.login === 'password') {
    t.not((await author.run(client.loginArgs)).status, 0, 'a password opens nothing')
    const [waiting] = (await near.run('token', 'approve')).lines
    await near.run('token', 'approve', `${waiting?.['code']}`)
    await author.do(client.loginArgs)
  }
  if (client.whoami) t.match(await author.do(client.whoami), /publisher:|nobody yet/)
  await author.do(client.publish, folder)
}

async function publish(t: Test, { client, far, author, user }: Walk): Promise<void> {
  const folder = await author.package(TOOL, '1.2.3', { dependencies: { [PART]: '^1.0.0' } })
  if (client.prepare) await author.do(client.prepare, folder)
  await author.do(client.publish, folder)
  t.match((await author.run(client.publish, folder)).said, /previously published|409/, 'not twice')
  await seen(far, TOOL, (told) => told.versions?.['1.2.3'])
  await user.do(client.add(TOOL, `${PART}@1.0.0`, 'weak'))
  const installed = async () => t.strictSame([await user.has(TOOL), await user.has(PART)], ['1.2.3', '1.0.0'])
  await installed()
  const lock = await readFile(join(user.project, client.lockFile), 'utf8')
  await user.forget()
  await user.do(client.fromLock)
  await installed()
  t.equal(await user.has('weak'), '1.0.0', 'from outside')
  t.equal(await readFile(join(user.project, client.lockFile), 'utf8'), lock)
}

async function questions(t: Test, { client, far, author, user }: Walk): Promise<void> {
  const folder = await author.package(PART, '1.1.0', { description: 'A part of a walk' })
  if (client.prepare) await author.do(client.prepare, folder)
  await author.do(client.publish, folder)
  await seen(far, PART, (told) => told.versions['1.1.0'])
  t.match(await user.do(client.view(PART)), '1.1.0')
  if (client.search) t.match(await user.do(client.search('part of a walk')), PART)
  if (client.outdated) {
    const { status, said } = await user.run(client.outdated)
    t.equal(status, 1)
    t.match(said, /part\W.*1\.0\.0.*1\.1\.0/)
  }
  if (client.pack) t.match(await user.do(client.pack(`${PART}@~1.0.0`)), 'part-1.0.0.tgz')
}

async function changes(t: Test, { client, far, author, user }: Walk): Promise<void> {
  const { tags } = client
  await author.do(tags.add(`${PART}@1.0.0`, 'stable'))
  t.match(await author.do(tags.list(PART)), /stable\W+1\.0\.0/)
  await seen(far, PART, (told) => told['dist-tags'].stable === '1.0.0')
  t.match(await user.do(tags.list(PART)), /stable\W+1\.0\.0/)
  await author.do(tags.remove(PART, 'stable'))
  await seen(far, PART, (told) => told['dist-tags'].stable === undefined)
  if (client.deprecate) {
    await author.do(client.deprecate(`${PART}@1.0.0`, 'it loses data'))
    await seen(far, PART, (told) => told.versions['1.0.0'].deprecated === 'it loses data')
  }
  if (client.unpublish) {
    await author.do(client.unpublish(`${PART}@1.1.0`))
    await seen(far, PART, (told) => told.versions['1.1.0'] === undefined)
    await user.forget()
    await user.do(client.fromLock)
    t.equal(await user.has(PART), '1.0.0')
  }
}

async function audit(t: Test, { client, author, user }: Walk): Promise<void> {
  if (client.audit) {
    const { status, said } = await user.run(client.audit)
    t.not(status, 0)
    t.match(said, 'It is weak')
    await author.do(client.add(`${PART}@1.0.0`))
    t.equal((await author.run(client.audit)).status, 0, 'a node without an outside registry knows of none')
  }
  if (client.signatures) t.match(await user.do(client.signatures), /\b3 packages have verified registry signatures/)
}

/** What a node lists of a package, once it shows so: what is published elsewhere takes a moment. */
function seen({ http }: TestNode, name: string, isSo: (told: Packument) => unknown): Promise<Packument> {
  return eventually(`${name} shows`, async () => {
    const told = await (await fetch(`${http}/npm/${name}`)).json()
    return isSo(told) ? told : undefined
  })
}
