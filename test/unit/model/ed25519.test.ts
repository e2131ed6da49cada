import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { fromHex, toHex } from '../../../src/base/bytes.ts'
import { loadNativeFunctions } from '../../../src/core/native-functions.ts'
import {
  nativeEd25519,
  openSsl,
  type Signed,
  signingKey,
  useEd25519,
  verifyEd25519,
} from '../../../src/model/ed25519.ts'

interface Case {
  name: string
  accept: boolean
  why: string
  publicKey: string
  message: string
  signature: string
}

const { cases }: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('../../vectors/ed25519.json', import.meta.url), 'utf8'),
)
const bytes = (hex: string) => fromHex(hex) as Uint8Array

const implementations = { OpenSSL: openSsl, addon: nativeEd25519(await loadNativeFunctions()) }

for (const [name, implementation] of Object.entries(implementations)) {
  test(`${name}: every published case is decided by the strict rule`, async (t) => {
    t.equal(cases.filter(({ accept }) => accept).length, 5)
    for (const { name: title, accept, why, publicKey, message, signature } of cases) {
      t.equal(implementation.verify(bytes(publicKey), bytes(message), bytes(signature)), accept, `${title}: ${why}`)
    }
  })

  test(`${name}: many are decided as each of them alone`, async (t) => {
    const all = cases.map(({ publicKey, message, signature }) => ({
      key: bytes(publicKey),
      message: bytes(message),
      signature: bytes(signature),
    }))
    const short = { ...(all[0] as Signed), signature: new Uint8Array(63) }
    const longer = { ...(all[0] as Signed), key: new Uint8Array(33) }
    t.strictSame(await implementation.verifyAll([short, ...all, longer]), [
      false,
      ...cases.map(({ accept }) => accept),
      false,
    ])
    t.strictSame(await implementation.verifyAll([]), [])
  })

  test(`${name}: any single flipped bit of key, message or signature is refused`, async (t) => {
    const key = implementation.signingKey(new Uint8Array(32).fill(5))
    const message = Buffer.from('published')
    const parts = [key.publicKey, new Uint8Array(message), key.sign(message)] as const
    t.ok(implementation.verify(...parts))
    let held = 0
    parts.forEach((part, which) => {
      for (let bit = 0; bit < part.length * 8; bit++) {
        const changed = part.slice()
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        const [publicKey, text, signature] = parts.map((other, i) => (i === which ? changed : other))
        if (implementation.verify(publicKey as Uint8Array, text as Uint8Array, signature as Uint8Array)) held++
      }
    })
    t.equal(held, 0)
  })

  test(`${name}: other lengths are refused, not thrown about`, async (t) => {
    const key = implementation.signingKey(new Uint8Array(32))
    const signature = key.sign(new Uint8Array(0))
    t.notOk(implementation.verify(key.publicKey.subarray(1), new Uint8Array(0), signature))
    t.notOk(implementation.verify(new Uint8Array(33), new Uint8Array(0), signature))
    t.notOk(implementation.verify(key.publicKey, new Uint8Array(0), signature.subarray(1)))
    t.notOk(implementation.verify(key.publicKey, new Uint8Array(0), new Uint8Array(0)))
  })

  test(`${name}: a key and its signatures depend on the seed alone`, async (t) => {
    const { publicKey, message, signature } = cases[1] as Case
    const key = implementation.signingKey(bytes('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'))
    t.equal(toHex(key.publicKey), publicKey)
    t.equal(toHex(key.sign(bytes(message))), signature)
  })

  test(`${name}: many signatures are those that are made one by one`, async (t) => {
    const key = implementation.signingKey(new Uint8Array(32).fill(9))
    const messages = [0, 1, 700, 65_536].map((length) => new Uint8Array(length).fill(length))
    const signatures = await key.signAll(messages)
    t.strictSame(
      signatures.map(toHex),
      messages.map((message) => toHex(key.sign(message))),
    )
    t.strictSame(await key.signAll([]), [])
  })
}

test('the one in use signs and verifies', async (t) => {
  t.teardown(() => useEd25519(openSsl))
  for (const implementation of Object.values(implementations)) {
    useEd25519(implementation)
    const key = signingKey(new Uint8Array(32).fill(3))
    t.ok(verifyEd25519(key.publicKey, new Uint8Array(5), key.sign(new Uint8Array(5))))
  }
})
