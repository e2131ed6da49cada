// Searching by the command line, on a data directory that no node is running on.
import { join } from 'node:path'
import { test } from 'tap'
import { run, runPlain } from './processes.ts'

const SOURCE = {
  'package.json': JSON.stringify({ name: 'sextant', version: '2.0.1', description: 'Angles at sea' }),
}

test('searching explains itself, asks what was meant, and completes names', async (t) => {
  const folder = t.testdir({ source: SOURCE })
  const dataDir = ['--data-dir', join(folder, 'store')]
  t.match(await run(['publish', join(folder, 'source'), ...dataDir]), { status: 0 })
  const explained = await runPlain(['search', '--explain', 'angles', 'at', 'seas', ...dataDir])
  t.match(
    explained.stdout,
    /Angles at sea\n {2}some of the words: angles \(\d+\.\d \+ 0\.0 for popularity = \d+\.\d\)\n1 found/,
  )
  t.match((await run(['search', '--explain', 'sextant', ...dataDir])).lines, [
    { why: { found: 'exact-name', words: ['sextant'], near: [] }, highlights: { name: [[0, 7]], description: [] } },
    { results: 1 },
  ])
  const missed = await runPlain(['search', 'agnels', ...dataDir])
  t.match(missed.stdout, /^0 found in .* Did you mean: angles\n$/)
  t.match(await runPlain(['complete', 'sex', ...dataDir]), { status: 0, stdout: 'sextant\n' })
  t.match(await runPlain(['complete', 'pkg:npm/s', ...dataDir]), { status: 0, stdout: 'pkg:npm/sextant\n' })
  t.match((await run(['complete', ...dataDir])).lines, [{ type: 'completion', purl: 'pkg:npm/sextant' }])
})
