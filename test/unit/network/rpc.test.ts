import { type Test, test } from 'tap'
import { z } from 'zod'
import { CatalogError } from '../../../src/base/errors.ts'
import { listen } from '../../../src/base/events.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { KiB, SECOND_MS } from '../../../src/base/units.ts'
import { encodeCbor } from '../../../src/model/cbor.ts'
import { MemoryHub, MemoryNetwork } from '../../../src/network/memory.ts'
import type { PeerStream } from '../../../src/network/network.ts'
import { type RequestHandler, Rpc } from '../../../src/network/rpc.ts'
import { encodeFrame } from '../../../src/wire/frame.ts'
import type { Protocol } from '../../../src/wire/messages.ts'
import { ManualClock } from '../../manual-clock.ts'

interface Ask {
  count: number
}
interface Tell {
  data: Uint8Array
}

const COUNT: Protocol<Ask, Tell> = {
  id: '/catalog-test/count/1',
  request: z.object({ count: z.int().min(0) }),
  reply: z.object({ data: z.instanceof(Uint8Array) }),
  requestBytesMax: 64,
  replyFrameBytesMax: 8 * KiB,
  replyBytesMax: 64 * KiB,
  deadlineMs: 60 * SECOND_MS,
  silenceMs: 5 * SECOND_MS,
}

interface Pair {
  clock: ManualClock
  hub: MemoryHub
  asker: Rpc
  answerer: Rpc
  a: MemoryNetwork
  b: MemoryNetwork
}

/** Two connected nodes under virtual time; `work` gets as much of it as it needs. */
async function withPair(work: (pair: Pair) => Promise<void>, options = {}): Promise<void> {
  const clock = new ManualClock()
  const random = seededRandom(11)
  const hub = new MemoryHub({ clock, random })
  const [a, b] = [0, 1].map(() => new MemoryNetwork({ hub }, { seed: random.bytes(32) })) as [
    MemoryNetwork,
    MemoryNetwork,
  ]
  const run = async () => {
    await a.start()
    await b.start()
    await a.dial(b.address)
    const [asker, answerer] = [new Rpc({ network: a, clock }, options), new Rpc({ network: b, clock }, options)]
    await work({ clock, hub, asker, answerer, a, b })
  }
  await clock.until(run())
  await Promise.all([a.stop(), b.stop()])
}

async function collect<T>(replies: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const reply of replies) all.push(reply)
  return all
}

const counting: RequestHandler<Ask, Tell> = async function* ({ count }) {
  for (let i = 0; i < count; i++) yield { data: new Uint8Array([i]) }
}

/** A peer that answers with these bytes, whatever it is asked, and then does as `after` says. */
async function answerRaw(b: MemoryNetwork, bytes: Uint8Array[], after: (stream: PeerStream) => unknown): Promise<void> {
  await b.handle(COUNT.id, async (stream) => {
    await stream.read()
    for (const part of bytes) await stream.write(part)
    await after(stream)
  })
}

const close = (stream: PeerStream) => stream.close()
const frame = (value: unknown) => encodeFrame(encodeCbor(value))
const item = (size: number) => frame({ item: { data: new Uint8Array(size) } })

test('replies come in order and end', async (t) => {
  await withPair(async ({ asker, answerer, a, b }) => {
    await answerer.serve(COUNT, async function* (request, { peer }) {
      t.equal(peer, a.peerId)
      yield* counting(request, { peer, signal: new AbortController().signal })
    })
    const replies = await collect(asker.call(COUNT, b.peerId, { count: 5 }))
    t.same(
      replies.map(({ data }) => data[0]),
      [0, 1, 2, 3, 4],
    )
    t.same(await collect(asker.call(COUNT, b.peerId, { count: 0 })), [])
  })
})

test('an error a peer may hear keeps its code and message; others say nothing of what happened', async (t) => {
  const failures: unknown[] = []
  const stop = listen('catalog:failure', (fact) => failures.push(fact))
  t.teardown(stop)
  await withPair(async ({ asker, answerer, b }) => {
    let thrown: Error = new Error()
    await answerer.serve(COUNT, async function* () {
      yield { data: new Uint8Array(1) }
      throw thrown
    })
    for (const code of ['NOT_FOUND', 'REFUSED', 'PEER_BUSY', 'LIMIT_EXCEEDED', 'PEER_PROTOCOL'] as const) {
      thrown = new CatalogError(code, `because \u001b[31m${code}`, { hint: 'secret', details: { path: '/secret' } })
      await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), {
        code,
        message: `${b.peerId} answered: because  [31m${code}`,
        hint: undefined,
        details: { peer: b.peerId },
      })
    }
    t.same(failures, [])
    for (const error of [new CatalogError('DISK_FULL', 'secret'), new TypeError('secret')]) {
      thrown = error
      await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), {
        code: 'INTERNAL',
        message: /could not answer/,
        details: { peer: b.peerId },
      })
    }
    t.match(failures, [{ code: 'DISK_FULL' }, { code: 'INTERNAL', message: 'secret' }])
  })
})

test('the asker refuses what no honest peer answers', async (t) => {
  const cases: [string, Uint8Array[]][] = [
    ['a frame over its limit', [encodeFrame(new Uint8Array(8 * KiB + 1)).subarray(0, 3)]],
    ['a length that is not in its shortest form', [new Uint8Array([0x85, 0])]],
    ['bytes that are not CBOR', [encodeFrame(new Uint8Array([0xff, 0xff]))]],
    ['an empty frame', [encodeFrame(new Uint8Array(0))]],
    ['a frame that is no map', [frame([1])]],
    ['a map without a known key', [frame({ other: 1 })]],
    ['an item of the wrong shape', [frame({ item: { data: 'text' } })]],
    ['an end that is not true', [frame({ end: 1 })]],
    ['more than the reply may hold', Array.from({ length: 9 }, () => item(8 * KiB - 32))],
  ]
  for (const [name, bytes] of cases) {
    await withPair(async ({ asker, b }) => {
      await answerRaw(b, bytes, () => undefined)
      const details = { peer: b.peerId }
      await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_PROTOCOL', details }, name)
    })
  }
})

test('the answerer refuses what no honest peer asks', async (t) => {
  const cases: [string, Uint8Array, string][] = [
    ['a request over its limit', encodeFrame(new Uint8Array(65)), 'longer'],
    ['a request of the wrong shape', frame({ count: -1 }), 'not one of'],
    ['two requests', new Uint8Array([...frame({ count: 1 }), ...frame({ count: 1 })]), 'More than one'],
  ]
  for (const [name, bytes, reason] of cases) {
    await withPair(async ({ a, b, answerer }) => {
      await answerer.serve(COUNT, counting)
      const stream = await a.open(b.peerId, COUNT.id)
      await stream.write(bytes)
      const answer = Buffer.from((await stream.read()) ?? []).toString('latin1')
      t.match(answer, 'PEER_PROTOCOL', name)
      t.match(answer, reason, name)
      t.equal(await stream.read(), undefined)
    })
  }
})

test('a reply without its end is not taken for a whole one', async (t) => {
  await withPair(async ({ asker, b }) => {
    await answerRaw(b, [item(1)], close)
    const seen: Tell[] = []
    const read = async () => {
      for await (const reply of asker.call(COUNT, b.peerId, { count: 1 })) seen.push(reply)
    }
    await t.rejects(read(), { code: 'PEER_UNREACHABLE', message: /before its end/, details: { peer: b.peerId } })
    t.equal(seen.length, 1)
    await answerRaw(b, [item(1).subarray(0, 4)], (stream) => stream.abort(new Error('gone')))
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_UNREACHABLE' })
  })
})

test('a connection that breaks ends the call', async (t) => {
  await withPair(async ({ asker, answerer, hub, a, b }) => {
    const ended = Promise.withResolvers<unknown>()
    await answerer.serve(COUNT, async function* (_request, { signal }) {
      yield { data: new Uint8Array(1) }
      signal.addEventListener('abort', () => ended.resolve(signal.reason))
      await ended.promise
    })
    const read = async () => {
      for await (const _reply of asker.call(COUNT, b.peerId, { count: 1 })) hub.disconnect(a.peerId, b.peerId)
    }
    await t.rejects(read(), { code: 'PEER_UNREACHABLE' })
    t.match(await ended.promise, { code: 'ABORTED' })
  })
})

test('a peer that never answers is PEER_TIMEOUT after the silence it may keep', async (t) => {
  await withPair(async ({ asker, clock, b }) => {
    await answerRaw(b, [], () => undefined)
    const began = clock.now()
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_TIMEOUT' })
    const took = clock.now() - began
    t.ok(took >= COUNT.silenceMs && took < COUNT.silenceMs + 200, `${took} ms`)
  })
})

test('single bytes are no progress, frames are, until the deadline of the whole', async (t) => {
  const drip = async (clock: ManualClock, stream: PeerStream, part: Uint8Array) => {
    for (let sent = 0; sent < 100; sent++) {
      await stream.write(part)
      await new Promise<void>((resolve) => clock.after(2 * SECOND_MS, resolve))
    }
  }
  await withPair(async ({ asker, clock, b }) => {
    const start = item(1000).subarray(0, 3)
    await answerRaw(b, [start], (stream) => drip(clock, stream, new Uint8Array(1)).catch(() => undefined))
    const began = clock.now()
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_TIMEOUT' })
    t.ok(clock.now() - began < COUNT.silenceMs + 200)
  })
  await withPair(async ({ asker, clock, b }) => {
    await answerRaw(b, [], (stream) => drip(clock, stream, item(1)).catch(() => undefined))
    const began = clock.now()
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_TIMEOUT' })
    const took = clock.now() - began
    t.ok(took >= COUNT.deadlineMs - 200 && took < COUNT.deadlineMs + 200, `${took} ms`)
  })
})

test('a handler that hangs is told to stop, and the asker hears a timeout', async (t) => {
  await withPair(async ({ asker, answerer, b }) => {
    const told = Promise.withResolvers<unknown>()
    await answerer.serve(COUNT, async function* (_request, { signal }) {
      signal.addEventListener('abort', () => told.resolve(signal.reason))
      await new Promise<never>(() => undefined)
    })
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'PEER_TIMEOUT' })
    t.match(await told.promise, { code: /PEER_TIMEOUT|ABORTED/ })
  })
})

/** Serve replies without end; resolves with the reason the handler was stopped for. */
async function serveEndlessly(answerer: Rpc): Promise<{ stopped: Promise<unknown>; returned: Promise<void> }> {
  const [stopped, returned] = [Promise.withResolvers<unknown>(), Promise.withResolvers<void>()]
  await answerer.serve({ ...COUNT, replyBytesMax: 2 ** 40 }, async function* (_request, { signal }) {
    signal.addEventListener('abort', () => stopped.resolve(signal.reason))
    try {
      for (;;) yield { data: new Uint8Array(1000) }
    } finally {
      returned.resolve()
    }
  })
  return { stopped: stopped.promise, returned: returned.promise }
}

test('a caller that stops early stops the answerer', async (t) => {
  await withPair(async ({ asker, answerer, b }) => {
    const { stopped, returned } = await serveEndlessly(answerer)
    let seen = 0
    for await (const _reply of asker.call(COUNT, b.peerId, { count: 1 })) if (++seen === 3) break
    t.match(await stopped, { code: 'ABORTED' })
    await returned
  })
})

test('a signal that aborts stops both, also while nobody waits for a reply', async (t) => {
  await withPair(async ({ asker, answerer, b }) => {
    const { stopped } = await serveEndlessly(answerer)
    const controller = new AbortController()
    const replies = asker.call(COUNT, b.peerId, { count: 1 }, { signal: controller.signal })
    t.notOk((await replies.next()).done)
    controller.abort(new CatalogError('ABORTED', 'no longer wanted'))
    t.match(await stopped, { code: 'ABORTED' })
    await t.rejects(replies.next(), { code: 'ABORTED', message: 'no longer wanted' })
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 }, { signal: controller.signal })), {
      code: 'ABORTED',
    })
  })
})

async function busyTest(t: Test, limits: { asks: number; answers: number }): Promise<void> {
  await withPair(async ({ clock, a, b }) => {
    const asker = new Rpc({ network: a, clock }, { requestsPerPeer: limits.asks })
    const answerer = new Rpc({ network: b, clock }, { requestsPerPeer: limits.answers })
    const gate = Promise.withResolvers<void>()
    await answerer.serve(COUNT, async function* () {
      yield { data: new Uint8Array(1) }
      await gate.promise
    })
    const held = [0, 1].map(() => asker.call(COUNT, b.peerId, { count: 1 }))
    for (const call of held) await call.next()
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), {
      code: 'PEER_BUSY',
      details: { peer: b.peerId },
    })
    gate.resolve()
    for (const call of held) t.ok((await call.next()).done)
    t.equal((await collect(asker.call(COUNT, b.peerId, { count: 1 }))).length, 1, 'places are given back')
  })
}

test('too many requests at once are PEER_BUSY, said by the answerer', (t) => busyTest(t, { asks: 9, answers: 2 }))
test('too many requests at once are PEER_BUSY, before they are sent', (t) => busyTest(t, { asks: 2, answers: 9 }))

test('bounds hold for one’s own messages too', async (t) => {
  await withPair(async ({ asker, answerer, b }) => {
    const long = { count: 1, more: 'x'.repeat(100) }
    await t.rejects(collect(asker.call(COUNT, b.peerId, long)), { code: 'LIMIT_EXCEEDED' })
    await answerer.serve(COUNT, async function* () {
      for (;;) yield { data: new Uint8Array(8 * KiB - 32) }
    })
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'LIMIT_EXCEEDED' })
    await answerer.serve(COUNT, async function* () {
      yield { data: new Uint8Array(8 * KiB) }
    })
    await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'INTERNAL' })
  })
})

test('an error of an unknown code is INTERNAL', async (t) => {
  await withPair(async ({ asker, b }) => {
    for (const error of [{ code: 'DISK_FULL', message: 'x' }, { code: 7 }, 'text', null]) {
      await answerRaw(b, [frame({ error })], close)
      await t.rejects(collect(asker.call(COUNT, b.peerId, { count: 1 })), { code: 'INTERNAL' })
    }
  })
})

test('nothing is left waiting when calls have ended', async (t) => {
  await withPair(async ({ asker, answerer, b, clock }) => {
    await answerer.serve(COUNT, counting)
    for (let i = 0; i < 3; i++) await collect(asker.call(COUNT, b.peerId, { count: 3 }))
    await new Promise<void>((resolve) => clock.after(SECOND_MS, resolve))
    t.equal(clock.waiting, 0)
  })
})
