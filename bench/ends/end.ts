// One end of a way, in a process of its own, told by messages what to do: `{ serve }` or `{ open, at }` first, then
// `{ fetch }` into a file, and `{ spent }` for what this process has used since it was last asked.
import { open, writeFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Source, Way } from './way.ts'

/** Each loads only what it needs: the memory of a process is measured, too. */
export const WAYS = {
  bulk: async () => (await import('./bulk.ts')).bulk('cubic'),
  'bulk by BBR': async () => (await import('./bulk.ts')).bulk('bbr'),
  'libp2p-quic': async () => (await import('./libp2p.ts')).libp2pQuic,
  tcp: async () => (await import('./tcp.ts')).tcp,
  tls: async () => (await import('./tcp.ts')).tlsCopy,
} satisfies Record<string, () => Promise<Way>>

export type Order =
  | { serve: Source; way: keyof typeof WAYS }
  | { open: Source; way: keyof typeof WAYS; at: object }
  | { fetch: string }
  | { spent: true }

/** Since the last time. */
export interface Spent {
  /** User and system, all threads. */
  cpuSeconds: number
  /** The largest so far. */
  rssBytes: number
  /** 99 of 100 times the event loop came round within this: the 10 ms between two samples are in it. */
  delayP99Ms: number
}

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()
let before = process.cpuUsage()
let fetch: (output: string) => Promise<void> = () => Promise.reject(new Error('it is not open'))

process.on('message', async (order: Order) => process.send?.(await obey(order)))
process.on('disconnect', () => process.exit())

async function obey(order: Order): Promise<object> {
  if ('serve' in order) return (await WAYS[order.way]()).serve(order.serve)
  if ('open' in order) {
    fetch = await (await WAYS[order.way]()).open(order.at, order.open)
    return {}
  }
  if ('spent' in order) return spent()
  await writeFile(order.fetch, '')
  await fetch(order.fetch)
  await using file = await open(order.fetch, 'r+')
  await file.datasync()
  return {}
}

function spent(): Spent {
  const { user, system } = process.cpuUsage(before)
  before = process.cpuUsage()
  const figures = { cpuSeconds: (user + system) / 1e6, rssBytes: process.resourceUsage().maxRSS * 1024 }
  const delayP99Ms = delay.percentile(99) / 1e6
  delay.reset()
  return { ...figures, delayP99Ms }
}
