// The commands, their options and their help.
import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import envPaths from 'env-paths'
import { CatalogError, EXIT } from '../base/errors.ts'
import { MINUTE_MS, parseBytes, parseRate } from '../base/units.ts'
import { VERSION } from '../version.ts'
import { operate } from './client.ts'
import { each, type Lines, type Print, type Run } from './commands.ts'
import { completionScript, SHELLS } from './completion.ts'
import { conflictCommands } from './conflict-commands.ts'
import { curationCommands } from './curation-commands.ts'
import { npmCommands } from './npm-commands.ts'
import { Output } from './output.ts'
import { permissionCommands, permissionInput, permissionOption, withPermission } from './permission-commands.ts'
import { syncCommands } from './sync-commands.ts'
import { tokenCommands } from './token-commands.ts'
import { up } from './up.ts'

interface GlobalOptions {
  dataDir: string
  json?: boolean
}

/** @param exit - told the status the process is to end with */
export function makeProgram(exit: (status: number) => void): Command {
  const program = new Command('catalog')
    .description('A peer-to-peer package registry: publish once, find and install from every node.')
    .version(VERSION, '-V')
    .option('--data-dir <dir>', 'where this node keeps everything (CATALOG_DATA_DIR)', defaultDataDir())
    .option('--json', 'print one JSON object a line, each with a "type"')
    .addHelpText('after', EXIT_HELP)
  const print: Print = (lines) => perform(program, exit, lines)
  const run: Run = (name, input) => print((dataDir, signal) => operate(dataDir, name, input, signal))
  nodeCommands(program, exit, run)
  packageCommands(program, run)
  storageCommands(program, run, print)
  curationCommands(program, run)
  conflictCommands(program, run)
  permissionCommands(program, run)
  syncCommands(program, run)
  tokenCommands(program, run)
  npmCommands(program, print)
  trustCommands(program, run)
  program
    .command('completion')
    .description('print a completion script for your shell')
    .argument('<shell>', SHELLS.join(', '))
    .addHelpText('after', '\nExample: catalog completion bash > /etc/bash_completion.d/catalog')
    .action((shell: string) => {
      process.stdout.write(completionScript(shell, program))
    })
  return program
}

const EXIT_HELP = `
Exit status: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 verification failed, 5 not permitted,
6 network, 7 disk, 8 done in part, 130 interrupted.

Settings may also stand in catalog.toml in the data directory, or in CATALOG_* variables; flags win.`

const SCHEDULE_HELP = `
Times are local; days may be left out; rates are up=, down= and per-peer=. Where parts overlap, the first decides.
Example: catalog limits --schedule "mon-fri 08:00-18:00 up=1MB/s" --schedule "22:00-06:00 up=unlimited"`

const SEARCH_HELP = `
What matches is bold. after: and before: take a day, a month or a year.
Example: catalog search --explain http client type:npm license:mit after:2026-03`

function nodeCommands(program: Command, exit: (status: number) => void, run: Run): void {
  program
    .command('up')
    .description('run a node until Ctrl-C')
    .option('--control-port <n>', 'UDP and TCP port for peers; 0 takes any (default 9292)', port)
    .option(
      '--bulk-port <n>',
      'UDP port of the bulk plane, over which blobs go fastest; 0 takes any (default 9293)',
      port,
    )
    .option('--http-port <n>', 'HTTP port on 127.0.0.1; 0 takes any (default 9294)', port)
    .option('--host <ip>', 'address to listen on; 127.0.0.1 stays on this machine (default 0.0.0.0)')
    .option('--peer <address>', 'stay connected to this peer: a multiaddr or host[:port]; may be repeated', each)
    .option('--no-mdns', 'do not look for nodes on the local network')
    .option('--upstream <url>', "registry for npm packages that no peer has (default npm's own setting)")
    .option('--no-upstream', 'have no such registry')
    .option('--no-share-usage', 'tell nobody how often public packages are used here, and hear it of nobody')
    .option('--core <name>', 'compute core: auto, native or wasm')
    .option('--max-mirror-storage <size>', 'most that is kept of what others published (default 10 GiB)', size)
    .addOption(new Option('--profile <name>', 'a mirror has no limits on bandwidth').choices(['personal', 'mirror']))
    .option('--max-bandwidth <rate>', 'most that is sent, and most that is received (default 10MB/s)', bandwidth)
    .option('--max-upload <rate>', 'most that is sent', bandwidth)
    .option('--max-download <rate>', 'most that is received', bandwidth)
    .option('--fair-use-limit <rate>', 'most to and from one peer (default 1MB/s)', bandwidth)
    .option('--limit-local', 'hold peers on this machine and the local network to the limits, too')
    .option('--congestion <name>', 'how the bulk plane reacts to loss: cubic or bbr (default cubic)')
    .option('--no-supervise', 'run the node in this very process, which then nobody starts again')
    .action(async ({ peer, mdns, shareUsage, supervise, upstream, ...options }) => {
      const { dataDir, json = false } = program.opts<GlobalOptions>()
      const output = new Output({ json })
      const off = { ...(mdns ? {} : { mdns: false }), ...(shareUsage ? {} : { shareUsage: false }) }
      // Commander has `true` where neither was said.
      const outside = upstream === true ? {} : { upstream: upstream === false ? 'none' : upstream }
      const settings = { ...options, ...(peer ? { peers: peer } : {}), ...off, ...outside }
      await guarded(output, exit, async () => exit(await up(dataDir, settings, output, { json, supervise })))
    })
  program
    .command('status')
    .description('who this node is and what it keeps')
    .action(() => run('status', {}))
  program
    .command('transfers')
    .description('what is being fetched and sent, how fast and from whom; then what came of the last ones')
    .option('--watch', 'go on telling, once a second, until Ctrl-C')
    .action((options) => run('transfers', options))
  program
    .command('limits')
    .description('how fast this node may send and receive; with options, change that at once and for later starts')
    .option('--up <rate>', 'most that is sent: 10MB/s, 8Mbit/s or unlimited', bandwidth)
    .option('--down <rate>', 'most that is received', bandwidth)
    .option('--per-peer <rate>', 'most to and from one peer', bandwidth)
    .option('--schedule <when>', 'other rates at certain times; "" for none', joined)
    .option('--clear', 'first go back to the settings')
    .addHelpText('after', SCHEDULE_HELP)
    .action((options) => run('limits', unlimited(options)))
  const peers = program.command('peers').description('list connected peers, add one, or see who gave how much')
  peers
    .command('list', { isDefault: true })
    .description('connected peers')
    .action(() => run('peers', {}))
  peers
    .command('accounts')
    .description('what ever went to and came from each peer, connected or not')
    .action(() => run('accounts', {}))
  peers
    .command('add')
    .description('connect to a peer and stay connected while the node runs')
    .argument('<address>', 'multiaddr or host[:port]')
    .action((address: string) => run('connect', { address }))
}

function packageCommands(program: Command, run: Run): void {
  const publish = program
    .command('publish')
    .description('sign and publish a package')
    .argument('<path>', 'a folder, a .tgz, or any file')
    .option('--type <type>', 'npm or generic; recognised from the path by default')
    .option('--name <name>', 'name, where the package itself has none')
    .option('--version <version>', 'version, where the package itself has none')
    .option('--tag <tag>', 'what is to name it, such as "beta"; else the highest version is "latest"')
  withPermission(publish, permissionOption().default(undefined, 'what its name is shared with, else public')).action(
    (path: string, { type, name, version, tag, ...flags }) => {
      const named = Object.entries({ type, name, version, tag }).filter(([, value]) => value !== undefined)
      return run('publish', { path: resolve(path), ...Object.fromEntries(named), ...permissionInput(flags) })
    },
  )
  program
    .command('search')
    .description('find packages here and at connected peers')
    .argument(
      '<query...>',
      'a name or words; type:, tag:, license:, keyword:, category:, publisher:, after: and before: filter',
    )
    .option('--limit <n>', 'results at most', whole, 20)
    .option('--local', 'ask no peers')
    .option('--newcomers', 'list what only peers offer of publishers nobody knew before, even beside better known')
    .option('--explain', 'say why each result ranks where it does')
    .addHelpText('after', SEARCH_HELP)
    .action((query: string[], options) => run('search', { query: query.join(' '), highlight: true, ...options }))
  program
    .command('complete')
    .description('names of packages known here that begin so, the most popular first, then the shortest')
    .argument('[prefix]', 'of a name, or of a package URL such as pkg:npm/rea', '')
    .option('--limit <n>', 'names at most', whole, 20)
    .action((prefix: string, options) => run('complete', { prefix, ...options }))
  program
    .command('recommend')
    .description('what goes well with a package, and why; without one, with what is used here. Nobody is asked')
    .argument('[purl]', 'pkg:npm/name')
    .option('--limit <n>', 'results at most', whole, 10)
    .action((purl: string | undefined, options) =>
      run('recommend', { ...options, ...(purl !== undefined && { purl }) }),
    )
  program
    .command('info')
    .description('what is known of a package')
    .argument('<purl>', 'pkg:npm/name or pkg:npm/name@1.0.0')
    .action((purl: string) => run('info', { purl }))
  program
    .command('fetch')
    .description('fetch a package to a file; a fetch that was cut off resumes')
    .argument('<purl>', 'pkg:npm/name@1.0.0')
    .requiredOption('--output <file>', 'where to put it')
    .action((purl: string, { output }) => run('fetch', { purl, output: resolve(output) }))
  program
    .command('install')
    .description('fetch and unpack a package; its scripts never run')
    .argument('<purl>', 'pkg:npm/name@1.0.0')
    .option('--to <dir>', 'folder in which the package gets a folder of its own', '.')
    .option('--with-dependencies', 'install what it depends on, flat beside it')
    .option('--force', 'replace a folder that is there')
    .action((purl: string, { to, ...options }) => run('install', { purl, to: resolve(to), ...options }))
}

function storageCommands(program: Command, run: Run, print: Print): void {
  program
    .command('verify')
    .description('hash again what is kept here')
    .argument('[purl]', 'one package; everything by default')
    .option('--all', 'everything')
    .option('--rate <size>', 'bytes a second at most, such as 50MiB', rate)
    .action((purl: string | undefined, { all, ...options }) => {
      if (all && purl !== undefined) throw new CatalogError('USAGE', '--all and a package exclude each other.')
      return run('verify', { ...options, ...(purl === undefined ? {} : { purl }) })
    })
  program
    .command('gc')
    .description('forget what no release or pin wants any more, and give its space back')
    .addOption(new Option('--dry-run', 'tell, and change nothing').conflicts(['pause', 'resume']))
    .addOption(new Option('--pause', 'hold the rewriting of packs in the running node').conflicts('resume'))
    .option('--resume', 'let it go on')
    .action((options) => run('gc', options))
  program
    .command('pin')
    .description('have a package here and keep it for good; without arguments, list what is kept so')
    .argument('[purl]', 'pkg:npm/name or pkg:npm/name@1.0.0')
    .action((purl: string | undefined) => (purl === undefined ? run('pinned', {}) : run('pin', { purl })))
  program
    .command('unpin')
    .description('keep a package no longer than others')
    .argument('<purl>', 'pkg:npm/name, or one version of it')
    .action((purl: string) => run('unpin', { purl }))
  program
    .command('backup')
    .description('copy everything to a new folder while the node goes on')
    .argument('<dir>', 'a folder that does not exist yet, or is empty')
    .action((dir: string) => run('backup', { to: resolve(dir) }))
  program
    .command('restore')
    .description('make the data directory from a backup; it must not exist yet, or be empty')
    .argument('<dir>', 'a folder made by "catalog backup"')
    .action((dir: string) =>
      print(async function* (dataDir, signal) {
        const { restoreInto } = await import('./offline.ts')
        yield* restoreInto(dataDir, resolve(dir), signal)
      }),
    )
  program
    .command('doctor')
    .description('hold what is stored against the rules it must obey')
    .option('--rebuild-index', 'first make the index of blobs anew from the packs; no node may be running')
    .action(({ rebuildIndex }) =>
      print(async function* (dataDir, signal) {
        if (rebuildIndex) {
          const { rebuildIndexIn } = await import('./offline.ts')
          yield* rebuildIndexIn(dataDir, signal)
        }
        yield* operate(dataDir, 'doctor', {}, signal)
      }),
    )
}

function trustCommands(program: Command, run: Run): void {
  program
    .command('trust')
    .description('decide which publisher owns a name; without arguments, list the decisions')
    .argument('[purl]', 'pkg:npm/name')
    .argument('[publisher]', 'publisher:<id>; the only one known by default')
    .option('--remove', 'take the decision back')
    .action((purl: string | undefined, publisher: string | undefined, { remove }) => {
      if (purl === undefined) return run('trusted', {})
      if (remove) return run('untrust', { purl })
      return run('trust', publisher === undefined ? { purl } : { purl, publisher })
    })
}

/** Print the lines of a command that ends by itself, or by Ctrl-C. */
async function perform(program: Command, exit: (status: number) => void, lines: Lines): Promise<void> {
  const { dataDir, json = false } = program.opts<GlobalOptions>()
  const output = new Output({ json })
  const cancel = new AbortController()
  const interrupt = () => {
    if (cancel.signal.aborted) process.exit(EXIT.interrupted)
    cancel.abort(new CatalogError('ABORTED', 'Interrupted.'))
  }
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  // What waits for time to pass, as a verification at a given rate does, does not keep the process alive by itself.
  const alive = setInterval(() => undefined, MINUTE_MS)
  await guarded(output, exit, async () => {
    for await (const line of lines(dataDir, cancel.signal)) output.line(line)
  })
  clearInterval(alive)
  process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
}

/** Run a command; whatever it throws becomes a message and an exit status. */
async function guarded(output: Output, exit: (status: number) => void, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    const error = CatalogError.from(thrown)
    output.error(error)
    exit(error.exitCode)
  } finally {
    output.end()
  }
}

function defaultDataDir(): string {
  return process.env['CATALOG_DATA_DIR'] ?? envPaths('catalog', { suffix: '' }).data
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function port(text: string): number {
  const number = whole(text)
  if (number > 65_535) throw new InvalidArgumentError('A port is at most 65535.')
  return number
}

function size(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === undefined) throw new InvalidArgumentError('It must be a size such as 500MiB or 10GiB.')
  return bytes
}

function rate(text: string): number {
  const bytes = size(text.replace(/\/s$/, ''))
  if (bytes === 0) throw new InvalidArgumentError('At no bytes a second it would never end.')
  return bytes
}

function bandwidth(text: string): number {
  const bytesPerSecond = parseRate(text)
  if (bytesPerSecond === undefined) throw new InvalidArgumentError('It must be a rate such as 10MB/s, or unlimited.')
  return bytesPerSecond
}

/** Infinity is no JSON. */
function unlimited(options: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(options)
  return Object.fromEntries(entries.map(([key, value]) => [key, value === Infinity ? 'unlimited' : value]))
}

function joined(part: string, earlier?: string): string {
  return earlier ? `${earlier}; ${part}` : part
}
