// Ports for servers that are told theirs, or come back on it.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what systems give to who asks for any: such a one would be taken by somebody else in the meantime. */
const [FIRST, BEHIND] = [20_000, 32_000]
const TRIES = 100

/** A port of this machine that is free, for TCP and for UDP. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries++) {
    const port = randomInt(FIRST, BEHIND)
    if (await isFree(port)) return port
  }
  throw new Error(`of ${TRIES} ports none was free`)
}

async function isFree(port: number): Promise<boolean> {
  const [server, socket] = [createServer().listen(port, '127.0.0.1'), createSocket('udp4')]
  socket.bind(port, '127.0.0.1')
  try {
    await Promise.all([once(server, 'listening'), once(socket, 'listening')])
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw thrown
  } finally {
    server.close()
    socket.close()
  }
}
