// What came of a synchronization, as a person reads it.
import { formatBytes } from '../base/units.ts'
import { dataColours as colors } from './colours.ts'

// biome-ignore lint/suspicious/noExplicitAny: each line has the fields its operation gave it
export const SYNC_DESCRIPTIONS: Record<string, (line: any) => string> = {
  synced({ peer, dryRun, strategy, sent, received, surplus, lacking, bytes, rounds, ms, shelves, unequal, conflicts }) {
    const moved = dryRun
      ? `would receive ${count(lacking, 'record')} and send ${surplus}`
      : `received ${count(received, 'record')} and sent ${sent}`
    const cost = `${formatBytes(bytes)} in ${count(rounds, 'round')}, ${(ms / 1000).toFixed(1)} s, ${strategy}`
    const differing = unequal > 0 ? `\n  ${colors.yellow(`${count(unequal, 'shelf', 'shelves')} differ still`)}` : ''
    const rivals =
      conflicts > 0 ? `\n  ${colors.yellow(`${count(conflicts, 'version')} came that others publish, too`)}` : ''
    return `${colors.bold(peer)}  ${count(shelves, 'shelf', 'shelves')}: ${moved}\n  ${cost}${differing}${rivals}`
  },
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
