import { base58btc } from 'multiformats/bases/base58'
import { test } from 'tap'
import { keyOfPeer, parsePeerId, peerIdText } from '../../../src/model/peer-id.ts'
import { keyOf } from './made.ts'

const key = keyOf(5)
const peer = base58btc.baseEncode(Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...key.publicKey))
const wrong = ['', 'x', '0OIl', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG']

test('a peer id holds its key', async (t) => {
  t.same(keyOfPeer(peer), key.publicKey)
  for (const text of wrong) t.throws(() => keyOfPeer(text), { code: 'RECORD_INVALID' }, text)
})

test('what a user writes is a peer id or a wrong call', async (t) => {
  t.equal(parsePeerId(peer), peer)
  for (const text of wrong) t.throws(() => parsePeerId(text), { code: 'USAGE', hint: /catalog status/ }, text)
})

test('in a record only its shape counts', async (t) => {
  t.ok(peerIdText.safeParse(peer).success)
  for (const text of ['', '0OIl', 'a b', 'z'.repeat(65)]) t.notOk(peerIdText.safeParse(text).success, text)
})
