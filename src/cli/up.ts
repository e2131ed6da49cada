// `catalog up`: run a node until it is told to stop.
import { once } from 'node:events'
import { listen } from '../base/events.ts'
import type { SettingsInput } from '../model/config.ts'
import type { CatalogNode } from '../node.ts'
import { messageColours as colors } from './colours.ts'
import { printable } from './describe.ts'
import type { Output } from './output.ts'

export async function up(dataDir: string, settings: SettingsInput, output: Output, json: boolean): Promise<void> {
  const stopListening = tell(output, json)
  const { CatalogNode } = await import('../node.ts')
  const node = await CatalogNode.open({ dataDir, ...settings })
  const stop = stopSignal()
  try {
    await node.start()
    const http = await node.serveHttp()
    output.line({ type: 'ready', peerId: node.peerId, addresses: node.addresses(), http })
    output.note(welcome(node, http, dataDir))
    await stop
    output.note('Stopping.')
  } finally {
    stopListening()
    await node.close()
  }
}

/** Resolves at the first Ctrl-C or SIGTERM. A second one ends the process at once. */
async function stopSignal(): Promise<void> {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  await Promise.race(signals.map((signal) => once(process, signal)))
  for (const signal of signals) process.on(signal, () => process.exit(130))
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
    `  data      ${node.dataDir}`,
    '',
    'Try, in another terminal:',
    `  npx catalog publish PATH ${at}     a folder with a package.json, a .tgz, or any file`,
    `  npx catalog search WORDS ${at}`,
    `  npx catalog up --data-dir OTHER --control-port 0 --http-port 0 --peer ${first}`,
    '',
    'Ctrl-C stops it.',
  ].join('\n')
}
