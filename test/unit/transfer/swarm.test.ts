// A swarm under virtual time: one seed and several fetchers, each with a bounded upload, who tell each other what they
// have as often as the exchange does. What matters is how much the seed has to send.
import { type Test, test } from 'tap'
import { bitmapFor, hasBit, setBit } from '../../../src/base/bitmap.ts'
import { CHUNK_BYTES, HAVE_INTERVAL_MS } from '../../../src/base/limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { MiB } from '../../../src/base/units.ts'
import { Planner } from '../../../src/transfer/planner.ts'

const STEP_MS = 20
const DELAY_MS = 20

interface Request {
  readonly id: number
  readonly from: number
  readonly first: number
  readonly count: number
  readonly startsAt: number
  sent: number
}

/** One that fetches; the seed is number 0 and has no planner. */
class Member {
  readonly held: Uint8Array
  readonly planner: Planner
  readonly requests = new Map<number, Request>()
  doneAt: number | undefined
  toldAt = Number.NEGATIVE_INFINITY

  constructor(chunks: number, random: () => number) {
    this.held = bitmapFor(chunks)
    this.planner = new Planner({ chunks, held: this.held, now: 0, deadlineAt: 1e9, random })
  }

  get coming(): Uint8Array {
    const bitmap = bitmapFor(this.held.length * 8)
    for (const [first, end] of this.planner.coming()) for (let at = first; at < end; at++) setBit(bitmap, at)
    return bitmap
  }
}

class Swarm {
  readonly members: Member[] = []
  readonly sent: number[]
  readonly #credit: number[]
  readonly #upload: number
  now = 0

  constructor(chunks: number, fetchers: number, uploadChunks: number, seed: number) {
    const random = seededRandom(seed)
    for (let n = 0; n < fetchers; n++) this.members.push(new Member(chunks, () => random.fraction()))
    this.sent = Array.from({ length: fetchers + 1 }, () => 0)
    this.#credit = this.sent.map(() => 0)
    this.#upload = uploadChunks
    for (const [n, { planner }] of this.members.entries()) {
      planner.join('0', 'whole', 0)
      for (let other = 1; other <= fetchers; other++)
        if (other !== n + 1) planner.join(`${other}`, bitmapFor(chunks), 0)
      planner.noMore()
    }
  }

  run(): void {
    while (this.members.some(({ doneAt }) => doneAt === undefined) && this.now < 300_000) {
      this.now += STEP_MS
      for (const [n, member] of this.members.entries()) this.#tell(member, n + 1)
      for (const member of this.members) this.#plan(member)
      for (const from of this.sent.keys()) this.#upload1(from)
      for (const member of this.members) this.#plan(member)
    }
  }

  /** What one has is asked by each of the others once in a while, at times of their own. */
  #tell(member: Member, number: number): void {
    if (this.now - member.toldAt < HAVE_INTERVAL_MS) return
    member.toldAt = member.toldAt < 0 ? this.now + ((number * 137) % HAVE_INTERVAL_MS) - HAVE_INTERVAL_MS : this.now
    for (const other of this.members) {
      if (other !== member) other.planner.hasNow(`${number}`, member.held.slice(), this.now, member.coming)
    }
  }

  #plan(member: Member): void {
    for (const decision of member.planner.decide(this.now)) {
      if (decision.kind === 'done') member.doneAt ??= this.now
      else if (decision.kind === 'cancel') {
        const request = member.requests.get(decision.id)
        member.requests.delete(decision.id)
        member.planner.failed(decision.id, request?.sent ?? 0, true, this.now)
      } else if (decision.kind === 'ask') {
        const { id, peer, first, count } = decision
        member.requests.set(id, { id, from: Number(peer), first, count, startsAt: this.now + DELAY_MS, sent: 0 })
      }
    }
  }

  /** One uploads for a step, a chunk to each who asks in turn. */
  #upload1(from: number): void {
    const asked = this.members.flatMap((member) =>
      [...member.requests.values()].filter((each) => each.from === from).map((request) => ({ member, request })),
    )
    let ready = asked.filter(({ request }) => request.startsAt <= this.now)
    let credit = Math.min(this.#upload, (this.#credit[from] ?? 0) + (this.#upload * STEP_MS) / 1000)
    while (credit >= 1 && ready.length > 0) {
      for (const { member, request } of ready) {
        if (credit < 1) break
        credit--
        this.#send(member, request)
      }
      ready = ready.filter(({ member, request }) => member.requests.has(request.id))
    }
    this.#credit[from] = ready.length > 0 ? credit : 0
  }

  #send(member: Member, request: Request): void {
    this.sent[request.from] = (this.sent[request.from] ?? 0) + 1
    setBit(member.held, request.first + request.sent)
    request.sent++
    member.planner.progress(request.id, request.sent, this.now)
    if (request.sent < request.count) return
    member.requests.delete(request.id)
    member.planner.finished(request.id, this.now)
  }
}

function play(t: Test, bytes: number, fetchers: number, uploadBytes: number) {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  const chunks = Math.ceil(bytes / CHUNK_BYTES)
  const swarm = new Swarm(chunks, fetchers, uploadBytes / CHUNK_BYTES, seed)
  swarm.run()
  const copies = (swarm.sent[0] ?? 0) / chunks
  const last = Math.max(...swarm.members.map(({ doneAt }) => doneAt ?? Number.POSITIVE_INFINITY))
  t.comment(`SEED=${seed}: the seed sent ${copies.toFixed(2)} copies, the last was done after ${last / 1000} s`)
  for (const { held } of swarm.members) {
    t.ok(Array.from({ length: chunks }, (_, chunk) => hasBit(held, chunk)).every(Boolean))
  }
  return { copies, last }
}

test('of 200 MB for four, the seed sends little more than one copy, and all are done soon', async (t) => {
  const { copies, last } = play(t, 200e6, 4, 20e6)
  t.ok(copies <= 1.6, `${copies} copies`)
  t.ok(last <= 15_000, `${last} ms, of 10 s at least`)
})

test('so it is for a smaller blob and more fetchers', async (t) => {
  const { copies } = play(t, 64 * MiB, 8, 10e6)
  t.ok(copies <= 2.5, `${copies} copies`)
})
