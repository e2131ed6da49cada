import { createPublicKey, verify } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { seededRandom } from '../../../../src/base/random.ts'
import { integrityOf, RegistryKey } from '../../../../src/gateway/npm/registry-key.ts'
import { readRelease } from '../../../../src/model/release.ts'
import { bodyOf, publisherOf, releaseOf } from '../../model/made.ts'

const artifact = bodyOf().artifacts[0] as ReturnType<typeof bodyOf>['artifacts'][number]
const signed = (version: string, sha512: Uint8Array | undefined = new Uint8Array(64).fill(7)) =>
  readRelease(releaseOf(publisherOf(1), { version, artifacts: [{ ...artifact, sha512 }] }))

test('the key follows from its seed, and is made once', async (t) => {
  const path = join(t.testdir({}), 'registry.key')
  const { listed } = await RegistryKey.load(path, seededRandom(1))
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame((await RegistryKey.load(path, seededRandom(2))).listed, listed, 'whatever comes later')
  t.match(listed, {
    keyid: 'SHA256:SIlczI7rCPIca4BmX4hmqREz1pzLR5l2Ht3I2r/PB9s=',
    keytype: 'ecdsa-sha2-nistp256',
    scheme: 'ecdsa-sha2-nistp256',
    expires: null,
  })
})

test('a version is signed once, with what npm checks', async (t) => {
  const key = await RegistryKey.load(join(t.testdir({}), 'registry.key'), seededRandom(1))
  const [one, two, bare] = [
    signed('1.0.0'),
    signed('2.0.0'),
    readRelease(releaseOf(publisherOf(1), { version: '3.0.0' })),
  ]
  const made = await key.signatures([one, two, bare])
  t.strictSame([...made.keys()], [one, two], 'what has no integrity has nothing to sign')
  const spki = createPublicKey({ key: Buffer.from(key.listed.key, 'base64'), format: 'der', type: 'spki' })
  for (const [release, [signature]] of made) {
    const { name, version } = release.body
    const text = Buffer.from(`${name}@${version}:${integrityOf(release)}`)
    t.ok(verify('sha256', text, spki, Buffer.from(signature?.sig ?? '', 'base64')))
    t.equal(signature?.keyid, key.listed.keyid)
  }
  const [again, meanwhile] = await Promise.all([key.signatures([one]), key.signatures([signed('1.0.0'), two])])
  t.strictSame(again.get(one), made.get(one))
  t.strictSame(meanwhile.get(two), made.get(two))
  const [late, later] = await Promise.all([1, 2].map(() => key.signatures([signed('4.0.0')])))
  t.strictSame([...(late?.values() ?? [])], [...(later?.values() ?? [])], 'also for two that ask at one time')
})
