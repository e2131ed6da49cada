import fc from 'fast-check'
import semver from 'semver'
import t from 'tap'
import {
  compareGenericVersions as compare,
  isGenericPrerelease,
  satisfiesGeneric,
} from '../../../src/package-types/generic-versions.ts'

/** Versions that are close to each other, semver and not, so that orders meet. */
const part = fc.constantFrom('0', '1', '2', '9', '10', '00', '01', 'a', 'rc', 'rc1', 'r10', 'B')
const version = fc
  .tuple(part, fc.array(fc.tuple(fc.constantFrom('.', '-', '+', '_', ''), part), { maxLength: 4 }))
  .map(([first, rest]) => first + rest.map((pair) => pair.join('')).join(''))

t.test('sorts what people write', async (t) => {
  const sorted = (...versions: string[]) => t.same(versions.toReversed().sort(compare), versions)
  sorted('1.9', '1.10.0', '2.0', '10')
  sorted('2023-12-31', '2024-01-15', '2024-02-01')
  sorted('2024-1-9', '2024-1-15')
  sorted('r2', 'r10', 'r10b')
  sorted('1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-rc.1', '1.0.0', '1.0.1')
  sorted('1.0.0', '1.0.0.1', '1.0.1')
  sorted(`1.${'9'.repeat(100)}`, `1.1${'0'.repeat(100)}`)
})

t.test('is a total order', async () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const [ab, bc, ac] = [compare(a, b), compare(b, c), compare(a, c)]
      if (Math.sign(ab) !== -Math.sign(compare(b, a))) return false
      if ((ab === 0) !== (a === b)) return false
      return !(ab <= 0 && bc <= 0 && ac > 0)
    }),
    { numRuns: 5000 },
  )
})

t.test('agrees with semver where both versions are', async () => {
  const triple = fc.tuple(fc.nat(12), fc.nat(12), fc.nat(12)).map((numbers) => numbers.join('.'))
  const suffix = fc.constantFrom('', '-1', '-a', '-a.2', '-a.10', '-rc9', '-rc10', '-a-b', '+build', '-a+build')
  const either = fc.tuple(triple, suffix).map((parts) => parts.join(''))
  fc.assert(
    fc.property(either, either, (a, b) => {
      const expected = semver.compare(a, b)
      return expected === 0 || Math.sign(compare(a, b)) === expected
    }),
    { numRuns: 2000 },
  )
})

t.test('ranges: semver where possible, else the very version', async (t) => {
  t.equal(satisfiesGeneric('1.2.3', '^1.0.0'), true)
  t.equal(satisfiesGeneric('2024-03-01', '2024-03-01'), true)
  t.equal(satisfiesGeneric('2024-03-01', '^2024'), false)
  t.equal(satisfiesGeneric('2024-03-01', '*'), true)
  t.equal(satisfiesGeneric('1.0.0-rc.1', 'latest'), false)
  t.equal(satisfiesGeneric('1.0.0-rc.1', '1.0.0-rc.1'), true)
  t.equal(isGenericPrerelease('2024-03-01'), false)
  t.equal(isGenericPrerelease('1.0.0-rc.1'), true)
})
