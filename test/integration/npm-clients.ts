// Stock clients of npm's registry, unmodified, each with a home of its own and nothing else in the world than a node.
// What they are told is what `catalog npm setup` writes. A client has the rows that it has commands for.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run, type TestNode } from './processes.ts'

/** Of this project, by the Node that runs this. */
const installed = (file: string) => [
  process.execPath,
  fileURLToPath(new URL(`../../node_modules/${file}`, import.meta.url)),
]

export interface Ran {
  readonly status: number | null
  /** All that it said. */
  readonly said: string
}

export interface Client {
  readonly name: string
  /** Program and first arguments. */
  readonly command: readonly string[]
  readonly lockFile: string
  /** Folders of a home in which it keeps what it has fetched. */
  readonly caches: readonly string[]
  /** What its users set who want packages of today, or none of the many extras. */
  readonly env?: Readonly<Record<string, string>>
  /** How it proves who it is: by its page, by a name and a password, or by the token that the set-up gives it. */
  readonly login: 'page' | 'password' | 'token'
  readonly loginArgs: readonly string[]
  readonly whoami?: readonly string[]
  /** What it wants in a folder before it publishes from there. */
  readonly prepare?: readonly string[]
  readonly publish: readonly string[]
  add(...specs: string[]): string[]
  readonly fromLock: readonly string[]
  view(name: string): string[]
  search?(words: string): string[]
  readonly outdated?: readonly string[]
  readonly tags: {
    add(spec: string, tag: string): string[]
    remove(name: string, tag: string): string[]
    list(name: string): string[]
  }
  deprecate?(spec: string, message: string): string[]
  unpublish?(spec: string): string[]
  readonly audit?: readonly string[]
  readonly signatures?: readonly string[]
  pack?(spec: string): string[]
}

const NPM = process.env['npm_execpath']

/** Commands that pnpm has from npm. */
const AS_NPM = {
  login: 'page',
  loginArgs: ['login'],
  whoami: ['whoami'],
  view: (name) => ['view', name, 'version'],
  search: (words) => ['search', words],
  tags: {
    add: (spec, tag) => ['dist-tag', 'add', spec, tag],
    remove: (name, tag) => ['dist-tag', 'rm', name, tag],
    list: (name) => ['dist-tag', 'ls', name],
  },
  deprecate: (spec, message) => ['deprecate', spec, message],
  unpublish: (spec) => ['unpublish', spec],
  audit: ['audit'],
} satisfies Partial<Client>

/** No "audit signatures": it asks sigstore's servers for keys, before any registry. */
export const npm: Client = {
  ...AS_NPM,
  name: 'npm',
  command: NPM?.endsWith('npm-cli.js') ? [process.execPath, NPM] : ['npm'],
  lockFile: 'package-lock.json',
  caches: ['.npm'],
  publish: ['publish'],
  add: (...specs) => ['install', ...specs],
  fromLock: ['ci'],
  outdated: ['outdated', '--all'],
  pack: (spec) => ['pack', spec],
}

export const pnpm: Client = {
  ...AS_NPM,
  name: 'pnpm',
  command: installed('pnpm/bin/pnpm.mjs'),
  lockFile: 'pnpm-lock.yaml',
  caches: ['.cache', '.local'],
  env: { pnpm_config_minimum_release_age: '0' },
  publish: ['publish', '--no-git-checks'],
  add: (...specs) => ['add', ...specs],
  fromLock: ['install', '--frozen-lockfile'],
  outdated: ['outdated'],
  signatures: ['audit', 'signatures'],
}

/** Its "audit" asks yarn's own registry, whichever is set. */
export const yarn1: Client = {
  name: 'yarn 1',
  command: installed('yarn/bin/yarn.js'),
  lockFile: 'yarn.lock',
  caches: ['.cache'],
  login: 'token',
  loginArgs: [],
  publish: ['publish', '--non-interactive', '--no-git-tag-version'],
  add: (...specs) => ['add', ...specs],
  fromLock: ['install', '--frozen-lockfile'],
  view: (name) => ['info', name, 'version'],
  outdated: ['outdated'],
  tags: {
    add: (spec, tag) => ['tag', 'add', spec, tag],
    remove: (name, tag) => ['tag', 'remove', name, tag],
    list: (name) => ['tag', 'list', name],
  },
}

export const yarn4: Client = {
  name: 'yarn 4',
  command: installed('@yarnpkg/cli-dist/bin/yarn.js'),
  lockFile: 'yarn.lock',
  caches: ['.cache', '.yarn/berry'],
  env: {
    ...{ YARN_ENABLE_TELEMETRY: '0', YARN_NODE_LINKER: 'node-modules', YARN_NPM_MINIMAL_AGE_GATE: '0' },
    // Its own tests are asked neither by a terminal.
    ...{ YARN_IS_TEST_ENV: '1', YARN_INJECT_NPM_USER: 'me', YARN_INJECT_NPM_PASSWORD: 'what I typed' },
  },
  login: 'password',
  loginArgs: ['npm', 'login'],
  whoami: ['npm', 'whoami'],
  prepare: ['install'],
  publish: ['npm', 'publish', '--access', 'public'],
  add: (...specs) => ['add', ...specs],
  fromLock: ['install', '--immutable'],
  view: (name) => ['npm', 'info', name, '--fields', 'version'],
  tags: {
    add: (spec, tag) => ['npm', 'tag', 'add', spec, tag],
    remove: (name, tag) => ['npm', 'tag', 'remove', name, tag],
    list: (name) => ['npm', 'tag', 'list', name],
  },
  audit: ['npm', 'audit'],
}

/** Who has a client, a home and a project. */
export class User {
  readonly client: Client
  readonly home: string
  readonly project: string

  private constructor(client: Client, folder: string) {
    this.client = client
    this.home = join(folder, 'home')
    this.project = join(folder, 'project')
  }

  /** Set up by the node; no other home may be by the same one. */
  static async of(client: Client, folder: string, { dataDir }: TestNode, flags: string[] = []): Promise<User> {
    const user = new User(client, folder)
    await mkdir(user.home, { recursive: true })
    await user.#make(user.project, { name: 'project', version: '1.0.0', private: true })
    const env = { HOME: user.home, npm_config_userconfig: join(user.home, '.npmrc') }
    const words = ['npm', 'setup', '--upstream', 'none', '--yarn', ...flags, '--data-dir', dataDir]
    const { status, stderr } = await run(words, { env, cwd: user.project })
    if (status !== 0) throw new Error(stderr)
    return user
  }

  /** @returns a folder with a package that exports its version */
  async package(name: string, version: string, more: object = {}): Promise<string> {
    const folder = join(dirname(this.home), `${name.replace('/', '-')}-${version}`)
    await this.#make(folder, { name, version, license: 'MIT', main: 'x.js', ...more })
    await writeFile(join(folder, 'x.js'), `module.exports = '${version}'\n`)
    return folder
  }

  async #make(folder: string, manifest: object): Promise<void> {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest))
    // By an empty lock file it knows that the project is no part of one around it.
    if (this.client.prepare) await writeFile(join(folder, this.client.lockFile), '')
  }

  /** @returns a name's version in the project, as its code says it */
  async has(name: string): Promise<string> {
    const text = await readFile(join(this.project, 'node_modules', name, 'x.js'), 'utf8')
    return /'(.+)'/.exec(text)?.[1] ?? text
  }

  start(args: readonly string[], folder = this.project): ChildProcess {
    const [program = '', ...first] = this.client.command
    // Nothing of this process's own: that it runs under npm, or in CI, is nobody's business there.
    const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
    const env = { PATH, HOME: this.home, YARN_CACHE_FOLDER: join(this.home, '.cache/yarn'), ...this.client.env }
    return spawn(program, [...first, ...args], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] })
  }

  async run(args: readonly string[], folder = this.project): Promise<Ran> {
    return said(this.start(args, folder))
  }

  /** @returns what it said @throws when it fails */
  async do(args: readonly string[], folder = this.project): Promise<string> {
    const { status, said } = await this.run(args, folder)
    if (status !== 0) throw new Error(`${this.client.name} ${args.join(' ')}: ${status}\n${said}`)
    return said
  }

  /** What it has fetched is gone; the lock file stays. */
  async forget(): Promise<void> {
    const folders = [join(this.project, 'node_modules'), ...this.client.caches.map((each) => join(this.home, each))]
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  }
}

export async function said(child: ChildProcess): Promise<Ran> {
  child.stdin?.end()
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => {
      said += text
    })
  }
  const [status] = await once(child, 'close')
  return { status, said }
}
