// The house style as a test: what a reader may rely on everywhere, checked over every file that belongs to the project.
// Each rule is a function from files to complaints, `path:line what is wrong`, and is first tried on planted text, so
// that a rule that has stopped seeing anything is noticed.
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { ERRORS } from '../src/base/errors.ts'

interface File {
  /** From the root of the project, with `/`. */
  readonly path: string
  readonly text: string
}
type Rule = (files: readonly File[]) => string[]

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NEVER_OURS = new Set(['node_modules', 'target', 'artifacts', 'dist', '.git', '.tap'])
const FILE_LINES_MAX = 400
const LINE_COLUMNS_MAX = 120
const FUNCTION_LINES_MAX = 70
/** Made by a program, so nobody has to read them. */
const GENERATED: readonly string[] = []
/** Their format names the index that the locked packages come from. */
const LOCKS = ['package-lock.json', 'native/Cargo.lock']

/**
 * The house, top to bottom: a folder imports from itself and from rows above it. Rooms of one row do not know each
 * other, so `node.ts`, which the entry points below it import, has a row of its own.
 */
const ROWS: readonly (readonly string[])[] = [
  ['base', 'version.ts'],
  ['core', 'model', 'settings-file.ts'],
  ['store', 'wire', 'package-types'],
  ['network'],
  ['trust', 'topology'],
  ['transfer', 'discovery'],
  ['synchronization', 'mirroring', 'incentives'],
  ['publishing'],
  ['package-view.ts', 'sharing-manager.ts', 'storage-manager.ts', 'telemetry'],
  ['gateway'],
  ['assembly.ts'],
  ['node.ts'],
  ['cli', 'index.ts'],
]
const ROW_OF = new Map(ROWS.flatMap((rooms, row) => rooms.map((room) => [room, row] as const)))

/** Uses of the machine's own time outside base/, each with its reason. */
const REAL_TIME: readonly { path: string; word: string; reason: string }[] = [
  { path: 'src/network/host.ts', word: 'AbortSignal.timeout', reason: 'libp2p itself runs in real time' },
  { path: 'src/network/stream.ts', word: 'AbortSignal.timeout', reason: 'closes a libp2p stream, in real time' },
  { path: 'src/store/environment.ts', word: 'setImmediate', reason: 'groups commits, inside Effects.run' },
]

function ourFiles(): File[] {
  return paths()
    .filter((path) => existsSync(join(ROOT, path)) && lstatSync(join(ROOT, path)).isFile())
    .filter((path) => !GENERATED.includes(path))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'))
}

/** What git tracks or would; every file there is where git cannot tell. */
function paths(): string[] {
  try {
    const list = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: ROOT, stdio: 'pipe' })
    const found = list.toString().split('\0').filter(Boolean)
    if (found.length > 0) return found
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown // no git, or no repository: walk
  }
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !path.split('/').some((part) => NEVER_OURS.has(part)))
}

const isCode = ({ path }: File) => /^(src|test|bench|scripts|wasm)\/.*\.(ts|mjs)$|^native\/.*\.rs$/.test(path)
const isSource = ({ path }: File) => path.startsWith('src/') && path.endsWith('.ts')
const isTypeScript = ({ path }: File) => /^(src|test|bench)\/.*\.ts$/.test(path)

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y
const RUST_STRING = /"(?:[^"\\]|\\[\s\S])*"|r(#*)"[\s\S]*?"\1|'(?:[^'\\\n]|\\[^\n]+?)'/y
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y
const TEMPLATE_END = /`|\$\{/y
const ANY = /[\s\S]/y
/** After one of these, `/` begins a regular expression rather than a division. */
const BEFORE_REGEX = /(?:^|[([{,;=:!&|?+*%<>~^-]|\b(?:return|typeof|case|of|yield|await))\s*$/

type Piece = 'code' | 'comment' | 'string'

/** Cut a source text into code, comments and strings. Text in templates counts as string, `${…}` as code. */
function pieces({ path, text }: File): { kind: Piece; text: string }[] {
  const found: { kind: Piece; text: string }[] = []
  const rust = path.endsWith('.rs')
  /** Depth of braces in each `${…}` that is open. */
  const templates: number[] = []
  let at = 0
  const take = (kind: Piece, pattern: RegExp): boolean => {
    pattern.lastIndex = at
    const [match] = pattern.exec(text) ?? []
    if (!match) return false
    found.push({ kind, text: match })
    at += match.length
    return true
  }
  const templateText = () => {
    take('string', TEMPLATE_TEXT)
    if (text[at] === '$') templates.push(0)
    take('code', TEMPLATE_END)
  }
  while (at < text.length) {
    const here = text[at]
    const depth = templates.at(-1)
    const regex = here === '/' && !rust && BEFORE_REGEX.test(text.slice(Math.max(0, at - 40), at))
    if (take('comment', COMMENT) || take('string', rust ? RUST_STRING : STRING)) continue
    if ((regex && take('string', REGEX)) || !take('code', ANY) || rust) continue
    const leaves = depth === 0 && here === '}'
    if (leaves) templates.pop()
    else if (depth !== undefined) templates[templates.length - 1] = depth + Number(here === '{') - Number(here === '}')
    if (leaves || here === '`') templateText()
  }
  return found
}

/** The text with everything but the kinds kept blanked out; positions and lines stay. Quotes are kept. */
function only(file: File, ...kept: Piece[]): string {
  const blank = (text: string) => text.replace(/[^\n]/g, ' ')
  return pieces(file)
    .map(({ kind, text }) => {
      if (kept.includes(kind)) return text
      const quoted = kind === 'string' && /^['"]/.test(text)
      return quoted ? `${text[0]}${blank(text.slice(1, -1))}${text.at(-1)}` : blank(text)
    })
    .join('')
}

const lineOf = (text: string, index: number) => text.slice(0, index).split('\n').length

/** A rule that complains of each place where `pattern` stands in a view of a file. */
function forbid(which: (file: File) => boolean, view: (file: File) => string, pattern: RegExp, why: string): Rule {
  return (files) =>
    files.filter(which).flatMap((file) => {
      const text = view(file)
      const all = [...text.matchAll(pattern)]
      return all.map(
        ({ 0: match, index }) => `${file.path}:${lineOf(text, index)} ${match.trim().slice(0, 60)}: ${why}`,
      )
    })
}
const everything = () => true
const codeOf = (file: File) => only(file, 'code')
const wholeOf = ({ text }: File) => text

const IMPORTS = [
  /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]/g, // import and export … from, types too
  /\bimport\s*['"]/g, // for its effects
  /\bimport\s*\(\s*['"`]/g, // when needed, and as a type
]

/** Everything a file imports by a literal name. */
function imports(file: File): { specifier: string; line: number }[] {
  const code = codeOf(file)
  return IMPORTS.flatMap((pattern) =>
    [...code.matchAll(pattern)].map(({ 0: match, index }) => {
      const start = index + match.length
      const length = file.text.slice(start).search(/['"`]/)
      return { specifier: file.text.slice(start, start + length), line: lineOf(code, start) }
    }),
  )
}

const layers: Rule = (files) =>
  files.filter(isSource).flatMap((file) => {
    const room = roomOf(file.path)
    const row = ROW_OF.get(room)
    if (row === undefined) return [`${file.path}:1 ${room} has no row in the house`]
    return imports(file).flatMap(({ specifier, line }) => {
      const target = normalize(join(dirname(file.path), specifier))
      if (!specifier.startsWith('.') || !target.startsWith('src/') || roomOf(target) === room) return []
      const below = ROW_OF.get(roomOf(target))
      return below !== undefined && below < row ? [] : [`${file.path}:${line} ${room} may not import ${specifier}`]
    })
  })

const roomOf = (path: string) => path.split('/')[1] ?? ''

const extensions: Rule = (files) =>
  files.filter(isTypeScript).flatMap((file) =>
    imports(file)
      .filter(({ specifier }) => specifier.startsWith('.') && !/\.ts$|\/artifacts\//.test(specifier))
      .map(({ specifier, line }) => `${file.path}:${line} ${specifier} does not end in .ts`),
  )

const linesOf = ({ text }: File) => text.replace(/\n$/, '').split('\n')
const sizes: Rule = (files) =>
  files
    .filter((file) => isCode(file) && linesOf(file).length > FILE_LINES_MAX)
    .map((file) => `${file.path}:1 has ${linesOf(file).length} lines`)

const WIDE = new RegExp(`^.{${LINE_COLUMNS_MAX + 1},}$`, 'gmu')
const widths: Rule = forbid(isCode, wholeOf, WIDE, `wider than ${LINE_COLUMNS_MAX} columns`)

const FUNCTION = /\bfunction\b|=> [({]$|^\s*(?:static |async |override |private |get |set |\*)*[#\w]+(?:<.*>)?\(/
const RUST_FUNCTION = /^\s*(?:pub(?:\([\w: ]+\))? )?(?:const |async |unsafe |extern "C" )*fn \w/
const NO_FUNCTION = /^\s*(?:if|for|while|switch|return|await|throw)\b/

/**
 * Functions, methods and callbacks by their shape, as the formatters leave it: a head that opens a body, up to the
 * first line of the same indentation that closes it. Both of these lines and all between them count.
 */
const functions: Rule = (files) =>
  files.filter(isCode).flatMap((file) => {
    const lines = codeOf(file).split('\n')
    const isHead = (line: string) =>
      file.path.endsWith('.rs') ? RUST_FUNCTION.test(line) : FUNCTION.test(line) && !NO_FUNCTION.test(line)
    return lines.flatMap((line, at) => {
      if (!isHead(line.trimEnd())) return []
      const length = functionLines(lines, at)
      return length > FUNCTION_LINES_MAX ? [`${file.path}:${at + 1} a function of ${length} lines`] : []
    })
  })

function functionLines(lines: readonly string[], head: number): number {
  const indentOf = (line: string) => line.length - line.trimStart().length
  const indent = indentOf(lines[head] as string)
  let opened = false
  for (let at = head; at < lines.length; at++) {
    const line = (lines[at] as string).trimEnd()
    if (line === '' || indentOf(line) !== indent) continue
    if (/[{(]$/.test(line)) opened ||= line.endsWith('{') || line.endsWith('=> (')
    else if (at === head || !/^\s*[)}\]]/.test(line))
      return 1 // one line, or a head without a body
    else if (opened || !line.endsWith(',')) return at - head + 1
  }
  return 1
}

const printing = forbid(
  (file) => isSource(file) && !file.path.startsWith('src/cli/'),
  codeOf,
  /\bconsole\.\w+|\bprocess\.std(?:out|err)\b/g,
  'only src/cli prints',
)

const MACHINE =
  /\b(?:set(?:Timeout|Interval|Immediate)|Date\.now|Math\.random|AbortSignal\.timeout|performance\.now)\b|new Date\(\)/g
const RANDOM = /\b(?:randomBytes|randomUUID|randomInt|getRandomValues)\b/g
/** The command line is a process at a terminal, in real time; everything else may run in a simulation. */
const isSimulated = (file: File) => isSource(file) && !/^src\/(?:base|cli)\//.test(file.path)

const machine: Rule = (files) => {
  const time = forbid(isSimulated, codeOf, MACHINE, 'time comes from base/clock.ts')(files)
  const random = forbid(isSimulated, codeOf, RANDOM, 'randomness comes from base/random.ts')(files)
  return [...time, ...random].filter((complaint) => !REAL_TIME.some((known) => excuses(known, complaint)))
}
const excuses = ({ path, word }: { path: string; word: string }, complaint: string) =>
  complaint.startsWith(`${path}:`) && complaint.includes(` ${word}:`)

const isTest = (file: File) => isCode(file) && /^(?:test|bench|native)\//.test(file.path)
const switchedOff = forbid(isTest, codeOf, /\.(?:skip|only)\(|#\[ignore/g, 'a test runs or is removed')
const withComments = (file: File) => only(file, 'code', 'comment')
const unfinished = forbid(isCode, withComments, /\b(?:TODO|FIXME|XXX)\b/g, 'do it, or leave it out')
const silentCatch = forbid(
  isCode,
  codeOf,
  /\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\)\s*=>\s*\{\s*\}\s*\)/g,
  'an error is translated, retried or reported',
)
const isLock = ({ path }: File) => LOCKS.includes(path)
const places = forbid(everything, wholeOf, /(?<![\w.])\/(?:root|home|work)\/\w+/g, 'a path of one machine')
const hosts = forbid(
  (file) => !isLock(file),
  wholeOf,
  /\b(?:[\w-]+\.)?(?:npmjs|yarnpkg|crates|pypi|pythonhosted|rubygems|docker|ghcr)\.(?:org|com|io)\b/g,
  'a registry is a setting',
)

const names: Rule = (files) =>
  files.flatMap(({ path }) =>
    /(?:^|[/_-])(?:utils?|helpers?|common|misc)(?:[._/-]|$)/.test(path) ? [`${path}:1 is named for nothing`] : [],
  )

const openings: Rule = (files) =>
  files
    .filter(isSource)
    .filter(({ text }) => !/^(?:#!.*\n)?(?:\/\/ |\/\*)/.test(text))
    .map(({ path }) => `${path}:1 does not say what it is for`)

const errorCodes: Rule = (files) => {
  const text = files.filter((file) => isCode(file) && /^(?:src|native)\//.test(file.path)).map((file) => file.text)
  const codes = Object.keys(ERRORS).filter((code) => !text.some((one) => new RegExp(`['"]${code}['"]`).test(one)))
  return codes.map((code) => `src/base/errors.ts:1 ${code} is never used`)
}

const LIMITS = 'src/base/limits.ts'
const limits: Rule = (files) => {
  const declared = files.find(({ path }) => path === LIMITS)?.text ?? ''
  const users = files.filter((file) => isSource(file) && file.path !== LIMITS).map(codeOf)
  return [...declared.matchAll(/^export const (\w+)/gm)]
    .filter(([, name]) => !users.some((text) => new RegExp(`\\b${name}\\b`).test(text)))
    .map(({ 1: name, index }) => `${LIMITS}:${lineOf(declared, index)} ${name} bounds nothing`)
}

const links: Rule = (files) =>
  files
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap(({ path, text }) => {
      const prose = text.replace(/^```[\s\S]*?^```|`[^`\n]*`/gm, (code) => code.replace(/[^\n]/g, ' '))
      const all = [...prose.matchAll(/\]\(\s*<?([^)\s>#]+)[^)]*\)/g)]
      return all
        .filter(([, target]) => !/^[a-z][a-z+.-]*:/i.test(target as string))
        .filter(([, target]) => !existsSync(join(ROOT, dirname(path), decodeURI(target as string))))
        .map(({ 1: target, index }) => `${path}:${lineOf(prose, index)} nothing is at ${target}`)
    })

const tree = ourFiles()

/** Hold the project to a rule, once the rule has seen each of the `bad` texts and left the `good` ones alone. */
function promise(words: string, rule: Rule, path: string, bad: readonly string[], good: readonly string[]): void {
  test(words, async (t) => {
    for (const text of bad) t.not(rule([{ path, text }]).length, 0, `sees ${text.slice(0, 60)}`)
    for (const text of good) t.strictSame(rule([{ path, text }]), [], `lets pass ${text.slice(0, 60)}`)
    t.strictSame(rule(tree), [])
  })
}

const UPWARD = [
  "import { a } from '../network/host.ts'",
  "import type {\n  A,\n} from '../wire/frame.ts'",
  "import '../node.ts'",
  "const a = await import('../trust/view.ts')",
  "type A = import('../cli/main.ts').A",
  "export * from '../publishing/publish.ts'",
  "export type { A } from '../index.ts'",
]
const DOWNWARD = [
  "import { a } from '../base/units.ts'\nimport { b } from './blobs.ts'\nimport { c } from 'lmdb'",
  `// import '../node.ts'\nconst text = 'import "../node.ts"' + \`import '../node.ts'\` + /import '..\\/node.ts'/`,
]
const LONG = [
  `function a(\n  b: string,\n): void {\n${'  b()\n'.repeat(70)}}`,
  `  async #a({ b }: { b: B }): Promise<{ c: C }> {\n${'    b()\n'.repeat(70)}  }`,
  `test('a', async (t) => {\n${'  t.end()\n'.repeat(70)}})`,
]
const SHORT = [`function a() {\n${'  b()\n'.repeat(68)}}`, `interface A {\n  a(b: B): C\n${'  b: B\n'.repeat(90)}}`]
const CATCHES = ['try {} catch {\n  // oh\n}', 'a.catch(() => {})']
const HOME = ['', 'home', 'me'].join('/')
const REGISTRY = ['registry.npmjs', 'org'].join('.')
const ALL_CODES = Object.keys(ERRORS).map((code) => `'${code}'`)
const LINKS = '[a](package.json#b) [c](https://c.org) `[d](e)`'

promise('rooms import from rows above them', layers, 'src/store/a.ts', UPWARD, DOWNWARD)
promise('every room has a row', layers, 'src/attic/a.ts', [''], [])
promise('relative imports name their file', extensions, 'src/a.ts', ["import './b'"], ["import './b.ts'"])
promise('files have at most 400 lines', sizes, 'test/a.ts', ['\n'.repeat(401)], ['\n'.repeat(400)])
promise('lines have at most 120 columns', widths, 'test/a.ts', ['—'.repeat(121)], ['—'.repeat(120)])
promise('functions have at most 70 lines', functions, 'src/a.ts', LONG, SHORT)
promise('so have those in Rust', functions, 'native/a.rs', [`fn a() {\n${'    b();\n'.repeat(70)}}`], ['fn a();'])
promise('only the command line prints', printing, 'src/a.ts', ['console.log(1)', 'process.stdout'], ["'console.log'"])
promise('time is injected', machine, 'src/a.ts', ['setTimeout(a, 1)', 'new Date()'], ['new Date(at)'])
promise('randomness is injected', machine, 'src/a.ts', ['randomBytes(8)', 'Math.random()'], ['random.bytes(8)'])
promise('no test is switched off', switchedOff, 'test/a.ts', ["test.only('a')", "t.skip('a')"], ["test('a')"])
promise('nothing is left for later', unfinished, 'src/a.ts', ['// TODO: all', '/* FIXME */'], ['const todo = 1'])
promise('no error is swallowed', silentCatch, 'src/a.ts', CATCHES, ['catch (error) {\n  report(error)\n}'])
promise('no path of one machine', places, 'a.json', [HOME], [`https://a.org${HOME}`, '/tmp/a'])
promise('no registry is wired in', hosts, 'a.json', [REGISTRY], ['npm'])
promise('files are named for what they hold', names, 'src/base/utils.ts', [''], [])
promise(
  'every source file says what it is for',
  openings,
  'src/a.ts',
  ["import './b.ts'"],
  ['#!/bin/a\n// What a is for.'],
)
promise('every error code is used', errorCodes, 'src/a.ts', [''], [ALL_CODES.join()])
promise('every limit is used', limits, LIMITS, ['export const A_MAX = 1'], ['const A_MAX = 1'])
promise('links lead somewhere', links, 'a.md', ['[a](nowhere.md)'], [LINKS])

test('every exception is still needed', async (t) => {
  const words = (path: string) => tree.filter((file) => file.path === path).map(codeOf)
  for (const { path, word, reason } of REAL_TIME) t.ok(words(path).join().includes(word), `${path} ${word}: ${reason}`)
  for (const path of [...GENERATED, ...LOCKS]) t.ok(existsSync(join(ROOT, path)), path)
})
