import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { UPSTREAM_SILENCE_MS } from '../../../../src/base/http-limits.ts'
import { Registry } from '../../../../src/publishing/upstream/registry.ts'
import { ManualClock } from '../../../manual-clock.ts'

/** A registry, and the answers that it owes. */
async function registryOf(t: Test, clock: ManualClock) {
  const owed: ServerResponse[] = []
  const asked = Promise.withResolvers<ServerResponse>()
  const server = createServer((_request, response) => {
    owed.push(response)
    asked.resolve(response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/`
  return { registry: new Registry({ clock }, { url, credentials: () => undefined, via: 'test' }), asked: asked.promise }
}

test('a registry that sends drop by drop is not listened to for ever', async (t) => {
  const clock = new ManualClock()
  const { registry, asked } = await registryOf(t, clock)
  const asking = registry.ask('part', { signal: new AbortController().signal })
  const refused = t.rejects(asking, { code: 'UPSTREAM', message: /No answer in 15 s/ })
  const response = await asked
  response.writeHead(200)
  for (const _ of [1, 2, 3]) {
    await new Promise((resolve) => response.write(' ', resolve))
    await clock.advance(UPSTREAM_SILENCE_MS / 2)
  }
  await refused
})
