// The file through one TCP connection, and through one with TLS, hashed at the receiver by the native core's
// sha256Many: its suite shows that it costs less than `crypto.hash` of each chunk.
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { CHUNK_BYTES } from '../../src/base/limits.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { outlineOf, type Source, verifier, type Way } from './way.ts'

/** Read from the file at once; larger pieces were no faster. */
const PIECE_BYTES = 256 * KiB
/** Hashed and written at once: as many chunks as the widest kernel takes. */
const BATCH_BYTES = MiB

/** A key that both sides know spares the certificates; the bytes are enciphered as those of the bulk plane. */
const SECURITY = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const
const KEY = Buffer.alloc(32, 7)

export const tcp: Way = {
  serve: (source) => listening(createServer((socket) => send(source, socket))),
  open: (at, source) => receiving(source, () => connect((at as { port: number }).port, '127.0.0.1')),
}

export const tlsCopy: Way = {
  serve: (source) =>
    listening(tls.createServer({ ...SECURITY, pskCallback: () => KEY }, (socket) => send(source, socket))),
  open: (at, source) =>
    receiving(source, () =>
      tls.connect({
        ...SECURITY,
        host: '127.0.0.1',
        port: (at as { port: number }).port,
        pskCallback: () => ({ psk: KEY, identity: 'bench' }),
        checkServerIdentity: () => undefined,
      }),
    ),
}

function send({ path, size }: Source, socket: Socket): void {
  void pipeline(createReadStream(path, { end: size - 1, highWaterMark: PIECE_BYTES }), socket)
}

async function listening(server: Server): Promise<object> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port }
}

async function receiving(source: Source, call: () => Socket): Promise<(output: string) => Promise<void>> {
  const verify = await verifier(outlineOf(source))
  return async (output) => {
    await using file = await open(output, 'r+')
    const batch = Buffer.allocUnsafe(BATCH_BYTES)
    let [filled, at] = [0, 0]
    for await (const piece of call() as AsyncIterable<Buffer>) {
      for (let from = 0; from < piece.length; ) {
        const copied = piece.copy(batch, filled, from)
        filled += copied
        from += copied
        if (filled < batch.length) continue
        verify(at / CHUNK_BYTES, batch)
        await file.write(batch, 0, batch.length, at)
        at += batch.length
        filled = 0
      }
    }
    if (at !== source.size) throw new Error('the copy is too short')
  }
}
