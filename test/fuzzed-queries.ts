// Queries that nobody means: control characters, a megabyte at once, syntax of other engines left open, every block of
// Unicode and halves of surrogate pairs, regular expressions, filters without values, and names gone wrong.

/** Code points of one draw: no block of Unicode is passed over. */
const BLOCK = 256
const CODE_POINTS = 0x110000
const BLOCKS = CODE_POINTS / BLOCK
const LONG = 1_000_000
const LONG_EVERY = 500

const SYNTAX = [
  ...['(', ')', '((', '"', "'", '[', ']', '{', '}', '*', '?', '~', '~2', '^', '^9', '\\', '/', '|', '||', '&&', '!'],
  ...['+', '-', '--', ':', '::', '*:*', '[a TO', 'TO b]', 'AND', 'OR', 'NOT', 'IN', '<', '>=', '%', '%00', '$', ';'],
]
const PATTERNS = ['.*', '(a+)+$', '[^]', '\\w+', '(?:', '(?<=a)', '\\u{110000}', '{1,99999}', '\\x', '^$', '.*.*.*.*']
const FILTERS = ['type', 'tag', 'license', 'publisher', 'keyword', 'category', 'after', 'before', 'name', '']
const VALUES = ['', ':', ' ', 'npm', 'npm:', '"', '*', '2026', '9999-99-99', '-1', '2026-02-31', '\0', '\ud800']
const NAMES = ['react', '@types/node', 'left-pad', 'camelCase', '日本語', 'a', 'express-session', 'é', 'ﬃ', 'İ', 'ß']

/**
 * The same for the same seed; the blocks come in turn, so that some 8,800 of them have all of Unicode.
 *
 * @param seed - 32 bits, not 0
 */
export function* fuzzedQueries(seed: number, count: number): Generator<string> {
  let state = seed >>> 0
  const below = (most: number) => {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % most
  }
  const one = (of: readonly string[]) => of[below(of.length)] ?? ''
  const some = (most: number, make: () => string) => Array.from({ length: 1 + below(most) }, make)
  const within = (start: number, size: number) => String.fromCodePoint(start + below(size))
  const anywhere = () => within(0, CODE_POINTS)
  const kinds = [
    () => some(40, () => within(0, 32)).join(''),
    () => some(12, () => one([one(SYNTAX), one(NAMES)])).join(one(['', ' '])),
    () => some(4, () => one([one(PATTERNS), one(NAMES)])).join(''),
    () => some(6, () => `${one(FILTERS)}:${one(VALUES)}${one(['', one(NAMES)])}`).join(' '),
    () => some(9, () => within(0xd800, 0x800)).join(one(['', ' ', 'a'])),
    () => {
      const name = one(NAMES)
      const at = below(name.length + 1)
      return name.slice(0, at) + one([anywhere(), '', '\0', ' ', '-']) + name.slice(at + below(3))
    },
    () => some(300, () => one([within(97, 26), within(65, 26), ' ', '.', anywhere()])).join(''),
    () => one(NAMES).repeat(1 + below(80)),
  ]
  for (let i = 0; i < count; i++) {
    if (i % LONG_EVERY === LONG_EVERY - 1)
      yield one(['a', ' ', 'ab ', '語', '\0', ':', 'type:', anywhere()]).repeat(LONG)
    else if (i % 2 === 0) yield some(24, () => within(((i / 2) % BLOCKS) * BLOCK, BLOCK)).join('')
    else yield kinds[below(kinds.length)]?.() ?? ''
  }
}
