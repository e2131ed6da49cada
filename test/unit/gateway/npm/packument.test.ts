import { test } from 'tap'
import { packument } from '../../../../src/gateway/npm/packument.ts'
import { readRelease } from '../../../../src/model/release.ts'
import { publisherOf, releaseOf } from '../../model/made.ts'

test('what a manifest has in place of scripts keeps no package from being listed', (t) => {
  for (const scripts of ['preinstall', 7, null, ['install'], { install: 'node x' }]) {
    const release = readRelease(releaseOf(publisherOf(0), { manifest: { scripts } }))
    const state = { name: 'parser', releases: [release], tags: { latest: '1.0.0' }, deprecated: new Map() }
    const { versions } = packument(state, 'install', { registry: 'http://here/npm/', signatures: new Map() })
    const listed = (versions as Record<string, Record<string, unknown>>)['1.0.0']
    t.equal(
      listed?.['hasInstallScript'],
      typeof scripts === 'object' && !Array.isArray(scripts) && scripts ? true : undefined,
    )
  }
  t.end()
})
