import { type Test, test } from 'tap'
import { Access } from '../../../src/trust/access.ts'
import { Devices } from '../../../src/trust/devices.ts'
import { Shares } from '../../../src/trust/shares.ts'
import { numberedOf, peerOf, publisherOf } from '../model/made.ts'
import { openStore } from '../store/opened.ts'

const [publisher, other] = [publisherOf(0), publisherOf(1)]
const [me, friend] = [peerOf(1), peerOf(2)]
const devicesOf = (...peers: string[]) => numberedOf(publisher, 'device', 'devices', 1, { peers })

async function opened(t: Test, peerId = me) {
  const { records, clock } = await openStore(t)
  const access = new Access({ records, shares: new Shares({ records, clock }) })
  return { access, records, devices: new Devices({ records, access }, { peerId }) }
}

test('a device shows itself, and is known by that', async (t) => {
  const here = await opened(t)
  t.same(here.devices.own(), [])
  const record = devicesOf(me)
  await here.records.admit([publisher.document, record].map((each) => ({ record: each, audience: 'private' })))
  const shown = here.devices.own()
  t.same(shown, [publisher.document.envelope, record.envelope])
  const there = await opened(t, friend)
  t.notOk(there.access.isDevice(me, publisher.signer))
  there.devices.take(me, shown)
  t.ok(there.access.isDevice(me, publisher.signer))
  t.equal(there.records.count(), 0, 'nothing of it is stored')
})

test('what does not hold, or names somebody else, changes nothing', async (t) => {
  const { access, devices } = await opened(t)
  const { document } = publisher
  devices.take(friend, [document.envelope, devicesOf(me).envelope])
  devices.take(friend, [devicesOf(friend).envelope])
  devices.take(friend, [other.document.envelope, devicesOf(friend).envelope])
  devices.take(friend, [new Uint8Array(5)])
  const forged = numberedOf({ ...publisher, releaseKey: other.releaseKey }, 'device', 'devices', 1, { peers: [friend] })
  devices.take(friend, [document.envelope, forged.envelope])
  for (const peer of [me, friend]) t.notOk(access.isDevice(peer, publisher.signer))
})
