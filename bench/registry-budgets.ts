// What the suite `registry` must hold: a node as npm's registry beside Verdaccio, both serving the same packages.
import type { Budget } from './budgets.ts'

/** CPU and memory of another process are read from /proc. */
const ON_LINUX = { needs: ['os:linux'] }
const ITS = 'Verdaccio, the same requests'
const INSTALL = 'npm ci of this repository’s dependencies'
const MEMORY = { ...ON_LINUX, suite: 'registry', unit: 'MB', baseline: '0.6 of Verdaccio’s' }
const BESIDE = { suite: 'registry', baseline: ITS }

export const REGISTRY: readonly Budget[] = [
  { ...BESIDE, unit: 'requests/s', name: 'packument, as npm installs', ratio: 3, source: 'asked' },
  { ...BESIDE, unit: 'requests/s', name: 'packument, in full and not packed', ratio: 3, source: 'asked' },
  {
    ...BESIDE,
    unit: 'requests/s',
    name: 'packument that has not changed',
    ratio: null,
    source: 'recorded: If-None-Match',
  },
  { ...BESIDE, unit: 'requests/s', name: 'tarballs of 50 KiB', ratio: 2, source: 'asked' },
  { ...BESIDE, unit: 'MB/s', name: 'tarballs of 20 MB', ratio: 1, source: 'asked' },
  {
    ...BESIDE,
    ...ON_LINUX,
    unit: 'MB/CPU s',
    name: 'tarballs of 20 MB: CPU',
    ratio: 1 / 0.8,
    source: 'asked: at most 0.8 of it',
  },
  { ...BESIDE, unit: 'publishes/s', name: 'publish, one after the other', ratio: 2, source: 'asked: half its time' },
  { ...BESIDE, unit: 'installs/s', name: `cold ${INSTALL}`, ratio: 1, source: 'asked: no more time' },
  {
    ...ON_LINUX,
    suite: 'registry',
    unit: 'CPU s',
    name: `cold ${INSTALL}: CPU of the server`,
    baseline: 'half of Verdaccio’s',
    ratio: 1,
    source: 'asked',
  },
  { ...MEMORY, name: 'memory under load', ratio: 1, source: 'asked: resident, after the same requests' },
  { ...MEMORY, name: 'memory under load, of both processes', ratio: null, source: 'recorded' },
]
