import { readFileSync } from 'node:fs'
import { type Test, test } from 'tap'
import { emit } from '../../../src/base/events.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'

/** Without help and type, as `series value`. */
async function series(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

function opened(t: Test): Metrics {
  const metrics = new Metrics({ peers: () => 7 })
  t.teardown(() => metrics.close())
  return metrics
}

function happen(): void {
  emit('catalog:search', { ms: 4, results: 1, peersAsked: 3, peersAnswered: 2, ageMs: 0 })
  emit('catalog:search', { ms: 40, results: 1, peersAsked: 3, peersAnswered: 2, ageMs: 9 })
  for (const outcome of ['miss', 'hit', 'hit', 'stale'] as const) emit('catalog:search-cache', { outcome })
  emit('catalog:search-invalidated', { queries: 5 })
  emit('catalog:transfer', { peer: 'peer-one', bytes: 100, direction: 'sent', plane: 'bulk' })
  emit('catalog:transfer', { peer: 'peer-two', bytes: 30, direction: 'received', plane: 'bulk' })
  emit('catalog:transfer', { peer: 'peer-two', bytes: 5, direction: 'received', plane: 'stream' })
  emit('catalog:corrupt', { peer: 'peer-one', root: 'root-one', chunk: 3 })
  emit('catalog:damaged', { root: 'root-one', bytes: 9, chunks: 2 })
  emit('catalog:damaged', { root: 'root-one', bytes: 9, chunks: 0 })
  emit('catalog:evicted', { root: 'root-one', bytes: 11 })
  emit('catalog:peer', { peer: 'peer-one', state: 'connected' })
  emit('catalog:record', { purl: 'pkg:npm/one', signer: 'publisher:one', kind: 'kind-of-a-peer', state: 'admitted' })
  emit('catalog:failure', { task: 'search at peer-one', code: 'PEER_TIMEOUT', message: 'No answer from peer-one.' })
}

const EXPECTED: [series: string, value: number][] = [
  ['catalog_searches_total', 2],
  ['catalog_search_duration_seconds_bucket{le="0.005"}', 1],
  ['catalog_search_duration_seconds_bucket{le="0.05"}', 2],
  ['catalog_search_duration_seconds_sum', 0.044],
  ['catalog_search_peers_asked_total', 3],
  ['catalog_search_peers_answered_total', 2],
  ['catalog_search_cache_lookups_total', 4],
  ['catalog_search_cache_hits_total{state="fresh"}', 2],
  ['catalog_search_cache_hits_total{state="stale"}', 1],
  ['catalog_search_cache_invalidated_total', 5],
  ['catalog_transfer_bytes_total{direction="sent",plane="bulk"}', 100],
  ['catalog_transfer_bytes_total{direction="received",plane="bulk"}', 30],
  ['catalog_transfer_bytes_total{direction="received",plane="stream"}', 5],
  ['catalog_corrupt_chunks_total', 1],
  ['catalog_damaged_blobs_total', 1],
  ['catalog_evicted_bytes_total', 11],
  ['catalog_peers', 7],
  ['catalog_peer_changes_total{state="connected"}', 1],
  ['catalog_records_total{state="admitted"}', 1],
  ['catalog_failures_total{code="PEER_TIMEOUT"}', 1],
]

test('facts become sums', async (t) => {
  const metrics = opened(t)
  happen()
  const all = await series(metrics)
  for (const [name, value] of EXPECTED) t.equal(all.get(name), value, name)
})

test('no series names a peer, a package or anything else that comes from outside', async (t) => {
  const metrics = opened(t)
  happen()
  t.notMatch(await metrics.render(), /peer-|pkg:|publisher:|root-one|kind-of/)
})

test('what happens after the end is not counted', async (t) => {
  const metrics = opened(t)
  metrics.close()
  happen()
  t.equal((await series(metrics)).get('catalog_searches_total'), 0)
})

test('the README says what each series is', async (t) => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const names = (await opened(t).render()).matchAll(/^# HELP (\S+)/gm)
  for (const [, name] of names) t.match(readme, `\`${name}\``)
})
