// The README's walk-through is run as it stands there, but for where the command and the files are.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { freePort } from '../free-port.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

test('the walk-through in the README works when pasted', { timeout: 120_000 }, async (t) => {
  const folder = t.testdir({})
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  let script = /```sh walkthrough\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  t.ok(script.includes('npx catalog publish'), 'there is a walk-through')
  for (const port of ['4101', '4102', '4201', '4202', '4301', '4302']) {
    script = script.replaceAll(port, String(await freePort()))
  }
  const command = `${process.execPath} --disable-warning=ExperimentalWarning ${join(ROOT, 'src/cli/main.ts')}`
  script = script
    .replace('npm run --silent setup\n', '')
    .replaceAll('npx catalog', command)
    .replaceAll('npm publish', 'npm publish --cache .npm')
    .replaceAll('npm install', 'npm install --cache .npm')
    .replaceAll('node_modules/semver', join(ROOT, 'node_modules/semver'))
  const env = { ...process.env, NO_COLOR: '1' }
  const shell = spawn('bash', ['-m', '-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], env })
  let output = ''
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  await once(shell, 'close')
  t.match(output, /\+ @me\/hello@1\.0\.0/)
  t.match(output, /added 1 package/)
  t.match(output, /Published pkg:npm\/semver@/)
  t.match(output, /1 found in \d+ ms, 1 of 1 peers answered/)
  t.match(output, /Installed pkg:npm\/semver@\S+ in .*\.catalog-try\/semver/)
  t.match(output, /1 checked \(.*\), 0 damaged/)
  t.notMatch(output, /error:/)
  const installed = JSON.parse(readFileSync(join(folder, '.catalog-try/semver/package.json'), 'utf8'))
  t.equal(installed.name, 'semver')
})
