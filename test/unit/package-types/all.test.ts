import { join } from 'node:path'
import t from 'tap'
import { PACKAGE_TYPES, packageType, recognise } from '../../../src/package-types/all.ts'

t.test('finds a type by its name, or says which there are', async (t) => {
  for (const type of PACKAGE_TYPES) t.equal(packageType(type.type), type)
  t.throws(() => packageType('cargo'), { code: 'USAGE', hint: /npm, generic/ })
})

t.test('tells what a path is', async (t) => {
  const dir = t.testdir({ npm: { 'package.json': '{}' }, folder: {}, file: '', 'broken.tgz': 'x' })
  t.equal((await recognise(join(dir, 'npm'))).type, 'npm')
  for (const name of ['folder', 'file']) t.equal((await recognise(join(dir, name))).type, 'generic')
  t.equal((await recognise(join(dir, 'broken.tgz'))).type, 'npm', 'so that it is told to be broken')
  await t.rejects(recognise(join(dir, 'missing')), { code: 'FILE_UNREADABLE' })
})
