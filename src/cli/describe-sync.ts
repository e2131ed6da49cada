// What came of a synchronization, as a person reads it.
import { formatBytes } from '../base/units.ts'
import { dataColours as colors } from './colours.ts'

// biome-ignore lint/suspicious/noExplicitAny: each line has the fields its operation gave it
export const SYNC_DESCRIPTIONS: Record<string, (line: any) => string> = {
  synced({
    peer,
    dryRun,
    strategy,
    sent,
    received,
    surplus,
    lacking,
    bytes,
    rounds,
    ms,
    shelves,
    unequal,
    artifacts,
    conflicts,
  }) {
    const moved = dryRun
      ? `would receive ${count(lacking, 'record')} and send ${surplus}`
      : `received ${count(received, 'record')} and sent ${sent}`
    const cost = `${formatBytes(bytes)} in ${count(rounds, 'round')}, ${(ms / 1000).toFixed(1)} s, ${strategy}`
    const differing = unequal > 0 ? `\n  ${colors.yellow(`${count(unequal, 'shelf', 'shelves')} differ still`)}` : ''
    const rivals =
      conflicts > 0 ? `\n  ${colors.yellow(`${count(conflicts, 'version')} came that others publish, too`)}` : ''
    const { fetched, failed } = artifacts
    const blobs = fetched + failed > 0 ? `\n  ${count(fetched, 'artifact')} fetched, ${failed} failed` : ''
    const about = `${colors.bold(peer)}  ${count(shelves, 'shelf', 'shelves')}: ${moved}`
    return `${about}\n  ${cost}${blobs}${differing}${rivals}`
  },
  schedule({ peer, syncedAt, nextAt, failures, failure }) {
    const next = nextAt === undefined ? '' : `, next ${nextAt}`
    const why = failures > 0 ? `\n  ${colors.yellow(`${count(failures, 'failure')} since`)}: ${failure}` : ''
    return `${colors.bold(peer)}  last ${syncedAt ?? 'never'}${next}${why}`
  },
  following: ({ signer, since }) => `${signer}  since ${since}`,
  followed: ({ signer, changed }) =>
    changed ? `Records of ${signer} are kept up to date here from now on.` : `${signer} was followed already.`,
  unfollowed: ({ signer, changed }) =>
    changed ? `Nothing more of ${signer} is looked for; what is here stays.` : `${signer} was not followed.`,
}

// biome-ignore lint/suspicious/noExplicitAny: each line has the fields its operation gave it
export const SYNC_SUMMARIES: readonly [field: string, describe: (line: any) => string][] = [
  ['syncs', ({ syncs }) => (syncs === 0 ? 'No peer was synchronized with yet.' : `${count(syncs, 'peer')}.`)],
  ['following', ({ following }) => `${following} followed.`],
]

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
