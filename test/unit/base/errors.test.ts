import { test } from 'tap'
import { CatalogError, ERRORS, EXIT, hasCode } from '../../../src/base/errors.ts'

test('every code has an exit status of the table and an HTTP status of an error', async (t) => {
  const exits = new Set<number>(Object.values(EXIT))
  for (const [code, { exit, http }] of Object.entries(ERRORS)) {
    t.ok(exits.has(exit) && exit !== EXIT.ok, code)
    t.ok(http >= 400 && http < 600, code)
  }
})

test('an error crosses a border as data and comes back', async (t) => {
  const error = new CatalogError('NOT_FOUND', 'Nothing.', { hint: 'Look.', details: { a: 1 } })
  const data = structuredClone(error.toJSON())
  t.match(CatalogError.fromJSON(data), { code: 'NOT_FOUND', message: 'Nothing.', hint: 'Look.', details: { a: 1 } })
  t.equal(error.exitCode, EXIT.notFound)
  t.strictSame(new CatalogError('CLOSED', 'x').toJSON(), { code: 'CLOSED', message: 'x' })
})

test('a code of another build becomes INTERNAL', async (t) => {
  for (const code of ['FROM_THE_FUTURE', 'toString', '__proto__']) {
    t.equal(CatalogError.fromJSON({ code: code as 'USAGE', message: 'x' }).code, 'INTERNAL', code)
  }
})

test('whatever is thrown becomes an error with a code', async (t) => {
  const own = new CatalogError('USAGE', 'x')
  t.equal(CatalogError.from(own), own)
  const coded = (code: unknown) => Object.assign(new Error('x'), { code })
  t.match(CatalogError.from(coded('SEARCH_LOCKED')), { code: 'SEARCH_LOCKED', cause: Error })
  t.match(CatalogError.from(coded('ENOSPC')), { code: 'DISK_FULL', hint: /space/ })
  t.match(CatalogError.from(coded('EDQUOT'), 'STORE_FAILED'), { code: 'DISK_FULL' })
  t.match(CatalogError.from(coded('EFBIG'), 'STORE_FAILED'), { code: 'DISK_FULL', hint: /ulimit/ })
  t.match(CatalogError.from(coded('EIO'), 'STORE_FAILED'), { code: 'STORE_FAILED' })
  t.match(CatalogError.from(coded(20)), { code: 'INTERNAL' })
  t.match(CatalogError.from(AbortSignal.abort().reason), { code: 'ABORTED' })
  t.match(CatalogError.from('text', 'PEER_PROTOCOL'), { code: 'PEER_PROTOCOL', message: 'text' })
  t.match(CatalogError.from(undefined), { code: 'INTERNAL' })
})

test('codes are asked for one or several at a time', async (t) => {
  t.ok(hasCode(new CatalogError('USAGE', 'x'), 'NOT_FOUND', 'USAGE'))
  t.notOk(hasCode(new CatalogError('USAGE', 'x'), 'NOT_FOUND'))
  t.notOk(hasCode(Object.assign(new Error('x'), { code: 'USAGE' }), 'USAGE'))
})
