import { test } from 'tap'
import { ENFORCED_PERMISSIONS, PERMISSIONS, parsePermission, readShare } from '../../../src/model/permission.ts'
import { publisherOf, releaseOf, shareOf } from './made.ts'

test('a share is read whatever its permission', async (t) => {
  for (const permission of PERMISSIONS)
    t.equal(readShare(shareOf(publisherOf(0), 'x', 1, permission)).permission, permission)
})

test('a share needs a seq, its own kind and a word that is known', async (t) => {
  const publisher = publisherOf(0)
  const invalid = { code: 'RECORD_INVALID' }
  t.throws(() => readShare(shareOf(publisher, 'x', 1, 'public', { seq: undefined })), invalid)
  t.throws(() => readShare(releaseOf(publisher)), invalid)
  t.throws(() => readShare(shareOf(publisher, 'x', 1, 'everyone' as 'public')), invalid)
})

test('only permissions that are enforced can be asked for', async (t) => {
  for (const word of ENFORCED_PERMISSIONS) t.equal(parsePermission(word), word)
  for (const word of ['anonymous', 'verified']) {
    t.throws(() => parsePermission(word), { code: 'PERMISSION_UNSUPPORTED' }, word)
  }
  t.throws(() => parsePermission('Public'), { code: 'USAGE', hint: /public, private/ })
})
