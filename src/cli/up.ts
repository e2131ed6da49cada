// `catalog up`: run a node until it is told to stop, in a process of its own that is started again when it dies.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Clock } from '../base/clock.ts'
import { EXIT } from '../base/errors.ts'
import { listen } from '../base/events.ts'
import { workerFile } from '../core/paths.ts'
import type { SettingsInput } from '../model/config.ts'
import type { CatalogNode } from '../node.ts'
import { describeRecovery } from '../store/recovery.ts'
import { messageColours as colors } from './colours.ts'
import { printable } from './describe.ts'
import type { Output } from './output.ts'
import { type Child, type End, insists, REOPEN_STATUS, Supervisor } from './supervisor.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface UpOptions {
  readonly json: boolean
  /** Whether to run the node in a process of its own. */
  readonly supervise: boolean
}

/**
 * Run a node until it is told to stop. Lines: `recovered` {cut, removed, short, scratch, fetches} when the last run did
 * not end as it should, `ready` {pid, peerId, addresses, http}, then `peer` and `warning` as things happen; each time
 * the node has died `restart` {status, delayMs}, and all of them anew.
 *
 * @returns exit status
 * @throws CatalogError what the node cannot be opened or started for
 */
export async function up(
  dataDir: string,
  settings: SettingsInput,
  output: Output,
  { json, supervise }: UpOptions,
): Promise<number> {
  // Who has started this process with a channel sees to it: that is how a supervisor's own child knows.
  if (supervise && process.send === undefined) return runSupervised(output, json)
  return runNode(dataDir, settings, output, json)
}

async function runSupervised(output: Output, json: boolean): Promise<number> {
  const onFault = (end: End, delayMs: number) => {
    const what = end.signal === null ? 'ended, as its store has to be opened anew' : `was ended by ${end.signal}`
    const when = `${delayMs / 1000} s`
    process.stderr.write(`${colors.yellow('warning')}: The node ${what}. It is started again in ${when}.\n`)
    if (json) output.line({ type: 'restart', status: end.signal ?? end.code, delayMs })
  }
  const supervisor = new Supervisor({ clock: wakefulClock, start: startChild, onFault })
  const pass = (signal: NodeJS.Signals) => supervisor.signal(signal)
  for (const signal of STOP_SIGNALS) process.on(signal, pass)
  try {
    return await supervisor.run()
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, pass)
  }
}

/** Unlike the system clock's, its timers keep the process alive: between two nodes nothing else does. */
const wakefulClock: Clock = {
  now: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/**
 * What a node does makes little garbage at a time: with less room for it V8 keeps 20 MB less, and as much again when
 * its heap is collected each time that it has grown by a quarter, rather than by up to three times.
 */
const NODE_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=25']
/**
 * Pools of memory that the C library keeps for threads; by default there may be eight for each processor. And what it
 * keeps at hand in them: by default as much as the largest block that was ever given back.
 */
const MEMORY_POOLS = { MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '131072' }

/** The same command once more, on the same streams and with a channel, which closes when this process ends. */
function startChild(): Child {
  const child = fork(workerFile(import.meta.url, './main'), process.argv.slice(2), {
    stdio: 'inherit',
    execArgv: [...NODE_FLAGS, ...process.execArgv],
    env: { ...MEMORY_POOLS, ...process.env },
  })
  const ended = once(child, 'exit').then(([code, signal]): End => ({ code, signal }))
  return { ended, kill: (signal) => void child.kill(signal) }
}

async function runNode(dataDir: string, settings: SettingsInput, output: Output, json: boolean): Promise<number> {
  const stop = stopRequest()
  const stopListening = tell(output, json)
  try {
    const { CatalogNode } = await import('../node.ts')
    const node = await CatalogNode.open({ dataDir, ...settings })
    const served = serve(node, dataDir, stop, output, json).then(() => undefined)
    const failure = await Promise.race([served, node.failed])
    if (!failure) return EXIT.ok
    // It is not closed: after a commit that failed, the database may never have done with that. Whoever waits for an
    // answer gets it before the process ends.
    output.error(failure)
    return process.send === undefined ? failure.exitCode : REOPEN_STATUS
  } finally {
    stopListening()
  }
}

async function serve(
  node: CatalogNode,
  dataDir: string,
  stop: Promise<string>,
  output: Output,
  json: boolean,
): Promise<void> {
  const { keepMappedPagesLow } = await import('./mapped-pages.ts')
  const stopReleasing = await keepMappedPagesLow(node)
  try {
    tellRecovery(node, output, json)
    await node.start()
    const http = await node.serveHttp()
    const { peerId } = node
    output.line({ type: 'ready', pid: process.pid, peerId, addresses: node.addresses(), http })
    output.note(welcome(node, http, dataDir))
    output.note(`Stopping: ${await stop}.`)
  } finally {
    stopReleasing()
    await node.close()
  }
}

/** Resolves with the reason why the node is to stop: a signal, or the end of who supervises it. */
function stopRequest(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const isSupervised = process.send !== undefined
  let askedAt: number | undefined
  const ask = (signal: NodeJS.Signals) => {
    const now = Date.now()
    // Of one who is supervised, the supervisor decides when it takes too long.
    if (!isSupervised && insists(askedAt, now)) process.exit(EXIT.interrupted)
    askedAt ??= now
    resolve(signal)
  }
  for (const signal of STOP_SIGNALS) process.on(signal, ask)
  if (isSupervised) {
    const orphaned = () => resolve('its supervisor has ended')
    process.once('disconnect', orphaned)
    if (!process.connected) orphaned()
    // It is listened to, and yet nothing to stay alive for.
    process.channel?.unref()
  }
  return promise
}

function tellRecovery({ recovery }: CatalogNode, output: Output, json: boolean): void {
  const sentences = describeRecovery(recovery)
  if (sentences.length === 0) return
  if (json) output.line({ type: 'recovered', ...recovery })
  for (const sentence of sentences) output.note(`${colors.yellow('recovered')}: ${sentence}`)
}

function tell(output: Output, json: boolean): () => void {
  const stops = [
    listen('catalog:failure', ({ task, code, message }) => {
      if (json) output.line({ type: 'warning', task, code, message })
      else output.note(`${colors.yellow('warning')}: ${printable(message)}`)
    }),
    listen('catalog:peer', ({ peer, state, reason }) => {
      if (json) output.line({ type: 'peer', peer, state, ...(reason === undefined ? {} : { reason }) })
      else output.note(colors.dim(`peer ${peer} ${state}${reason === undefined ? '' : `: ${printable(reason)}`}`))
    }),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

function welcome(node: CatalogNode, http: string, dataDir: string): string {
  const at = `--data-dir ${dataDir}`
  const [first] = node.addresses()
  return [
    colors.bold('A Catalog node is running.'),
    '',
    `  peer id   ${node.peerId}`,
    ...node.addresses().map((address, i) => `${i === 0 ? '  listens  ' : '           '} ${address}`),
    `  page      ${http}`,
    `  for npm   ${http}/npm/`,
    `  data      ${node.dataDir}`,
    '',
    'Try, in another terminal:',
    `  npx catalog publish PATH ${at}     a folder with a package.json, a .tgz, or any file`,
    `  npx catalog search WORDS ${at}`,
    `  npx catalog npm setup ${at}     has npm ask this node for every package; --undo puts it back`,
    `  npx catalog up --data-dir OTHER --control-port 0 --bulk-port 0 --http-port 0 --peer ${first}`,
    '',
    'Ctrl-C stops it.',
  ].join('\n')
}
