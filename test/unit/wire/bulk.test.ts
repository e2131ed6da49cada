import { readFileSync } from 'node:fs'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { test } from 'tap'
import { fromHex } from '../../../src/base/bytes.ts'
import { ERRORS } from '../../../src/base/errors.ts'
import { bulkVectors } from '../../reference/bulk.ts'

const text = readFileSync(new URL('../../vectors/bulk.json', import.meta.url), 'utf8')
const vectors: {
  statuses: { status: number; code: string }[]
  peers: { key: string; id: string }[]
} = JSON.parse(text)

test('the vectors are what the description of the protocol gives', async (t) => {
  t.equal(text, bulkVectors())
})

test('they name peers as libp2p does, and refusals as the error table does', async (t) => {
  // The first two are no points of the curve; a name is made of the bytes alone.
  const { key, id } = vectors.peers.at(-1) as { key: string; id: string }
  t.equal(peerIdFromPublicKey(publicKeyFromRaw(fromHex(key) as Uint8Array)).toString(), id)
  for (const { code } of vectors.statuses) t.ok(code in ERRORS, code)
})
