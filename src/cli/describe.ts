// A line of data as a person reads it.

import { formatBytes } from '../base/units.ts'
import type { Line } from '../gateway/api/operations.ts'
import { dataColours as colors } from './colours.ts'

interface Source {
  peer: string
  bytes: number
}
interface Failure {
  peer: string
  message: string
}

/** @returns undefined for a line that says nothing to a person */
export function describeLine(line: Line): string | undefined {
  const describe = DESCRIPTIONS[line.type]
  return describe?.(harmless(line) as Line)
}

/** Text that may come from a peer, without what could command a terminal or turn its direction. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '�')
}

/** Every text in a value made printable. */
function harmless(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (Array.isArray(value)) return value.map(harmless)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, harmless(inner)]))
}

// biome-ignore lint/suspicious/noExplicitAny: each line has the fields its operation gave it
const DESCRIPTIONS: Record<string, ((line: any) => string) | undefined> = {
  published({ purl, permission, fresh, artifacts }) {
    const files = artifacts.map(
      ({ path, size, sha256 }: { path: string; size: number; sha256: string }) =>
        `  ${path}  ${formatBytes(size)}  sha256 ${sha256}`,
    )
    const verb = fresh ? 'Published' : 'Already published'
    return [`${verb} ${colors.bold(purl)} (${permission})`, ...files].join('\n')
  },
  result({ purl, description, trust, providers }) {
    const marks: Record<string, string> = {
      pinned: colors.green('trusted'),
      unpinned: 'signed',
      contested: colors.yellow('several publishers'),
      foreign: colors.red('not the publisher you trust'),
    }
    const offered = `${providers} provider${providers === 1 ? '' : 's'}`
    return `${colors.bold(purl)}  ${marks[trust]}, ${offered}\n  ${description || 'No description.'}`
  },
  summary(line) {
    if (line.results !== undefined) {
      const asked =
        line.peersAsked === 0 ? 'no peers to ask' : `${line.peersAnswered} of ${line.peersAsked} peers answered`
      return colors.dim(`${line.results} found in ${line.ms} ms, ${asked}.`)
    }
    if (line.artifacts !== undefined) {
      return colors.dim(`${line.artifacts} checked (${formatBytes(line.bytes)}), ${line.damaged} damaged.`)
    }
    if (line.peers !== undefined) return colors.dim(`${line.peers} connected.`)
    return colors.dim(`${line.trusted} trusted.`)
  },
  info({ purl, description, publisher, trust, license, publishedAt, permission, versions, dependencies, local }) {
    const rows: [string, string][] = [
      ['description', description || '–'],
      ['license', license || '–'],
      ['publisher', `${publisher} (${trust})`],
      ['published', `${publishedAt}, ${permission}`],
      ['here', local ? 'yes' : 'no'],
      ['versions', versions.slice(0, 20).join(', ')],
      [
        'needs',
        dependencies.map((needed: { purl: string; range: string }) => `${needed.purl} ${needed.range}`).join(', ') ||
          '–',
      ],
    ]
    return [colors.bold(purl), ...rows.map(([key, value]) => `  ${key.padEnd(12)}${value}`)].join('\n')
  },
  fetched: ({ purl, output, bytes, sha256, sources, failures, ms }) =>
    [
      `Fetched ${colors.bold(purl)} to ${output}`,
      `  ${formatBytes(bytes)}  sha256 ${sha256}`,
      cameFrom(sources, failures, ms),
    ].join('\n'),
  installed({ purl, path, files, bytes, sources, failures, ms, dependencies }) {
    const needed = dependencies.map((each: { purl: string; range: string }) => `${each.purl} ${each.range}`)
    const needs = needed.length > 0 ? `\n  needs ${needed.join(', ')}` : ''
    const what = `${files} files, ${formatBytes(bytes)}`
    return `Installed ${colors.bold(purl)} in ${path}\n  ${what}\n${cameFrom(sources, failures, ms)}${needs}`
  },
  verified: ({ purl, path, ok, reason }) =>
    ok ? `${colors.green('ok')}       ${purl}  ${path}` : `${colors.red('damaged')}  ${purl}  ${path}\n  ${reason}`,
  peer: ({ peer, agent, addresses }) => `${peer}  ${agent}\n  ${addresses[0] ?? ''}`,
  connected: ({ peer, agent }) => `Connected to ${peer} (${agent})`,
  trusted: ({ purl, publisher, reason }) => `${colors.bold(purl)}  ${publisher}  (${reason})`,
  untrusted: ({ purl, changed }) =>
    changed ? `Nobody is trusted with ${purl} any more.` : `Nobody was trusted with ${purl}.`,
  status({ peerId, publisher, online, addresses, http, peers, releases, records, blobs, bytes, core, dataDir }) {
    const rows: [string, string][] = [
      ['peer id', peerId],
      ['publisher', publisher ?? 'none yet; made on the first publish'],
      ['running', online ? 'yes' : `no; start with: catalog up --data-dir ${dataDir}`],
      ['listens on', addresses.join('\n              ') || '–'],
      ['http', http ?? '–'],
      ['peers', `${peers}`],
      ['knows', `${releases} releases, ${records} records`],
      ['keeps', `${blobs} artifacts, ${formatBytes(bytes)}`],
      ['core', `${core.backend} (${core.features.join(', ')})`],
      ['data', dataDir],
    ]
    return rows.map(([key, value]) => `${key.padEnd(14)}${value}`).join('\n')
  },
}

function cameFrom(sources: Source[], failures: Failure[], ms: number): string {
  const from = sources.map(({ peer, bytes }) => `${formatBytes(bytes)} from ${peer}`).join(', ')
  const failed = failures.map(({ peer, message }) => `\n  ${colors.yellow('did not deliver')} ${peer}: ${message}`)
  return `  ${from || 'was here already'}, ${(ms / 1000).toFixed(1)} s${failed.join('')}`
}
