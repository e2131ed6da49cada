import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { PROVIDE_INTERVAL_MS, PROVIDE_QUIET_MS, PROVIDE_WAIT_MS_MAX } from '../../../src/base/limits.ts'
import type { Network } from '../../../src/network/network.ts'
import { Providers, providerKey } from '../../../src/network/providers.ts'
import { ManualClock } from '../../manual-clock.ts'

const ROOTS = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill))

test('the DHT is told of blobs once no further ones come, one after another', async (t) => {
  const { clock, told, providers } = opened()
  for (const root of ROOTS) {
    providers.provide(root)
    await clock.advance(PROVIDE_QUIET_MS - 1)
  }
  t.same(told, [])
  for (const [index] of ROOTS.entries()) {
    await clock.advance(index === 0 ? 1 : PROVIDE_INTERVAL_MS)
    await turn()
    t.same(told, ROOTS.slice(0, index + 1).map(providerKey))
  }
})

test('however many come, they are not put off for good, and not begun when the node stops', async (t) => {
  const { clock, told, providers } = opened()
  const [root = new Uint8Array(32)] = ROOTS
  for (let ms = 0; ms < PROVIDE_WAIT_MS_MAX; ms += PROVIDE_QUIET_MS / 2) {
    t.same(told, [])
    providers.provide(root)
    await clock.advance(PROVIDE_QUIET_MS / 2)
  }
  await turn()
  t.same(told, [providerKey(root)])
  providers.stop()
  await clock.advance(PROVIDE_WAIT_MS_MAX)
  await turn()
  t.equal(told.length, 1)
})

function opened() {
  const clock = new ManualClock()
  const told: Uint8Array[] = []
  const provide = async (key: Uint8Array) => void told.push(key)
  const providers = new Providers({ network: { provide } as Partial<Network> as Network, clock })
  return { clock, told, providers }
}
