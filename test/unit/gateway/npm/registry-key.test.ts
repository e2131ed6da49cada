import { createPublicKey, verify } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { seededRandom } from '../../../../src/base/random.ts'
import { integrityOf, RegistryKey } from '../../../../src/gateway/npm/registry-key.ts'
import { derive, npmKeys, originRecord } from '../../../../src/model/origin.ts'
import { readRelease } from '../../../../src/model/release.ts'
import { bodyOf, publisherOf, releaseOf } from '../../model/made.ts'

const NONE = new Map()
const artifact = bodyOf().artifacts[0] as ReturnType<typeof bodyOf>['artifacts'][number]
const signed = (version: string, sha512: Uint8Array | undefined = new Uint8Array(64).fill(7)) =>
  readRelease(releaseOf(publisherOf(1), { version, artifacts: [{ ...artifact, sha512 }] }))

test('the key follows from its seed, and is made once', async (t) => {
  const path = join(t.testdir({}), 'registry.key')
  const [listed] = (await RegistryKey.load(path, seededRandom(1), NONE)).listed
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame((await RegistryKey.load(path, seededRandom(2), NONE)).listed, [listed], 'whatever comes later')
  t.match(listed, {
    keyid: 'SHA256:SC0+98ny8Zjl5Kus2IKUFKyKND9B1NMRBygRUFyI1rE',
    keytype: 'ecdsa-sha2-nistp256',
    scheme: 'ecdsa-sha2-nistp256',
    expires: null,
  })
})

test('a version is signed once, with what npm checks', async (t) => {
  const key = await RegistryKey.load(join(t.testdir({}), 'registry.key'), seededRandom(1), NONE)
  const [own] = key.listed
  const [one, two, bare] = [
    signed('1.0.0'),
    signed('2.0.0'),
    readRelease(releaseOf(publisherOf(1), { version: '3.0.0' })),
  ]
  const made = await key.signatures([one, two, bare])
  t.strictSame([...made.keys()], [one, two], 'what has no integrity has nothing to sign')
  const spki = createPublicKey({ key: Buffer.from(own?.key ?? '', 'base64'), format: 'der', type: 'spki' })
  for (const [release, [signature]] of made) {
    const { name, version } = release.body
    const text = Buffer.from(`${name}@${version}:${integrityOf(release)}`)
    t.ok(verify('sha256', text, spki, Buffer.from(signature?.sig ?? '', 'base64')))
    t.equal(signature?.keyid, own?.keyid)
  }
  const [again, meanwhile] = await Promise.all([key.signatures([one]), key.signatures([signed('1.0.0'), two])])
  t.strictSame(again.get(one), made.get(one))
  t.strictSame(meanwhile.get(two), made.get(two))
  const [late, later] = await Promise.all([1, 2].map(() => key.signatures([signed('4.0.0')])))
  t.strictSame([...(late?.values() ?? [])], [...(later?.values() ?? [])], 'also for two that ask at one time')
})

test('what comes from an outside registry keeps its signature, whose key is listed too', async (t) => {
  const folder = t.testdir({})
  const outside = await RegistryKey.load(join(folder, 'outside.key'), seededRandom(1), NONE)
  const release = signed('1.0.0')
  const [signature] = (await outside.signatures([release])).get(release) ?? []
  const keys = npmKeys([outside.listed[0]?.key ?? ''])
  const { name, version } = release.body
  const integrity = integrityOf(release) as string
  const record = originRecord({ type: 'npm', name, version, integrity }, signature ? [signature] : [], keys)
  if (!record) throw new Error('the key of one gateway is an outside registry’s to another')
  const { type: _, artifacts, ...described } = { ...release.body, size: 3, v: 1 as const }
  const { path, root, sha256 } = artifacts[0] as typeof artifact
  const passedOn = derive(record, { ...described, path, root, sha256 })
  const here = await RegistryKey.load(join(folder, 'here.key'), seededRandom(2), keys)
  t.strictSame([...(await here.signatures([passedOn])).values()], [[signature]])
  t.ok(here.listed.some(({ keyid }) => keyid === signature?.keyid))
})
