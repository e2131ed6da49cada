// Makes a fresh clone runnable: `npm start` and `npm test` call this first.
// Plain Node >= 20 without any dependency, since it may run before `npm ci`.
// Each step runs only when the content of its inputs changed since it last succeeded.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const started = performance.now()
const stamps = join(root, 'artifacts/.stamps')
const bin = join(root, 'node_modules/.bin')
const tool = (name) => join(bin, process.platform === 'win32' ? `${name}.cmd` : name)
const SKIP = new Set(['node_modules', 'target', '.git'])

function* filesUnder(path) {
  const full = join(root, path)
  if (!existsSync(full)) return
  if (!statSync(full).isDirectory()) return void (yield path)
  for (const entry of readdirSync(full, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (SKIP.has(entry.name)) continue
    if (entry.isDirectory()) yield* filesUnder(`${path}/${entry.name}`)
    else if (entry.isFile()) yield `${path}/${entry.name}`
  }
}

function fingerprint(step) {
  const hash = createHash('sha256').update(
    `${step.version ?? 1}\0${process.platform}-${process.arch}\0`,
  )
  for (const input of step.inputs) {
    for (const file of filesUnder(input)) {
      hash
        .update(file)
        .update('\0')
        .update(readFileSync(join(root, file)))
        .update('\0')
    }
  }
  return hash.digest('hex')
}

const stampOf = (step) => join(stamps, step.name)
const stale = (step) => {
  if (process.env.CATALOG_SETUP === 'force') return true
  if (step.outputs.some((output) => !existsSync(join(root, output)))) return true
  try {
    return readFileSync(stampOf(step), 'utf8') !== fingerprint(step)
  } catch {
    return true
  }
}

function run(command, args, label) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      // The tools' `#!/usr/bin/env node` must find the project's Node 24, not the system's.
      env: {
        ...process.env,
        PATH: `${bin}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH}`,
      },
      shell: process.platform === 'win32',
    })
    let output = ''
    const take = (chunk) => {
      output += chunk
      if (process.env.CATALOG_SETUP_VERBOSE) process.stderr.write(chunk)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) return resolve()
      process.stderr.write(output)
      reject(new Error(`${label} ended with ${code}`))
    })
  })
}

/** npm through the very npm that runs us (no npm.cmd, no PATH question), else `npm`. */
const npm = (...args) =>
  process.env.npm_execpath?.endsWith('.js')
    ? run(process.execPath, [process.env.npm_execpath, ...args], 'npm ci')
    : run('npm', args, 'npm ci')

const steps = {
  install: {
    name: 'install',
    inputs: ['package-lock.json', '.npmrc'], // the lock file repeats every dependency of package.json
    outputs: ['node_modules/.package-lock.json', 'node_modules/node/bin/node'],
    // --include=dev: NODE_ENV=production must not leave the compilers out.
    run: () => npm('ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'),
  },
  native: {
    name: 'native',
    inputs: ['native'],
    outputs: ['artifacts/native/index.js'],
    run: () =>
      run(
        tool('napi'),
        [
          'build',
          '--release',
          '--platform',
          '--esm',
          '--manifest-path',
          'native/Cargo.toml',
          '--package',
          'catalog-binding',
          '--output-dir',
          'artifacts/native',
          '--js',
          'index.js',
          '--dts',
          'index.d.ts',
        ],
        'napi build',
      ),
  },
  wasm: {
    name: 'wasm',
    inputs: ['wasm', 'asconfig.json'],
    outputs: ['artifacts/wasm/core.release.wasm'],
    run: () => run(tool('asc'), ['--target', 'release'], 'asc'),
  },
  typescript: {
    name: 'typescript',
    inputs: [
      'src',
      'tsconfig.json',
      'tsconfig.build.json',
      'artifacts/native/index.d.ts',
      'artifacts/wasm/core.release.d.ts',
    ],
    outputs: ['dist/index.js', 'dist/cli/main.js'],
    run: async () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true })
      rmSync(join(stamps, 'tsbuildinfo.json'), { force: true })
      await run(tool('tsc'), ['-p', 'tsconfig.build.json'], 'tsc')
    },
  },
}

async function ensure(step) {
  if (!stale(step)) return false
  const t = performance.now()
  process.stderr.write(`setup: ${step.name} ...\n`)
  await step.run()
  mkdirSync(stamps, { recursive: true })
  writeFileSync(stampOf(step), fingerprint(step))
  process.stderr.write(
    `setup: ${step.name} done in ${((performance.now() - t) / 1000).toFixed(1)} s\n`,
  )
  return true
}

/** One set-up at a time: `npm start` and `npm test` may be started together. */
async function locked(work) {
  const lock = join(root, '.setup.lock')
  for (let waited = 0; ; waited += 250) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const owner = Number(readFileSync(lock, 'utf8').trim() || NaN)
      let alive = Number.isInteger(owner)
      if (alive)
        try {
          process.kill(owner, 0)
        } catch (e) {
          alive = e.code === 'EPERM'
        }
      if (!alive && waited > 0) rmSync(lock, { force: true })
      if (waited === 0) process.stderr.write('setup: another set-up is running, waiting for it\n')
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
  const release = () => rmSync(lock, { force: true })
  process.once('exit', release)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => process.exit(130))
  try {
    return await work()
  } finally {
    release()
  }
}

if (Object.values(steps).some(stale)) {
  try {
    await locked(async () => {
      await ensure(steps.install)
      // Both are independent; the long one is rustc, which leaves a core free most of the time.
      const results = await Promise.allSettled([ensure(steps.native), ensure(steps.wasm)])
      for (const result of results) if (result.status === 'rejected') throw result.reason
      await ensure(steps.typescript)
    })
    process.stderr.write(
      `setup: ready after ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
    )
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n`)
    process.exitCode = 1
  }
} else if (process.env.CATALOG_SETUP_VERBOSE) {
  process.stderr.write(`setup: nothing to do (${(performance.now() - started).toFixed(0)} ms)\n`)
}
