// A process that hashes a block in its cache: each message says how many times, each answer in how many seconds.
// Hashing rather than counting, because two threads of one core count at full speed beside each other and hash at half.
import { hash } from 'node:crypto'
import { KiB } from '../src/base/units.ts'

const block = new Uint8Array(64 * KiB)

process.on('message', (times: number) => {
  const start = performance.now()
  for (let i = 0; i < times; i++) hash('sha256', block, 'buffer')
  process.send?.((performance.now() - start) / 1000)
})
