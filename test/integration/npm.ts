// The npm at hand, unmodified, in a folder where it knows nothing but one registry.
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const NPM = process.env['npm_execpath']
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

export interface Project {
  readonly folder: string
  npm(...args: string[]): Promise<string>
}

/** @param registry - its URL @param settings - further lines of .npmrc */
export async function project(folder: string, registry: string, settings: readonly string[] = []): Promise<Project> {
  await mkdir(join(folder, 'project'), { recursive: true })
  await mkdir(join(folder, 'home'))
  await writeFile(join(folder, 'project/package.json'), '{"name":"project","version":"1.0.0"}')
  const lines = [
    `registry=${registry}`,
    `cache=${join(folder, 'cache')}`,
    'update-notifier=false',
    'fund=false',
    'fetch-retries=0',
  ]
  await writeFile(join(folder, 'home/.npmrc'), [...lines, ...settings].join('\n'))
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
  const home = join(folder, 'home')
  const env = { ...Object.fromEntries(kept), HOME: home, npm_config_userconfig: join(home, '.npmrc') }
  const [command, before] = NPM?.endsWith('.js') ? [process.execPath, [NPM]] : ['npm', []]
  const run = promisify(execFile)
  return {
    folder: join(folder, 'project'),
    async npm(...args) {
      const options = { cwd: join(folder, 'project'), env, maxBuffer: OUTPUT_BYTES_MAX }
      const { stdout } = await run(command, [...before, ...args], options)
      return stdout
    },
  }
}

/** What npm says when it fails; empty when it does not. */
export async function failure(running: Promise<string>): Promise<string> {
  const { stderr } = await running.then(
    () => ({ stderr: '' }),
    (thrown) => thrown,
  )
  return stderr
}
