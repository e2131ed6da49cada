// `catalog npm setup` for a user who has settings of their own, and the npm that is at hand afterwards.
import { chmod, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test, test } from 'tap'
import { project } from './npm-project.ts'
import { type CommandOptions, run, startNode } from './processes.ts'

tap.setTimeout(120_000)

const REGISTRY = 'http://registry.example/'
const NPMRC = `; mine\nregistry=${REGISTRY}\n//registry.example/:_authToken=secret\nsave-exact=true`
const YARNRC = '# mine\nnodeLinker: node-modules\nunsafeHttpWhitelist:\n  - elsewhere.example\n'

/** A user with a home, a project, a node, and files that say how they like it. */
async function user(t: Test) {
  const folder = t.testdir({})
  const node = await startNode(t, join(folder, 'node'))
  const { npm, folder: project_ } = await project(join(folder, 'user'), node)
  const home = join(folder, 'user/home')
  const files = {
    npmrc: join(home, '.npmrc'),
    yarnrc: join(home, '.yarnrc.yml'),
    toml: join(node.dataDir, 'catalog.toml'),
  }
  await writeFile(files.npmrc, NPMRC)
  await chmod(files.npmrc, 0o640)
  await writeFile(files.yarnrc, YARNRC)
  const env = { HOME: home, npm_config_userconfig: files.npmrc, CATALOG_UPSTREAM: '' }
  const options: CommandOptions = { env, cwd: project_ }
  const setup = (...flags: string[]) => run(['npm', 'setup', ...flags, '--data-dir', node.dataDir], options)
  const isAsBefore = async () => {
    t.equal(await readFile(files.npmrc, 'utf8'), NPMRC)
    t.equal((await stat(files.npmrc)).mode & 0o777, 0o640)
    t.equal(await readFile(files.yarnrc, 'utf8'), YARNRC)
    await t.rejects(stat(files.toml), { code: 'ENOENT' })
    t.strictSame((await node.run('token', 'list')).lines, [{ type: 'summary', tokens: 0 }])
  }
  return { node, npm, project: project_, home, files, setup, isAsBefore }
}

test('npm publishes and installs after it, and nothing is left of it once it is undone', async (t) => {
  const { node, npm, project, files, setup, isAsBefore } = await user(t)
  const registry = `${node.http}/npm/`
  t.match((await setup()).lines, [{ type: 'setup', registry, upstream: REGISTRY, restart: true }])
  t.match(await readFile(files.npmrc, 'utf8'), `; mine\nregistry=${registry}\n//registry.example/:_authToken=secret\n`)
  t.equal((await stat(files.npmrc)).mode & 0o777, 0o600, 'with a token in it, it is for nobody else')
  t.match(await readFile(files.yarnrc, 'utf8'), /^# mine\nnodeLinker: node-modules\n/)
  t.match(await readFile(files.yarnrc, 'utf8'), /- elsewhere\.example\n +- 127\.0\.0\.1\n[\s\S]*npmAuthToken: catalog_/)
  t.equal(await readFile(files.toml, 'utf8'), `upstream = "${REGISTRY}"\n`)
  await writeFile(join(project, 'package.json'), '{"name":"@acme/mine","version":"1.0.0"}')
  await npm('publish')
  await writeFile(join(project, 'package.json'), '{"name":"project","version":"1.0.0"}')
  await npm('install', '@acme/mine')
  t.match(await readFile(join(project, 'package-lock.json'), 'utf8'), `${registry}@acme/mine/-/mine-1.0.0.tgz`)

  // Twice is as once, and the registry that was there first is the one that comes back.
  t.match((await setup()).lines, [{ type: 'setup', upstream: REGISTRY }])
  t.match((await node.run('token', 'list')).lines.at(-1), { tokens: 1 })
  t.match((await setup('--undo')).lines, [{ type: 'undone' }])
  await isAsBefore()
  t.equal((await setup('--undo')).status, 3)
})

test('what others have changed since stays as they made it', async (t) => {
  const { files, setup } = await user(t)
  await setup('--no-yarn', '--upstream', 'none')
  t.equal(await readFile(files.yarnrc, 'utf8'), YARNRC)
  const now = await readFile(files.npmrc, 'utf8')
  await writeFile(files.npmrc, now.replace('replace-registry-host=always', 'replace-registry-host=never\nfund=false'))
  await setup('--undo')
  t.equal(await readFile(files.npmrc, 'utf8'), `${NPMRC}\nreplace-registry-host=never\nfund=false\n`)
})

test('a project has the registry, and the user the token', async (t) => {
  const { node, project, home, files, setup, isAsBefore } = await user(t)
  // As those do who keep such files in one place.
  await mkdir(join(home, 'dotfiles'))
  await writeFile(join(home, 'dotfiles/npmrc'), '# shared\n')
  await symlink(join(home, 'dotfiles/npmrc'), join(project, '.npmrc'))
  await setup('--project', '--yarn', '--upstream', REGISTRY)
  const shared = await readFile(join(home, 'dotfiles/npmrc'), 'utf8')
  t.equal(shared, `# shared\nregistry=${node.http}/npm/\nreplace-registry-host=always\n`)
  t.match(await readFile(join(project, '.yarnrc.yml'), 'utf8'), `npmRegistryServer: ${node.http}/npm\n`)
  t.notMatch(await readFile(join(project, '.yarnrc.yml'), 'utf8'), 'catalog_')
  t.match(await readFile(files.npmrc, 'utf8'), /:_authToken=catalog_/)
  await setup('--project', '--undo')
  await isAsBefore()
  t.equal(await readFile(join(project, '.npmrc'), 'utf8'), '# shared\n')
  await t.rejects(stat(join(project, '.yarnrc.yml')), { code: 'ENOENT' })
})

test('a node is not put behind itself, and what cannot be read is left alone', async (t) => {
  const { node, files, setup } = await user(t)
  await writeFile(files.npmrc, `registry=${node.http.replace('127.0.0.1', 'localhost')}/npm/\n`)
  const refused = await setup()
  t.equal(refused.status, 2)
  t.match(refused.lines, [{ type: 'error', hint: /--upstream/ }])
  await writeFile(files.yarnrc, '- no\n- map\n')
  t.match((await setup('--upstream', REGISTRY)).lines, [{ type: 'error', code: 'CONFIG_INVALID' }])
  t.match((await setup('--upstream', 'ftp://a')).lines, [{ type: 'error', code: 'CONFIG_INVALID' }])
  t.match((await node.run('token', 'list')).lines, [{ tokens: 0 }], 'no token is left over')
  await setup('--upstream', REGISTRY, '--no-yarn', '--registry-only')
  t.notMatch(await readFile(files.npmrc, 'utf8'), 'catalog_')
  await setup('--undo')
  t.match(await readFile(files.npmrc, 'utf8'), /^registry=http:\/\/localhost:\d+\/npm\/\n$/)
})
