// A folder in which the npm that is at hand, unmodified, works with a node as its registry.
import { type ChildProcess, execFile } from 'node:child_process'
import { appendFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Line, TestNode } from './processes.ts'

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024
const NPM = process.env['npm_execpath']

export interface Project {
  readonly folder: string
  npm(...args: string[]): Promise<string>
  /** The same, told of as it goes on. */
  start(...args: string[]): { readonly process: ChildProcess; readonly ended: Promise<string> }
  /** From now on npm may publish at the node. */
  login(): Promise<string>
}

/** A folder in which npm knows nothing but the registry of a node. */
export async function project(folder: string, node: Pick<TestNode, 'http' | 'run'>): Promise<Project> {
  const { http } = node
  await mkdir(join(folder, 'project'), { recursive: true })
  await mkdir(join(folder, 'home'))
  await writeFile(join(folder, 'project/package.json'), '{"name":"project","version":"1.0.0"}')
  const settings = [
    `registry=${http}/npm/`,
    `cache=${join(folder, 'cache')}`,
    'update-notifier=false',
    'fund=false',
    'fetch-retries=0',
  ]
  await writeFile(join(folder, 'home/.npmrc'), settings.join('\n'))
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
  const home = join(folder, 'home')
  const env = { ...Object.fromEntries(kept), HOME: home, npm_config_userconfig: join(home, '.npmrc') }
  const [command, before] = NPM?.endsWith('.js') ? [process.execPath, [NPM]] : ['npm', []]
  const started = (args: readonly string[]) => {
    const running = promisify(execFile)(command, [...before, ...args], {
      ...{ cwd: join(folder, 'project'), env, maxBuffer: OUTPUT_BYTES_MAX },
    })
    return { process: running.child, ended: running.then(({ stdout }) => stdout) }
  }
  return {
    folder: join(folder, 'project'),
    npm: (...args) => started(args).ended,
    start: (...args) => started(args),
    async login() {
      const [made] = (await node.run('token', 'create', 'for npm')).lines as (Line & { token: string })[]
      const token = made?.token ?? ''
      await appendFile(join(home, '.npmrc'), `\n${http.replace('http:', '')}/npm/:_authToken=${token}\n`)
      return token
    },
  }
}

/** What npm says when it fails. */
export async function failure(running: Promise<unknown>): Promise<string> {
  const { stderr } = await running.then(
    () => ({ stderr: '' }),
    (thrown) => thrown,
  )
  return stderr
}
