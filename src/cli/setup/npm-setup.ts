// `catalog npm setup`: has the package managers of this user, or of one project, ask this node for everything, and the
// node know the registry they asked before. `--undo` puts every file back as it was.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { CatalogError, hasCode } from '../../base/errors.ts'
import type { Line } from '../../gateway/api/operation.ts'
import { readSettings } from '../../model/config.ts'
import { readSettingsFile } from '../../settings-file.ts'
import { type DataPaths, dataPaths, ownerOf } from '../../store/data-directory.ts'
import { operate } from '../client.ts'
import { carryOut, planned, putBack, type Setting, savedFiles, textOf, writeWhole } from './settings-files.ts'
import { settingsText } from './settings-text.ts'

export interface SetupOptions {
  /** Only for the project around the working folder. */
  readonly project?: boolean | undefined
  /** Yarn's newer versions, too; by default where a file of theirs is. */
  readonly yarn?: boolean | undefined
  /** Write no token: packages can be had, not published. */
  readonly registryOnly?: boolean | undefined
  /** The outside registry, or `none`; by default the one that npm asks now. */
  readonly upstream?: string | undefined
}

/** What was set up, by the project it is for or `user`. */
const stateSchema = z.record(z.string(), z.strictObject({ files: savedFiles, token: z.string().optional() }))
type State = z.infer<typeof stateSchema>

const LOCAL_NAMES = ['127.0.0.1', 'localhost', '[::1]']

/**
 * `setup` {registry, upstream?, files, token?, restart}: `token` is the id of the one that was made, `restart` whether
 * a running node has yet to read its upstream.
 *
 * @throws CatalogError `USAGE`, `CONFIG_INVALID`, `FILE_UNREADABLE`, and as `tokenCreate`
 */
export async function* setUp(dataDir: string, options: SetupOptions, signal: AbortSignal): AsyncGenerator<Line> {
  const paths = dataPaths(dataDir)
  const place = placeOf(options)
  const state = await readState(paths)
  // Twice is as once: what was there before the first time is what counts.
  if (state[place]) for await (const _ of undo(dataDir, options, signal));
  const registry = await registryOf(paths, dataDir, signal)
  const upstream = await upstreamOf(paths, place, registry, options)
  const token = options.registryOnly || (await hasToken(registry)) ? undefined : await makeToken(dataDir, signal)
  const wanted = { paths, place, registry, upstream, token: token?.token, yarn: options.yarn }
  const files = await planned(settingsOf(wanted)).catch(async (thrown) => {
    if (token) await revoke(dataDir, token.id, signal)
    throw thrown
  })
  const entry = { files, ...(token && { token: token.id }) }
  await writeState(paths, { ...(await readState(paths)), [place]: entry })
  for (const file of files) await carryOut(file)
  const restart = upstream !== undefined && ownerOf(paths) !== undefined
  yield { type: 'setup', registry, upstream, files: files.map(({ path }) => path), token: token?.id, restart }
}

/** `undone` {files}. @throws CatalogError `NOT_FOUND` when nothing was set up, `FILE_UNREADABLE` */
export async function* undo(dataDir: string, options: SetupOptions, signal: AbortSignal): AsyncGenerator<Line> {
  const paths = dataPaths(dataDir)
  const place = placeOf(options)
  const { [place]: entry, ...rest } = await readState(paths)
  if (!entry) {
    const what = place === USER ? 'for this user' : `in ${place}`
    throw new CatalogError('NOT_FOUND', `Nothing was set up ${what} with this data directory.`)
  }
  for (const file of [...entry.files].reverse()) await putBack(file)
  if (entry.token !== undefined) await revoke(dataDir, entry.token, signal)
  await writeState(paths, rest)
  yield { type: 'undone', files: entry.files.map(({ path }) => path) }
}

const USER = 'user'

/** The nearest folder with a package.json, as npm finds it. */
function placeOf({ project }: SetupOptions): string {
  if (!project) return USER
  const here = process.cwd()
  for (let folder = here; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return here
  }
}

interface Wanted {
  readonly paths: DataPaths
  readonly place: string
  readonly registry: string
  /** What is to be written; nothing where the node's own settings name one already. */
  readonly upstream: string | undefined
  readonly token: string | undefined
  readonly yarn: boolean | undefined
}

function settingsOf({ paths, place, registry, upstream, token, yarn }: Wanted): Setting[] {
  const folder = place === USER ? homedir() : place
  const npmrc = { path: place === USER ? userNpmrc() : join(place, '.npmrc'), format: 'npmrc' as const }
  const yarnrc = { path: join(folder, '.yarnrc.yml'), format: 'yaml' as const }
  const bare = registry.replace(/\/$/, '')
  const settings: Setting[] = [
    { ...npmrc, key: ['registry'], change: () => registry },
    // What a lock file has of another host is asked of this one, too.
    { ...npmrc, key: ['replace-registry-host'], change: () => 'always' },
  ]
  // Tokens go to the user's own files: those of a project are given away with it.
  if (token) settings.push({ path: userNpmrc(), format: 'npmrc', ...secret([tokenKey(registry)], token) })
  if (yarn ?? existsSync(yarnrc.path)) {
    const allowed = (now: unknown) => [...new Set([...(Array.isArray(now) ? now : []), new URL(registry).hostname])]
    settings.push({ ...yarnrc, key: ['npmRegistryServer'], change: () => bare })
    settings.push({ ...yarnrc, key: ['unsafeHttpWhitelist'], change: allowed })
    const key = ['npmRegistries', bare.replace(/^http:/, ''), 'npmAuthToken']
    if (token) settings.push({ path: join(homedir(), '.yarnrc.yml'), format: 'yaml', ...secret(key, token) })
  }
  if (upstream) settings.push({ path: paths.settings, format: 'toml', key: ['upstream'], change: () => upstream })
  return settings
}

function secret(key: readonly string[], token: string): Pick<Setting, 'key' | 'change' | 'isSecret'> {
  return { key, change: () => token, isSecret: true }
}

/** As npm, pnpm and yarn 1 look for it. */
function tokenKey(registry: string): string {
  return `${registry.replace(/^http:/, '')}:_authToken`
}

function userNpmrc(): string {
  const { npm_config_userconfig, NPM_CONFIG_USERCONFIG } = process.env
  return resolve(npm_config_userconfig ?? NPM_CONFIG_USERCONFIG ?? join(homedir(), '.npmrc'))
}

/** Of the node that runs, or of the one that would. @throws CatalogError `USAGE` when it would be anywhere */
async function registryOf(paths: DataPaths, dataDir: string, signal: AbortSignal): Promise<string> {
  let http: unknown
  if (ownerOf(paths) !== undefined) {
    for await (const line of operate(dataDir, 'status', {}, signal)) if (line.type === 'status') http = line['http']
  } else {
    const { httpPort } = settingsIn(paths)
    if (httpPort > 0) http = `http://127.0.0.1:${httpPort}`
  }
  if (typeof http === 'string') return `${http}/npm/`
  throw new CatalogError('USAGE', 'The node has no HTTP port yet that package managers could be told.', {
    hint: 'Start it first, with a fixed --http-port if it is to stay there.',
  })
}

function settingsIn(paths: DataPaths) {
  return readSettings({ environment: process.env, file: readSettingsFile(paths.settings) })
}

/**
 * @returns nothing when the node's settings name one already, or when none is known
 * @throws CatalogError `USAGE` when it would be this gateway
 */
async function upstreamOf(
  paths: DataPaths,
  place: string,
  registry: string,
  { upstream: given }: SetupOptions,
): Promise<string | undefined> {
  if (given === undefined && settingsIn(paths).upstream !== undefined) return undefined
  const upstream = given ?? (await registryOfNpm(place === USER ? homedir() : place))
  if (upstream === undefined) return undefined
  // Says what is wrong with it, if something is.
  readSettings({ flags: { upstream } })
  if (upstream === 'none' || !isSame(new URL(upstream), new URL(registry))) return upstream
  throw new CatalogError(
    'USAGE',
    'The registry that npm asks now is this node itself, so that none would be left behind it.',
    {
      hint: 'Say which one it is: --upstream URL, or --upstream none.',
    },
  )
}

function isSame(one: URL, other: URL): boolean {
  return one.port === other.port && LOCAL_NAMES.includes(one.hostname) && LOCAL_NAMES.includes(other.hostname)
}

/** As npm itself tells it, from all its files and its default; nothing where there is no npm. */
async function registryOfNpm(folder: string): Promise<string | undefined> {
  const npm = process.env['npm_execpath']
  const [command, before] = npm?.endsWith('npm-cli.js') ? [process.execPath, [npm]] : ['npm', []]
  // What npx says of itself is no setting of the user's, but for the file that they stand in.
  const kept = Object.entries(process.env).filter(([name]) => !/^npm_config_registry$/i.test(name))
  const options = { cwd: folder, env: Object.fromEntries(kept), shell: process.platform === 'win32' }
  try {
    const { stdout } = await promisify(execFile)(command, [...before, 'config', 'get', 'registry'], options)
    return stdout.trim()
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CatalogError('CONFIG_INVALID', 'npm does not tell which registry it asks now.', {
      hint: 'Say which one it is: --upstream URL, or --upstream none.',
      cause: thrown,
    })
  }
}

async function hasToken(registry: string): Promise<boolean> {
  const path = userNpmrc()
  return settingsText('npmrc', (await textOf(path)) ?? '', path).get([tokenKey(registry)]) !== undefined
}

async function makeToken(dataDir: string, signal: AbortSignal): Promise<{ id: string; token: string }> {
  const made = operate(dataDir, 'tokenCreate', { note: 'catalog npm setup' }, signal)
  for await (const line of made) if (line.type === 'token') return line as unknown as { id: string; token: string }
  throw new Error('a token that is made is told')
}

async function revoke(dataDir: string, id: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const _ of operate(dataDir, 'tokenRevoke', { id }, signal));
  } catch (thrown) {
    // By "npm logout" or by hand: it opens nothing, which is what is wanted.
    if (!hasCode(thrown, 'NOT_FOUND')) throw thrown
  }
}

const statePath = ({ root }: DataPaths) => join(root, 'npm-setup.json')

async function readState(paths: DataPaths): Promise<State> {
  const text = await textOf(statePath(paths))
  try {
    return stateSchema.parse(JSON.parse(text ?? '{}'))
  } catch (cause) {
    throw new CatalogError('CONFIG_INVALID', `What was set up, in ${statePath(paths)}, cannot be read.`, { cause })
  }
}

function writeState(paths: DataPaths, state: State): Promise<void> {
  return writeWhole(statePath(paths), JSON.stringify(state), 0o600)
}
