// The baseline of the transfer suite: a file through one TCP connection on loopback, and nothing else. Run as
// `tcp-copy.ts serve FILE`, which prints its port, or `tcp-copy.ts take`, which takes a line `PORT OUTPUT` at a time
// and answers each with a line once the file is on the disk.
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { KiB } from '../src/base/units.ts'

/** What both ends read at once; larger pieces were no faster. */
const PIECE_BYTES = 256 * KiB

const [, , role, file = ''] = process.argv
if (role === 'serve') await serve(file)
else await take()

async function serve(path: string): Promise<void> {
  const server = createServer((socket) => {
    void pipeline(createReadStream(path, { highWaterMark: PIECE_BYTES }), socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  console.log((server.address() as AddressInfo).port)
}

async function take(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [port, output = ''] = line.split(' ')
    const socket = connect(Number(port), '127.0.0.1')
    // `flush` is an fsync before the end.
    await pipeline(socket, createWriteStream(output, { flush: true, highWaterMark: PIECE_BYTES }))
    console.log(output)
  }
}
