import { test } from 'tap'
import { readSettings } from '../../../src/model/config.ts'

test('defaults', async (t) => {
  t.match(readSettings({}), {
    host: '0.0.0.0',
    controlPort: 9292,
    bulkPort: 9293,
    httpPort: 9294,
    peers: [],
    mdns: true,
  })
  t.ok(Object.isFrozen(readSettings({})))
})

test('flags win over variables, those over the file, that over the defaults', async (t) => {
  const file = { 'control-port': 1, bulk_port: 1, httpPort: 1 }
  const environment = { CATALOG_CONTROL_PORT: '2', CATALOG_BULK_PORT: '2' }
  const flags = { controlPort: 3 }
  t.match(readSettings({ file, environment, flags }), { controlPort: 3, bulkPort: 2, httpPort: 1, workers: 2 })
})

test('what is undefined or empty counts as not given', async (t) => {
  const settings = readSettings({ flags: { controlPort: undefined }, environment: { CATALOG_CONTROL_PORT: '' } })
  t.equal(settings.controlPort, 9292)
})

test('variables are text and become what is meant', async (t) => {
  const environment = { CATALOG_MDNS: '0', CATALOG_DHT: 'true', CATALOG_PEERS: 'a:1, b,,c', CATALOG_WORKERS: '4' }
  t.match(readSettings({ environment }), { mdns: false, dht: true, peers: ['a:1', 'b', 'c'], workers: 4 })
})

test('variables of others are none of our business', async (t) => {
  t.equal(readSettings({ environment: { PATH: '/bin', CATALOG_UNHEARD_OF: '1', HOST: 'x' } }).host, '0.0.0.0')
})

test('an unknown key is named, with those there are', async (t) => {
  const error = { code: 'CONFIG_INVALID', message: /contrlPort/, hint: /controlPort/ }
  t.throws(() => readSettings({ file: { 'contrl-port': 1 } }), error)
  t.throws(() => readSettings({ flags: { contrlPort: 1 } as object }), error)
})

test('a wrong value is refused with the name of its key', async (t) => {
  for (const [key, value] of [
    ['host', 'localhost'],
    ['controlPort', 65_536],
    ['controlPort', 'ssh'],
    ['httpPort', 1.5],
    ['mdns', 'maybe'],
    ['core', 'rust'],
    ['workers', 0],
    ['peers', 3],
    ['peers', ['x'.repeat(257)]],
  ] as const) {
    t.throws(() => readSettings({ file: { [key]: value } }), { code: 'CONFIG_INVALID', message: new RegExp(key) }, key)
  }
})

test('bandwidth is preset by the profile', async (t) => {
  const MBps = 1_000_000
  const personal = { maxBandwidth: 10 * MBps, maxUpload: 10 * MBps, maxDownload: 10 * MBps, fairUseLimit: MBps }
  t.match(readSettings({}), { profile: 'personal', limitLocal: false, ...personal })
  const all = Number.POSITIVE_INFINITY
  const mirror = { maxBandwidth: all, maxUpload: all, maxDownload: all, fairUseLimit: all }
  t.match(readSettings({ file: { profile: 'mirror' } }), mirror)
  t.match(readSettings({ file: { profile: 'mirror', 'max-upload': '8 Mbit/s' } }), { ...mirror, maxUpload: MBps })
  t.throws(() => readSettings({ file: { profile: 'office' } }), { code: 'CONFIG_INVALID', message: /profile/ })
})

test('rates are text or numbers, and one for both directions counts where they have none of their own', async (t) => {
  const environment = {
    CATALOG_MAX_BANDWIDTH: '20 MB/s',
    CATALOG_FAIR_USE_LIMIT: 'unlimited',
    CATALOG_LIMIT_LOCAL: '1',
  }
  t.match(readSettings({ environment, flags: { maxDownload: 5 } }), {
    ...{ maxBandwidth: 20_000_000, maxUpload: 20_000_000, maxDownload: 5 },
    ...{ fairUseLimit: Number.POSITIVE_INFINITY, limitLocal: true },
  })
  for (const rate of ['fast', 0, '-1 MB/s']) {
    t.throws(() => readSettings({ file: { maxBandwidth: rate } }), {
      code: 'CONFIG_INVALID',
      message: /maxBandwidth.*rate/,
    })
  }
})
