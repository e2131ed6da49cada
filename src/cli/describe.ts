// A line of data as a person reads it.
import { formatBytes, formatRate } from '../base/units.ts'
import type { Line } from '../gateway/api/operation.ts'
import { describeRecovery } from '../store/recovery.ts'
import { dataColours as colors } from './colours.ts'
import { describeConflict } from './describe-conflicts.ts'
import { describeResult } from './describe-search.ts'
import { SYNC_DESCRIPTIONS, SYNC_SUMMARIES } from './describe-sync.ts'

interface Source {
  peer: string
  plane?: string
  bytes: number
  rate?: number
}
interface Failure {
  peer: string
  message: string
}

/** How fast something comes and from how many, to stand behind what has come; nothing when that is not known. */
export function describePace({ rate, sources }: Line): string {
  if (typeof rate !== 'number' || typeof sources !== 'number' || sources === 0) return ''
  return `, ${formatBytes(rate)}/s from ${plural(sources, 'peer')}`
}

/** @returns undefined for a line that says nothing to a person */
export function describeLine(line: Line): string | undefined {
  const describe = DESCRIPTIONS[line.type]
  return describe?.(harmless(line) as Line)
}

/** What a person should be warned of, beside the line itself. */
export function warningOf({ type, purl, deprecated }: Line): string | undefined {
  if (type !== 'installed' || typeof deprecated !== 'string') return undefined
  return printable(`${purl} is deprecated: ${deprecated}`)
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
  conflict: describeConflict,
  waiting: ({ work, subject }) => `No peer is there for it yet: ${work} ${subject} waits for one.`,
  resolved: ({ purl, publisher, record }) =>
    `${purl} is ${publisher ? `that of ${publisher}` : `the record ${record}`}.`,
  attested: ({ purl, record }) => `Attested ${purl}, record ${record}.`,
  published({ purl, permission, fresh, artifacts }) {
    const files = artifacts.map(
      ({ path, size, sha256 }: { path: string; size: number; sha256: string }) =>
        `  ${path}  ${formatBytes(size)}  sha256 ${sha256}`,
    )
    const verb = fresh ? 'Published' : 'Already published'
    return [`${verb} ${colors.bold(purl)} (${permission})`, ...files].join('\n')
  },
  ...SYNC_DESCRIPTIONS,
  result: describeResult,
  completion: ({ completion }) => completion,
  recommendation({ purl, version, description, reasons }) {
    const named = `${colors.bold(purl)}${version === null ? '' : `@${version}`}`
    const why = reasons.map(({ text }: { text: string }) => `\n  ${colors.dim(text)}`)
    return `${named}  ${description || 'No description.'}${why.join('')}`
  },
  token({ id, note, createdAt, token }) {
    const about = `${colors.bold(id)}  ${note || 'no note'}, made ${createdAt}`
    return token === undefined
      ? about
      : `${about}\n${token}\nThis is told only once. It lets who has it publish as you.`
  },
  setup({ registry, upstream, files, restart }) {
    const behind = upstream === undefined ? '' : `\n  behind it ${upstream === 'none' ? 'nothing' : upstream}`
    const next = restart ? '\nStart the node again for it to know what is behind it.' : ''
    const written = files.map((file: string) => `\n  written   ${file}`).join('')
    const back = '\nBack again: catalog npm setup --undo'
    return `${colors.bold('Package managers now ask')} ${registry}${behind}${written}${next}${back}`
  },
  undone: ({ files }) => ['Everything is as it was:', ...files.map((file: string) => `  ${file}`)].join('\n'),
  login: ({ code, program, askedAt }) => `${colors.bold(code)}  ${program}, asked at ${askedAt}`,
  approved: ({ program, askedAt }) =>
    `${colors.bold(program)}, which asked at ${askedAt}, gets a token with which it may publish as you.`,
  revoked: ({ id }) => `Token ${id} opens nothing any more.`,
  summary: (line) => {
    const describe = SUMMARIES.find(([field]) => line[field] !== undefined)?.[1]
    return colors.dim(describe?.(line) ?? '')
  },
  info(line) {
    const { purl, description, publisher, trust, license, publishedAt, sharedWith, versions, dependencies, local } =
      line
    const tags = Object.entries(line.tags).map(([tag, version]) => `${tag}: ${version}`)
    const rows: [string, string][] = [
      ['description', description || '–'],
      ['license', license || '–'],
      ['publisher', `${publisher} (${trust})`],
      ['published', publishedAt],
      ['permission', describeShared(sharedWith)],
      ['here', local ? 'yes' : 'no'],
      ['used here', `installed ${times(line.usage.installs)}, fetched ${times(line.usage.fetches)}`],
      ['versions', versions.slice(0, 20).join(', ')],
      ...(tags.length > 0 ? [['tags', tags.slice(0, 20).join(', ')] as [string, string]] : []),
      ...(line.deprecated === null ? [] : [['deprecated', colors.yellow(line.deprecated)] as [string, string]]),
      ...(line.withdrawn ? [['withdrawn', colors.yellow('yes; it is kept here')] as [string, string]] : []),
      [
        'needs',
        dependencies.map((needed: { purl: string; range: string }) => `${needed.purl} ${needed.range}`).join(', ') ||
          '–',
      ],
    ]
    return [colors.bold(purl), ...rows.map(([key, value]) => `  ${key.padEnd(12)}${value}`)].join('\n')
  },
  tag({ purl, tag, version, changed }) {
    if (version !== null) return `${colors.bold(tag)}  ${purl}@${version}`
    return changed ? `${purl} has no tag ${tag} any more.` : `${purl} had no tag ${tag}.`
  },
  deprecated: ({ purl, message }) =>
    message === '' ? `${colors.bold(purl)} is fine again.` : `${colors.bold(purl)} is deprecated: ${message}`,
  withdrawn: ({ purl, undone }) =>
    undone ? `${colors.bold(purl)} is back.` : `${colors.bold(purl)} is withdrawn; it stays with those who keep it.`,
  shared(line) {
    const { subject, releases, exceptions } = line
    const others = exceptions.map(
      ({ purl, permission }: { purl: string; permission: string }) =>
        `\n  ${colors.yellow('but not')} ${purl}, which has a more specific share: ${permission}`,
    )
    const counts = `  counts for ${plural(releases, 'release')} published so far`
    return `${colors.bold(subject)} is ${describeShared(line)}\n${counts}${others.join('')}`
  },
  group: ({ id, name, members }) =>
    [`${colors.bold(name)}  ${id}`, ...members.map((member: string) => `  ${member}`)].join('\n'),
  device: ({ peer, here }) => `${peer}${here ? '  (this node)' : ''}`,
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
  verified({ purl, path, root, ok, reason }) {
    const what = purl === undefined ? root : `${purl}  ${path}`
    return ok ? `${colors.green('ok')}       ${what}` : `${colors.red('damaged')}  ${what}\n  ${reason}`
  },
  garbage({ kind, root, purl, bytes, reason }) {
    const what = kind === 'fetch' ? 'unfinished fetch of ' : ''
    return `${colors.yellow('garbage')}  ${what}${purl ?? root}  ${formatBytes(bytes)}  ${GARBAGE_REASONS[reason]}`
  },
  repacked: ({ pack, movedBytes, freedBytes }) =>
    `rewritten  pack ${pack}  ${formatBytes(freedBytes)} given back, ${formatBytes(movedBytes)} moved`,
  rewriting: ({ paused }) =>
    paused ? 'Packs are not rewritten until "catalog gc --resume", or the next start.' : 'Packs are rewritten again.',
  pinned: ({ purl, pinnedAt, local }) =>
    `${colors.bold(purl)}  kept since ${pinnedAt}${local ? '' : `, ${colors.yellow('not all of it is here')}`}`,
  unpinned: ({ purl, changed }) => (changed ? `${purl} may go again when room is needed.` : `${purl} was not pinned.`),
  backup: ({ to, files, bytes }) => `Copied ${plural(files, 'file')}, ${formatBytes(bytes)}, to ${colors.bold(to)}`,
  restored: ({ dataDir, files, bytes }) =>
    `Restored ${plural(files, 'file')}, ${formatBytes(bytes)}, to ${colors.bold(dataDir)}`,
  rebuilt: ({ pack, blobs, bytes, damaged }) =>
    `read     pack ${pack}  ${plural(blobs, 'artifact')}, ${formatBytes(bytes)}` +
    (damaged > 0 ? `; ${colors.red(`${damaged} damaged`)}` : ''),
  finding: ({ subject, problem }) => `${colors.red('wrong')}  ${subject}: ${problem}`,
  peer: ({ peer, agent, addresses, ...account }) =>
    `${peer}  ${agent}\n  ${addresses[0] ?? ''}\n  ${describeAccount(account)}`,
  account: ({ peer, until, ...account }) => `${peer}\n  ${describeAccount(account)}, last ${until}`,
  transfer: describeTransfer,
  connected: ({ peer, agent }) => `Connected to ${peer} (${agent})`,
  trusted: ({ purl, publisher, reason }) => `${colors.bold(purl)}  ${publisher}  (${reason})`,
  untrusted: ({ purl, changed }) =>
    changed ? `Nobody is trusted with ${purl} any more.` : `Nobody was trusted with ${purl}.`,
  limits({ up, down, perPeer, limitLocal, schedule }) {
    const origins: Record<string, string> = { settings: '', changed: '  (changed)', schedule: '  (by the schedule)' }
    const now = ({ bytesPerSecond, waiting }: { bytesPerSecond: number; waiting: number }) =>
      `, now ${formatRate(bytesPerSecond)}${waiting > 0 ? ` with ${waiting} waiting` : ''}`
    const rows: [string, string][] = [
      ['up', `${up.rate}${now(up.traffic)}${origins[up.from]}`],
      ['down', `${down.rate}${now(down.traffic)}${origins[down.from]}`],
      ['per peer', `${perPeer.rate}${origins[perPeer.from]}`],
      ['local peers', limitLocal ? 'limited, too' : 'not limited'],
      ['schedule', schedule ?? '–'],
    ]
    return rows.map(([key, value]) => `${key.padEnd(14)}${value}`).join('\n')
  },
  status({
    peerId,
    publisher,
    online,
    addresses,
    bulkPort,
    http,
    peers,
    releases,
    records,
    blobs,
    bytes,
    core,
    dataDir,
    storage,
    waiting,
  }) {
    const { mirroredBytes, maxMirrorStorage, ownBytes, pinned, freeBytes, reserveBytes, paused, recovery } = storage
    const rows: [string, string][] = [
      ['peer id', peerId],
      ['publisher', publisher ?? 'none yet; made on the first publish'],
      ['running', online ? 'yes' : `no; start with: catalog up --data-dir ${dataDir}`],
      ['listens on', addresses.join('\n              ') || '–'],
      [
        'bulk plane',
        online ? (bulkPort === null ? 'none; blobs go over libp2p streams' : `UDP port ${bulkPort}`) : '–',
      ],
      ['http', http ?? '–'],
      ['peers', `${peers}`],
      ['knows', `${releases} releases, ${records} records`],
      ['keeps', `${blobs} artifacts, ${formatBytes(bytes)}`],
      ['own', formatBytes(ownBytes)],
      ['mirrored', `${formatBytes(mirroredBytes)} of at most ${formatBytes(maxMirrorStorage)}`],
      ['pinned', plural(pinned, 'package')],
      ['disk', `${formatBytes(freeBytes)} free, of which ${formatBytes(reserveBytes)} are kept in reserve`],
      ['waiting', describeWaiting(waiting)],
      ...(paused ? [['rewriting', 'held; go on with: catalog gc --resume'] as [string, string]] : []),
      ...describeRecovery(recovery).map((sentence): [string, string] => ['recovered', sentence]),
      ['core', `${core.backend} (${core.features.join(', ')})`],
      ['data', dataDir],
    ]
    return rows.map(([key, value]) => `${key.padEnd(14)}${value}`).join('\n')
  },
}

const GARBAGE_REASONS: Record<string, string> = {
  'no-release': 'no release that names it is known any more',
  withdrawn: 'its publisher has withdrawn it',
  'stale-fetch': 'nobody has gone on with it for a week',
}

const SILENCES: Record<string, string> = {
  refused: 'would not',
  'timed-out': 'did not in time',
  failed: 'broke off',
  lied: 'lied',
}

/** Why peers have not answered. */
function describeSilence(peers: readonly { state: string }[]): string {
  const counts = Object.entries(SILENCES).map(([state, words]) => ({
    words,
    count: peers.filter((peer) => peer.state === state).length,
  }))
  const told = counts.filter(({ count }) => count > 0).map(({ words, count }) => `${count} ${words}`)
  return told.length > 0 ? ` (${told.join(', ')})` : ''
}

const SAID = 'That was said already.'

/** What is done once a peer is there. */
function describeWaiting({ records, works }: { records: number; works: { kind: string; subject: string }[] }): string {
  const told = records === 0 ? [] : [`${plural(records, 'record')} that no peer was told of`]
  return [...told, ...works.map(({ kind, subject }) => `${kind} ${subject}`)].join(', ') || 'nothing'
}

/** By the field that only one kind of summary has. */
// biome-ignore lint/suspicious/noExplicitAny: each line has the fields its operation gave it
const SUMMARIES: readonly [field: string, describe: (line: any) => string][] = [
  ...SYNC_SUMMARIES,
  [
    'results',
    ({ results, suggestion, ms, peersAsked, peersAnswered, peers, withheld, ageMs }) => {
      const asked = peersAsked === 0 ? 'no peers to ask' : `${peersAnswered} of ${peersAsked} peers answered`
      const age = ageMs > 0 ? ` ${Math.ceil(ageMs / 1000)} s ago` : ''
      const more = withheld > 0 ? ` ${withheld} of publishers nobody knew before left out: --newcomers lists them.` : ''
      const meant = suggestion === undefined ? '' : ` Did you mean: ${suggestion}`
      return `${results} found in ${ms} ms, ${asked}${age}${describeSilence(peers)}.${more}${meant}`
    },
  ],
  [
    'recommendations',
    ({ recommendations }) =>
      recommendations === 0 ? 'Nothing here goes well with it, as far as is known.' : `${recommendations} recommended.`,
  ],
  ['logins', ({ logins }) => `${plural(logins, 'program')} waiting to be let in.`],
  [
    'conflicts',
    ({ conflicts, open }) =>
      conflicts === 0 ? 'No records compete.' : `${plural(conflicts, 'conflict')}, ${open} open.`,
  ],
  ['tags', ({ tags }) => `${plural(tags, 'tag')}.`],
  ['deprecated', ({ deprecated }) => (deprecated === 0 ? SAID : `Said of ${plural(deprecated, 'release')}.`)],
  ['withdrawn', ({ withdrawn }) => (withdrawn === 0 ? SAID : `Said of ${plural(withdrawn, 'release')}.`)],
  ['tokens', ({ tokens }) => `${plural(tokens, 'token')}.`],
  ['artifacts', ({ artifacts, bytes, damaged }) => `${artifacts} checked (${formatBytes(bytes)}), ${damaged} damaged.`],
  [
    'transfers',
    ({ transfers, rateDown, rateUp }) =>
      `${plural(transfers, 'transfer')} under way, ${formatBytes(rateDown)}/s down, ${formatBytes(rateUp)}/s up.`,
  ],
  ['peers', ({ peers }) => `${peers} connected.`],
  [
    'accounts',
    ({ accounts }) => (accounts === 0 ? 'No bytes went to or came from anybody yet.' : `${plural(accounts, 'peer')}.`),
  ],
  ['trusted', ({ trusted }) => `${trusted} trusted.`],
  ['garbage', describeCollection],
  ['pinned', ({ pinned }) => `${pinned} pinned.`],
  ['orphans', describeOrphans],
  ['groups', ({ groups }) => `${plural(groups, 'group')}.`],
  [
    'devices',
    ({ devices }) => (devices === 0 ? 'No devices yet: what is private is for this node.' : `${devices} devices.`),
  ],
  ['findings', ({ findings }) => (findings === 0 ? 'Nothing is wrong.' : `${findings} wrong.`)],
]

// biome-ignore lint/suspicious/noExplicitAny: the fields are those of the command
function describeOrphans({ orphans, bytes, keptUntil }: any): string {
  if (orphans === 0) return 'The index is made, and every artifact has its record.'
  return (
    `The index is made. No record here names ${plural(orphans, 'artifact')} (${formatBytes(bytes)}). What of them ` +
    `has none by ${keptUntil} is garbage: publish what is yours again before then, and ask peers for the rest.`
  )
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are those of the operation
function describeCollection({ dryRun, garbage, garbageBytes, packs, freedBytes, paused }: any): string {
  const forgotten = `${plural(garbage, 'piece')} of garbage (${formatBytes(garbageBytes)})`
  const rewritten = `${plural(packs, 'pack')}, giving back ${formatBytes(freedBytes)}`
  if (dryRun) return `Would forget ${forgotten}, and rewrite ${rewritten}.`
  if (paused) return `Forgot ${forgotten}. Packs are not rewritten before "catalog gc --resume".`
  return `Forgot ${forgotten}, and rewrote ${rewritten}.`
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are those of the operation
function describeAccount({ sent, received, ratio, contribution }: any): string {
  const each = ratio === null ? '' : `, ratio ${ratio.toFixed(2)}`
  const share = sent + received === 0 ? '' : `; it gave ${Math.round(contribution * 100)} %`
  return `sent ${formatBytes(sent)}, received ${formatBytes(received)}${each}${share}`
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are those of the operation
function describeShared({ permission, peers, groups, known, expires }: any): string {
  const whom = [...peers, ...groups.map((name: string) => `group ${name}`)].join(', ')
  const others = known ? '; others may know that it exists' : ''
  const until = expires === null ? '' : `, until ${expires}`
  return `${permission}${whom === '' ? '' : ` (${whom}${others})`}${until}`
}

const MARKS: Record<string, string> = {
  running: colors.cyan('running'),
  done: colors.green('done'),
  failed: colors.red('failed'),
}

// biome-ignore lint/suspicious/noExplicitAny: the fields are those of the operation
function describeTransfer(line: any): string {
  const { direction, purl, root, state, bytes, total, rate, priority, sources, etaMs, failure } = line
  const left = etaMs === undefined ? '' : `, ${Math.ceil(etaMs / 1000)} s left`
  const what = `${MARKS[state]}  ${direction}  ${colors.bold(purl ?? root)}  ${priority}`
  const pace = `  ${formatBytes(bytes)} of ${formatBytes(total)}, ${formatBytes(rate)}/s${left}`
  const way = direction === 'fetch' ? 'from' : 'to'
  const peers = sources.map(
    (source: Required<Source>) =>
      `\n  ${way} ${source.peer}  ${source.plane}  ${formatBytes(source.bytes)}, ${formatBytes(source.rate)}/s`,
  )
  const why = failure ? `\n  ${failure.message}` : ''
  return `${what}\n${pace}${peers.join('')}${why}`
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function cameFrom(sources: Source[], failures: Failure[], ms: number): string {
  const from = sources.map(({ peer, plane, bytes, rate }) => {
    const how = rate === undefined ? '' : ` (${plane}, ${formatBytes(rate)}/s)`
    return `${formatBytes(bytes)} from ${peer}${how}`
  })
  const failed = failures.map(({ peer, message }) => `\n  ${colors.yellow('did not deliver')} ${peer}: ${message}`)
  return `  ${from.join(', ') || 'was here already'}, ${(ms / 1000).toFixed(1)} s${failed.join('')}`
}
