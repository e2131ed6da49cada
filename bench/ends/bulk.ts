// The bulk plane, as a node uses it: several segments at once, each a QUIC stream.
import { systemClock } from '../../src/base/clock.ts'
import { directEffects } from '../../src/base/effects.ts'
import { CatalogError } from '../../src/base/errors.ts'
import { type BulkAuthorise, type BulkOptions, type BulkPlane, openBulkPlane } from '../../src/network/bulk.ts'
import { peerIdOf } from '../../src/network/identity.ts'
import { bySegments, outlineOf, type Source, type Way } from './way.ts'

const SENDER = new Uint8Array(32).fill(11)
const RECEIVER = new Uint8Array(32).fill(12)

const open: BulkPlane[] = []

/** @param congestion - of the side that sends */
export function bulk(congestion: BulkOptions['congestion']): Way {
  return {
    async serve({ path, size }) {
      const data = { path, offset: 0 }
      const plane = await planeOf(
        SENDER,
        () => ({ data, size, priority: 'normal', ended: () => undefined }),
        congestion,
      )
      return { port: plane.port }
    },
    async open(at, source) {
      const { port } = at as { port: number }
      const plane = await planeOf(RECEIVER, () => {
        throw new CatalogError('NOT_FOUND', 'Nothing is here.')
      })
      const outline = outlineOf(source)
      const provider = { peer: peerIdOf(SENDER), host: '127.0.0.1', port }
      return (output) => fetchAll(plane, provider, { source, outline, output })
    },
  }
}

async function planeOf(seed: Uint8Array, authorise: BulkAuthorise, congestion?: BulkOptions['congestion']) {
  const components = { clock: systemClock, effects: directEffects, authorise }
  const plane = await openBulkPlane(components, { seed, host: '127.0.0.1', port: 0, congestion }, 'native')
  // An endpoint that nobody refers to is closed when it is collected.
  open.push(plane as BulkPlane)
  return plane as BulkPlane
}

async function fetchAll(
  plane: BulkPlane,
  provider: { peer: string; host: string; port: number },
  { source, outline, output }: { source: Source; outline: Uint8Array; output: string },
): Promise<void> {
  const wanted = { root: Buffer.from(source.root, 'hex'), release: new Uint8Array(32), size: source.size }
  await bySegments(source.size, async (first, count) => {
    const segment = { first, count, outline: outline.subarray(32 * first, 32 * (first + count)) }
    const { error } = await plane.fetchSegment(provider, wanted, segment, { path: output, offset: 0 }).done
    if (error) throw error
  })
}
