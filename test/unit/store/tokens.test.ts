import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { TOKEN_NOTE_LENGTH_MAX } from '../../../src/base/http-limits.ts'
import { openStore } from './opened.ts'

test('a token is held until it is revoked, and over a restart', async (t) => {
  const store = await openStore(t)
  const { token, id, at } = await store.tokens.create('for npm')
  t.match(token, /^catalog_[0-9a-f]{16}_[0-9a-f]{64}$/)
  t.ok(store.tokens.holds(token))
  const { tokens } = await store.reopen()
  t.ok(tokens.holds(token))
  t.strictSame(tokens.list(), [{ id, at, note: 'for npm' }])
  await tokens.revoke(id)
  t.notOk(tokens.holds(token))
  t.strictSame(tokens.list(), [])
  await t.rejects(tokens.revoke(id), { code: 'NOT_FOUND' })
})

test('nothing else is a token', async (t) => {
  const { tokens } = await openStore(t)
  const [one, two] = [await tokens.create(''), await tokens.create('')]
  const mixed = `${one.token.slice(0, 25)}${two.token.slice(25)}`
  const last = one.token.endsWith('0') ? '1' : '0'
  for (const text of ['', 'catalog', one.id, mixed, `${one.token.slice(0, -1)}${last}`, ` ${one.token}`]) {
    t.notOk(tokens.holds(text), text)
  }
  await t.rejects(tokens.create('x'.repeat(TOKEN_NOTE_LENGTH_MAX + 1)), { code: 'USAGE' })
})

test('the token itself is nowhere in the store', async (t) => {
  const store = await openStore(t)
  const { token, id } = await store.tokens.create('for npm')
  await store.close()
  const files = readdirSync(store.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const contents = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)))
  t.ok(contents.some((bytes) => bytes.includes(id)))
  t.notOk(contents.some((bytes) => bytes.includes(token.slice(-64))))
})
