import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { test } from 'tap'
import { artifact, workerFile } from '../../../src/core/paths.ts'

test('artifacts are found from the sources', async (t) => {
  t.ok(existsSync(artifact('wasm/core.release.wasm')))
})

test('a worker has the extension of its caller', async (t) => {
  const url = (file: string) => pathToFileURL(join(t.testdirName, file)).href
  t.equal(workerFile(url('src/pool.ts'), './entry'), join(t.testdirName, 'src/entry.ts'))
  t.equal(workerFile(url('dist/pool.js'), './entry'), join(t.testdirName, 'dist/entry.js'))
})
