// The same requests over @chainsafe/libp2p-quic streams, by the protocol of the project's own stream plane.
import { open } from 'node:fs/promises'
import { systemClock } from '../../src/base/clock.ts'
import { BLOB_FRAME_BYTES, CHUNK_BYTES } from '../../src/base/limits.ts'
import { Libp2pNetwork } from '../../src/network/host.ts'
import { Rpc } from '../../src/network/rpc.ts'
import { BLOB } from '../../src/wire/messages.ts'
import { bySegments, outlineOf, verifier, type Way } from './way.ts'

export const libp2pQuic: Way = {
  async serve({ path, size }) {
    const { network, rpc } = await nodeOf(new Uint8Array(32).fill(11))
    const file = await open(path)
    await rpc.serve(BLOB, async function* ({ first, count }) {
      const end = Math.min(size, (first + count) * CHUNK_BYTES)
      const buffer = new Uint8Array(BLOB_FRAME_BYTES)
      for (let at = first * CHUNK_BYTES; at < end; at += buffer.length) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at)
        yield { data: buffer.subarray(0, bytesRead) }
      }
    })
    return { address: network.addresses().find((one) => one.includes('/quic-v1')) }
  },
  async open(at, source) {
    const { network, rpc } = await nodeOf(new Uint8Array(32).fill(12))
    const peer = await network.dial((at as { address: string }).address)
    const verify = await verifier(outlineOf(source))
    const naming = { root: Buffer.from(source.root, 'hex'), release: new Uint8Array(32), want: 'data' as const }
    return async (output) => {
      await using file = await open(output, 'r+')
      await bySegments(source.size, async (first, count) => {
        let next = first
        for await (const { data } of rpc.call(BLOB, peer, { ...naming, first, count })) {
          verify(next, data)
          await file.write(data, 0, data.length, next * CHUNK_BYTES)
          next += data.length / CHUNK_BYTES
        }
        if (next !== first + count) throw new Error('a reply was too short')
      })
    }
  },
}

async function nodeOf(seed: Uint8Array): Promise<{ network: Libp2pNetwork; rpc: Rpc }> {
  const listen = { host: '127.0.0.1', controlPort: 0 }
  const network = new Libp2pNetwork({ seed, listen, mdns: false, dht: false })
  await network.start()
  return { network, rpc: new Rpc({ network, clock: systemClock }) }
}
