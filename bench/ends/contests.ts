// What a byte costs on the bulk plane: two processes on a core each, from the disk of one to the disk of the other,
// against other ways between two such processes.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GiB, MB, MiB } from '../../src/base/units.ts'
import { relayTo } from '../../test/relay/relay.ts'
import type { Contest } from '../harness.ts'
import type { Compare } from '../suite.ts'
import { Pair, type WayName } from './pair.ts'
import { type Source, writeSource } from './way.ts'

const ROUNDS = 5
const RSS_BYTES_MAX = 200 * MB
const DELAY_MS_MAX = 20
/** 1 Gbit/s. */
const PATH_BYTES_PER_SECOND = 125 * MB
/** Of the long path: enough for a steady state with BBR. Cubic gets a piece, which takes as long. */
const LONG_BYTES = { bbr: 256 * MiB, cubic: 16 * MiB }
const LONG_ROUNDS = 3
const LONG_SECONDS = 600

/** @param folder - for the blob and what is made of it; on a real disk */
export async function bulkContests(compare: Compare, folder: string): Promise<void> {
  const source = await writeSource(join(folder, 'bulk'), GiB)
  await using ends = new AsyncDisposableStack()
  const bulk = ends.use(await Pair.open('bulk', source))
  const against = async (name: string, way: WayName, byCpu: boolean) =>
    compare({
      name,
      open: async () => {
        const other = ends.use(await Pair.open(way, source))
        return contest(join(folder, 'copy'), source, { bulk, other, way, byCpu })
      },
    })
  await against('bulk plane: CPU against libp2p-quic', 'libp2p-quic', true)
  await against('bulk plane: CPU against TCP', 'tcp', true)
  await against('bulk plane: CPU against TLS', 'tls', true)
  await against('bulk plane against libp2p-quic', 'libp2p-quic', false)
  // What the bulk plane's two processes have come to in all of the above.
  const moved = async () => (bulk.fetches === 0 ? bulk.fetch(join(folder, 'copy')) : undefined)
  await compare({
    name: 'bulk plane: memory of either end',
    open: async () => {
      await moved()
      return { figure: bulk.rssBytes / MB, most: RSS_BYTES_MAX / MB }
    },
  })
  await compare({
    name: 'bulk plane: delay of either event loop',
    open: async () => {
      await moved()
      return { figure: bulk.delayP99Ms, most: DELAY_MS_MAX }
    },
  })
  await rm(source.path)
  await overLongPath(compare, folder, 'bbr', ends)
  await overLongPath(compare, folder, 'cubic', ends)
}

function contest(
  output: string,
  { size }: Source,
  { bulk, other, way, byCpu }: { bulk: Pair; other: Pair; way: WayName; byCpu: boolean },
): Contest {
  const clocks = { candidate: () => bulk.cpuSeconds(), baseline: () => other.cpuSeconds() }
  return {
    amount: size / MiB,
    candidate: () => bulk.fetch(output),
    baseline: () => other.fetch(output),
    cpuSeconds: () => bulk.cpuSeconds(),
    ...(byCpu && { clocks }),
    note: () => `CPU seconds of 1 GiB, sender + receiver: bulk plane ${bulk.costs()}; ${way} ${other.costs()}`,
    rounds: ROUNDS,
    seconds: 0,
  }
}

async function overLongPath(
  compare: Compare,
  folder: string,
  congestion: 'bbr' | 'cubic',
  ends: AsyncDisposableStack,
): Promise<void> {
  await compare({
    name: `bulk plane by ${congestion === 'bbr' ? 'BBR' : 'Cubic'}: 50 ms, 0.1 % lost`,
    open: async () => {
      const size = LONG_BYTES[congestion]
      const source = await writeSource(join(folder, congestion), size)
      const path = { delayMs: 25, lossPerMillion: 1_000, bytesPerSecond: PATH_BYTES_PER_SECOND, queueBytes: 4 * MiB }
      const relay = async (port: number) =>
        ends.use(await relayTo({ ...path, port, urgent: true, seconds: LONG_SECONDS })).port
      const pair = ends.use(await Pair.open(congestion === 'bbr' ? 'bulk by BBR' : 'bulk', source, relay))
      let ideal = 0
      return {
        amount: size / MB,
        candidate: () => pair.fetch(join(folder, 'copy')),
        // The path itself: what it carries in the time that it takes at best.
        baseline: () => {
          ideal += size / PATH_BYTES_PER_SECOND
        },
        clocks: { candidate: () => performance.now() / 1000, baseline: () => ideal },
        cpuSeconds: () => pair.cpuSeconds(),
        rounds: LONG_ROUNDS,
        seconds: 0,
      }
    },
  })
}
