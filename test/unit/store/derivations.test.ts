import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { type Test, test } from 'tap'
import { type Derivation, npmKeys, originRecord } from '../../../src/model/origin.ts'
import type { CatalogRecord } from '../../../src/model/record.ts'
import { Records } from '../../../src/store/records.ts'
import { openStore } from './opened.ts'

const integrity = `sha512-${createHash('sha512').update('an archive').digest('base64')}`
const body = { type: 'npm', name: 'parser', version: '1.2.3', integrity } as const
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const originKeys = npmKeys([publicKey.export({ format: 'der', type: 'spki' }).toString('base64')])
const sig = sign('sha256', Buffer.from(`parser@1.2.3:${integrity}`), privateKey).toString('base64')

const derivation: Derivation = {
  ...{ v: 1, path: 'parser-1.2.3.tgz', size: 10, root: new Uint8Array(32), sha256: new Uint8Array(32) },
  ...{ manifest: {}, dependencies: [], description: '', keywords: [], license: '' },
}

/** Made anew each time, as whoever hears the statement again does. */
function statement(): CatalogRecord {
  const record = originRecord(body, [{ keyid: 'of the registry', sig }], originKeys)
  if (!record) throw new Error('it is signed')
  return record
}

async function recordsOf(t: Test): Promise<Records> {
  const { environment } = await openStore(t)
  return new Records({ environment }, { originKeys })
}

test('what follows from an archive is known of a statement that was here before it', async (t) => {
  const records = await recordsOf(t)
  const record = statement()
  await records.admitAll([{ record, audience: 'public' }])
  t.equal(records.release(record.id), undefined)
  const twin = statement()
  await records.admitAll([{ record: twin, audience: 'public' }], () => void records.derivations.put(twin, derivation))
  t.match(records.release(record.id), { purl: 'pkg:npm/parser@1.2.3' })
  t.equal(records.releases({ type: 'npm', name: 'parser' }).length, 1)
})

test('what turned out not to be so is known no more, whoever holds the statement', async (t) => {
  const records = await recordsOf(t)
  const record = statement()
  const put = () => void records.derivations.put(record, derivation, 'a peer')
  await records.admitAll([{ record, audience: 'public' }], put)
  await records.admit([], () => records.derivations.remove(statement()))
  t.equal(records.release(record.id), undefined)
})
