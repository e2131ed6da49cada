// Makes a fresh clone runnable: `npm start`, `npm test` and `npm run bench` call this first. Plain Node ≥ 20 without a
// dependency, since it may run before `npm ci`. Each step runs only when the content of its inputs has changed since
// it last succeeded; CATALOG_SETUP=force runs them all, CATALOG_SETUP_VERBOSE=1 shows what the tools print.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const started = performance.now()
const stamps = join(root, 'artifacts/.stamps')
const bin = join(root, 'node_modules/.bin')
const windows = process.platform === 'win32'
const verbose = Boolean(process.env.CATALOG_SETUP_VERBOSE)
/** How often a long step says that it is still at work. */
const HEARTBEAT_MS = 10_000

const say = (text) => process.stderr.write(`setup: ${text}\n`)
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(0)} s`
const tool = (name) => join(bin, windows ? `${name}.cmd` : name)

/** Files under a path of the project, in order, without what tools make. */
function* filesUnder(path) {
  const full = join(root, path)
  if (!existsSync(full)) return
  if (!statSync(full).isDirectory()) {
    yield path
    return
  }
  const entries = readdirSync(full, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    if (['node_modules', 'target', '.git'].includes(entry.name)) continue
    if (entry.isDirectory()) yield* filesUnder(`${path}/${entry.name}`)
    else if (entry.isFile()) yield `${path}/${entry.name}`
  }
}

function fingerprint({ inputs }) {
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}\0`)
  for (const input of inputs) {
    for (const file of filesUnder(input)) {
      hash
        .update(`${file}\0`)
        .update(readFileSync(join(root, file)))
        .update('\0')
    }
  }
  return hash.digest('hex')
}

const stampOf = (step) => join(stamps, step.name)

function isStale(step) {
  if (process.env.CATALOG_SETUP === 'force') return true
  if (step.outputs.some((output) => !existsSync(join(root, output)))) return true
  return !existsSync(stampOf(step)) || readFileSync(stampOf(step), 'utf8') !== fingerprint(step)
}

/** Run a command; its output is shown only when it fails, or when asked for. */
function run(label, command, args) {
  const { promise, resolve, reject } = deferred()
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    // The tools' `#!/usr/bin/env node` must find the project's Node, not the system's.
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    shell: windows,
  })
  const since = performance.now()
  let output = ''
  const take = (chunk) => {
    output += chunk
    if (verbose) process.stderr.write(chunk)
  }
  const heartbeat = setInterval(() => say(`${label} … ${seconds(since)}${lastLine(output)}`), HEARTBEAT_MS)
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  child.on('error', reject)
  child.on('close', (code) => {
    clearInterval(heartbeat)
    if (code === 0) return resolve()
    process.stderr.write(output)
    reject(new Error(`${label} failed with status ${code}; what it printed is above`))
  })
  return promise
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

function lastLine(output) {
  const line = output.trimEnd().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? '' : `  (${line.slice(0, 80)})`
}

/** npm through the very npm that runs us, so that neither PATH nor npm.cmd matter; else `npm`. */
function npmCi() {
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const script = process.env.npm_execpath
  return script?.endsWith('.js') ? run('npm ci', process.execPath, [script, ...args]) : run('npm ci', 'npm', args)
}

function rustHost() {
  const { stdout } = spawnSync('rustc', ['-vV'], { encoding: 'utf8' })
  return /^host: (.+)$/m.exec(stdout ?? '')?.[1]
}

const CARGO = ['--release', '--locked', '--manifest-path', 'native/Cargo.toml', '--package', 'catalog-binding']
/** Targets in asconfig.json: for any engine with SIMD, and for those with relaxed SIMD too. */
const WASM_BUILDS = ['release', 'relaxed']

const steps = {
  install: {
    name: 'install',
    label: 'npm packages',
    inputs: ['package-lock.json', '.npmrc'],
    outputs: ['node_modules/.package-lock.json', 'node_modules/node/bin/node'],
    run: npmCi,
  },
  native: {
    name: 'native',
    label: 'native core (Rust)',
    inputs: ['native'],
    outputs: ['artifacts/native/index.js'],
    run: () =>
      run('native core', tool('napi'), [
        ...['build', '--release', '--platform', '--esm', '--manifest-path', 'native/Cargo.toml'],
        ...['--package', 'catalog-binding', '--output-dir', 'artifacts/native', '--js', 'index.js'],
        ...['--dts', 'index.d.ts', '--', '--locked'],
      ]),
  },
  wasm: {
    name: 'wasm',
    label: 'WASM core',
    inputs: ['wasm', 'asconfig.json'],
    outputs: WASM_BUILDS.map((build) => `artifacts/wasm/core.${build}.wasm`),
    run: () => settled(WASM_BUILDS.map((build) => run(`WASM core, ${build}`, tool('asc'), ['--target', build]))),
  },
  typescript: {
    name: 'typescript',
    label: 'TypeScript',
    inputs: ['src', 'tsconfig.json', 'tsconfig.build.json', 'artifacts/native/index.d.ts'],
    outputs: ['dist/index.js', 'dist/cli/main.js', ...(windows ? [] : ['node_modules/.bin/catalog'])],
    async run() {
      rmSync(join(root, 'dist'), { recursive: true, force: true })
      rmSync(join(stamps, 'tsbuildinfo.json'), { force: true })
      await run('TypeScript', tool('tsc'), ['-p', 'tsconfig.build.json'])
      linkCommand()
    },
  },
}

/** `npx catalog` in this folder runs this checkout's own command, as it would where the package is installed. */
function linkCommand() {
  if (windows) return
  const link = join(bin, 'catalog')
  rmSync(link, { force: true })
  chmodSync(join(root, 'dist/cli/main.js'), 0o755)
  symlinkSync('../../dist/cli/main.js', link)
}

async function ensure(step) {
  if (!isStale(step)) return
  const since = performance.now()
  say(`${step.label} …`)
  await step.run()
  mkdirSync(stamps, { recursive: true })
  writeFileSync(stampOf(step), fingerprint(step))
  say(`${step.label} done in ${seconds(since)}`)
}

/** What must be on the machine already, one clear line for each that is not. */
function checkTools() {
  const needs = [
    ['cargo', ['--version'], 'Rust (cargo) is missing: install it with rustup, https://rustup.rs'],
    [
      'cc',
      ['--version'],
      'A C compiler (cc) is missing: install gcc or clang, for example "apt-get install build-essential"',
    ],
  ]
  const missing = windows
    ? needs.slice(0, 1).filter(([command, args]) => spawnSync(command, args).error)
    : needs.filter(([command, args]) => spawnSync(command, args).error)
  if (missing.length > 0) throw new Error(missing.map(([, , advice]) => advice).join('\nsetup: '))
}

/** One set-up at a time: `npm start` and `npm test` may be started together. */
async function locked(work) {
  const lock = join(root, '.setup.lock')
  for (let told = false; !takeLock(lock); told = true) {
    if (!told) say('another set-up is running; waiting for it')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  const release = () => rmSync(lock, { force: true })
  process.once('exit', release)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130))
  try {
    await work()
  } finally {
    release()
  }
}

function takeLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  if (!ownerIsAlive(lock)) rmSync(lock, { force: true })
  return false
}

function ownerIsAlive(lock) {
  try {
    const owner = Number(readFileSync(lock, 'utf8'))
    if (!Number.isInteger(owner) || owner <= 0) return Date.now() - statSync(lock).mtimeMs < 5_000
    process.kill(owner, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** The crates take the longest and need nothing of npm but napi's last step, so they compile beside `npm ci`. */
async function compileCrates() {
  if (!isStale(steps.native)) return
  const host = rustHost()
  await run('Rust crates', 'cargo', ['build', ...CARGO, ...(host ? ['--target', host] : [])])
}

async function setUp() {
  checkTools()
  const fresh = isStale(steps.install) && isStale(steps.native)
  if (fresh) say('first set-up: this takes some minutes, once')
  await settled([ensure(steps.install), fresh ? compileCrates() : undefined])
  await settled([ensure(steps.native), ensure(steps.wasm)])
  await ensure(steps.typescript)
}

/** Wait for all, then throw the first failure: nothing is left running behind an error message. */
async function settled(work) {
  for (const { status, reason } of await Promise.allSettled(work)) if (status === 'rejected') throw reason
}

if (Object.values(steps).some(isStale)) {
  try {
    await locked(setUp)
    say(`ready after ${seconds(started)}`)
  } catch (error) {
    say(error.message)
    process.exitCode = 1
  }
} else if (verbose) {
  say(`nothing to do (${(performance.now() - started).toFixed(0)} ms)`)
}
