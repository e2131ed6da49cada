// Results of a search as a person reads them: what matches in bold, and why it ranks where that was asked.
import type { Highlights, Why } from '../discovery/hints.ts'
import type { Match, Place } from '../discovery/native-index.ts'
import { dataColours as colors } from './colours.ts'

interface Result {
  readonly purl: string
  readonly name: string
  readonly description: string
  readonly trust: string
  readonly local: boolean
  readonly providers: number
  readonly newcomer: boolean
  readonly lookalikeOf?: string
  readonly score: number
  readonly highlights?: Highlights
  readonly why?: Why
}

const TRUST: Record<string, string> = {
  pinned: colors.green('trusted'),
  unpinned: 'signed',
  contested: colors.yellow('several publishers'),
  foreign: colors.red('not the publisher you trust'),
}

const MATCHES: Record<Match, string> = {
  'exact-name': 'exact name',
  'name-begins': 'beginning of the name',
  'all-words': 'all words',
  'near-name': 'name spelt nearly so',
  'near-words': 'all words, some spelt nearly so',
  'any-word': 'some of the words',
  filters: 'the filters alone',
  nothing: 'nothing',
}

export function describeResult(result: Result): string {
  const { purl, name, description, trust, local, providers, newcomer, lookalikeOf, highlights, why } = result
  const offered = `${local ? 'here, ' : ''}${providers} provider${providers === 1 ? '' : 's'}`
  const fresh = newcomer ? `, ${colors.yellow('new publisher')}` : ''
  const alike = lookalikeOf ? `, ${colors.red(`looks like ${lookalikeOf}`)}` : ''
  const title = highlights ? markedPurl(purl, name, highlights.name) : colors.bold(purl)
  const text = marked(description, highlights?.description ?? []) || 'No description.'
  const reason = why ? `\n  ${colors.dim(describeWhy(why))}` : ''
  return `${title}  ${TRUST[trust]}, ${offered}${fresh}${alike}\n  ${text}${reason}`
}

function describeWhy({ found, words, near, matched, popularity, score }: Why): string {
  const has = words.length > 0 ? `: ${words.join(', ')}` : ''
  const almost = near.length > 0 ? `; nearly: ${near.join(', ')}` : ''
  const [match, prior, sum] = [matched, popularity, score].map((points) => points.toFixed(1))
  return `${MATCHES[found]}${has}${almost} (${match} + ${prior} for popularity = ${sum})`
}

/** A name that is written otherwise in its purl, as one with a scope is, is bold as a whole. */
function markedPurl(purl: string, name: string, places: readonly Place[]): string {
  const start = purl.indexOf('/') + 1
  const end = purl.lastIndexOf('@')
  const written = purl.slice(start, end)
  const whole: readonly Place[] = places.length > 0 ? [[0, written.length]] : []
  return purl.slice(0, start) + marked(written, written === name ? places : whole) + purl.slice(end)
}

function marked(text: string, places: readonly Place[]): string {
  let at = 0
  let drawn = ''
  for (const [start, end] of places) {
    drawn += text.slice(at, start) + colors.bold(text.slice(start, end))
    at = end
  }
  return drawn + text.slice(at)
}
