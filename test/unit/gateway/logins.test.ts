import { type Test, test } from 'tap'
import { LOGIN_MS, LOGINS_MAX } from '../../../src/base/http-limits.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { Logins } from '../../../src/gateway/logins.ts'
import { openStore } from '../store/opened.ts'

async function opened(t: Test) {
  const { tokens, clock } = await openStore(t)
  return { tokens, clock, logins: new Logins({ tokens, clock, random: seededRandom(3) }) }
}

test('who waits gets one token, once its code was let through', async (t) => {
  const { logins, tokens } = await opened(t)
  const { code, secret } = logins.ask('npm/11')
  const other = logins.ask('another')
  t.match(code, /^[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$/)
  t.equal(await logins.claim(secret), undefined)
  t.ok(logins.waits(code))
  t.match(logins.approve(code.toLowerCase().replace('-', '')), { program: 'npm/11' }, 'however it is typed')
  t.notOk(logins.waits(code), 'a code is let through once')
  t.throws(() => logins.approve(code), { code: 'NOT_FOUND' })
  const [token, again] = await Promise.allSettled([logins.claim(secret), logins.claim(secret)])
  t.ok(token.status === 'fulfilled' && tokens.holds(token.value as string))
  t.match(again, { reason: { code: 'NOT_FOUND' } })
  t.match(tokens.list(), [{ note: 'npm/11' }])
  t.equal(await logins.claim(other.secret), undefined, 'nobody else is let in with it')
  await t.rejects(logins.claim(code), { code: 'NOT_FOUND' }, 'a code is no secret')
  for (const text of ['', 'AAAA-AAAA', 'x'.repeat(1_000)]) t.throws(() => logins.approve(text), { code: 'NOT_FOUND' })
})

test('who knows only passwords comes twice, with the same', async (t) => {
  const { logins, tokens } = await opened(t)
  const refused = await logins.claimAs('me', 'secret', 'yarn').catch((thrown) => thrown)
  t.match(refused, { code: 'UNAUTHORISED', hint: /^Run: catalog token approve \S+ / })
  const [, code = ''] = /approve (\S+)/.exec(refused.hint) ?? []
  await t.rejects(logins.claimAs('me', 'secret', 'yarn'), { message: refused.message, hint: refused.hint })
  logins.approve(code)
  await t.rejects(logins.claimAs('me', 'another', 'yarn'), { code: 'UNAUTHORISED' })
  await t.rejects(logins.claimAs('m', 'esecret', 'yarn'), { code: 'UNAUTHORISED' })
  t.ok(tokens.holds(await logins.claimAs('me', 'secret', 'yarn')))
  await t.rejects(logins.claimAs('me', 'secret', 'yarn'), { code: 'UNAUTHORISED' }, 'and then not again')
})

test('a code lives for ten minutes, and as long again once it was let through', async (t) => {
  const { logins, tokens, clock } = await opened(t)
  const [late, soon] = [logins.ask('late'), logins.ask('soon')]
  await clock.advance(LOGIN_MS - 1)
  logins.approve(soon.code)
  await clock.advance(1)
  t.throws(() => logins.approve(late.code), { code: 'NOT_FOUND' })
  await t.rejects(logins.claim(late.secret), { code: 'NOT_FOUND' })
  t.ok(tokens.holds((await logins.claim(soon.secret)) as string))
})

test('few may wait at a time', async (t) => {
  const { logins, clock } = await opened(t)
  for (let i = 0; i < LOGINS_MAX; i++) logins.ask(`${i}`)
  t.throws(() => logins.ask('more'), { code: 'LIMIT_EXCEEDED' })
  await t.rejects(logins.claimAs('me', 'more', 'yarn'), { code: 'LIMIT_EXCEEDED' })
  await clock.advance(LOGIN_MS)
  logins.ask('more')
})
