// The first page of a node: who it is, whom it is connected to, what it keeps, and a search box. Plain HTML made here,
// without scripts; it shows only what any peer could see.
import type { FastifyInstance } from 'fastify'
import { CatalogError } from '../../base/errors.ts'
import { tellFailure } from '../../base/failure.ts'
import { SEARCH_RESULTS_MAX } from '../../base/limits.ts'
import { formatBytes } from '../../base/units.ts'
import type { SearchAnswer } from '../../discovery/search.ts'
import type { ConnectedPeer, NodeStatus } from '../../publishing/answers.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import { STYLE, STYLE_HASH } from './style.ts'

export const SECURITY_HEADERS = {
  'content-security-policy': `default-src 'none'; style-src '${STYLE_HASH}'; form-action 'self'; base-uri 'none'`,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
}

export function dashboardRoutes(app: FastifyInstance, sharing: SharingManager): void {
  app.get<{ Querystring: { q?: string } }>('/', async (request, reply) => {
    const query = typeof request.query.q === 'string' ? request.query.q.trim() : ''
    const found = query === '' ? undefined : await find(sharing, query)
    const names = await completions(sharing)
    const html = page(await sharing.status(), sharing.connectedPeers(), { query, found, names })
    return reply.headers(SECURITY_HEADERS).type('text/html; charset=utf-8').send(html)
  })
}

/** The most popular names, which the browser completes from: the page has no scripts. */
async function completions(sharing: SharingManager): Promise<string[]> {
  try {
    const all = await sharing.completeNames('', { publicOnly: true, limit: SEARCH_RESULTS_MAX })
    return [...new Set(all.map(({ name }) => name))]
  } catch (thrown) {
    // The page is for more than searching.
    tellFailure('names for the page', thrown)
    return []
  }
}

type Found = { answer: SearchAnswer } | { problem: string }

async function find(sharing: SharingManager, query: string): Promise<Found> {
  try {
    return { answer: await sharing.searchPackages(query, { publicOnly: true }) }
  } catch (thrown) {
    return { problem: CatalogError.from(thrown).message }
  }
}

function page(
  status: NodeStatus,
  peers: readonly ConnectedPeer[],
  { query, found, names }: { query: string; found: Found | undefined; names: readonly string[] },
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${query === '' ? 'Catalog' : `${escapeHtml(query)} – Catalog`}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1><a href="/">Catalog</a></h1>
<form role="search" action="/" method="get">
<label for="q">Search packages</label>
<input id="q" name="q" type="search" value="${escapeHtml(query)}" maxlength="256" required placeholder="name or words"
list="names" autocomplete="off">
<datalist id="names">${names.map((name) => `<option value="${escapeHtml(name)}">`).join('')}</datalist>
<button>Search</button>
</form>
</header>
<main>
${found === undefined ? '' : results(query, found)}
${node(status)}
${connections(peers)}
</main>
<footer>Catalog ${escapeHtml(status.version)} · <a href="/healthz">health</a></footer>
</body>
</html>
`
}

function results(query: string, found: Found): string {
  if ('problem' in found) return `<section><h2>Results</h2><p class="note">${escapeHtml(found.problem)}</p></section>`
  const { results, peersAsked, peersAnswered, ms, withheld } = found.answer
  const asked = peersAsked === 0 ? 'No peers to ask.' : `${peersAnswered} of ${count(peersAsked, 'peer')} answered.`
  const left = withheld === 0 ? '' : ` ${count(withheld, 'package')} of publishers nobody knew before left out.`
  const summary = `${count(results.length, 'package')} for “${escapeHtml(query)}” in ${ms} ms. ${asked}${left}`
  const items = results.map(
    ({ purl, name, version, description, trust, providers, newcomer, lookalikeOf }) => `<li>
<h3>${escapeHtml(name)} <small>${escapeHtml(version)}</small>
<span class="badge ${trust}">${TRUST_WORDS[trust]}</span>${
      newcomer ? ' <span class="badge contested">new publisher</span>' : ''
    }${
      lookalikeOf === undefined ? '' : ` <span class="badge foreign">looks like ${escapeHtml(lookalikeOf)}</span>`
    }</h3>
<p>${escapeHtml(description) || 'No description.'}</p>
<p class="how"><code>catalog install ${escapeHtml(purl)}</code> · ${count(providers, 'provider')}</p>
</li>`,
  )
  return `<section><h2>Results</h2><p class="note">${summary}</p><ul class="results">${items.join('\n')}</ul></section>`
}

const TRUST_WORDS = {
  pinned: 'trusted publisher',
  origin: 'signed by its registry',
  unpinned: 'signed',
  foreign: 'not your publisher',
  contested: 'several publishers',
} as const

function node(status: NodeStatus): string {
  const { peerId, addresses, releases, blobs, bytes, core } = status
  const rows: [string, string][] = [
    ['Peer id', `<code>${escapeHtml(peerId)}</code>`],
    ['Reached at', addresses.map((address) => `<code>${escapeHtml(address)}</code>`).join('<br>') || 'nowhere yet'],
    ['Knows', `${count(releases, 'release')}`],
    ['Keeps', `${count(blobs, 'artifact')}, ${formatBytes(bytes)}`],
    ['Computes with', `the ${escapeHtml(core.backend)} core`],
  ]
  const body = rows.map(([term, value]) => `<dt>${term}</dt><dd>${value}</dd>`).join('\n')
  return `<section><h2>This node</h2><dl>${body}</dl></section>`
}

function connections(peers: readonly ConnectedPeer[]): string {
  if (peers.length === 0) {
    return `<section><h2>Peers</h2><p class="note">Connected to nobody yet. Add a peer with
<code>catalog peers add ADDRESS</code>, the address being one that the other node shows here.</p></section>`
  }
  const items = peers.map(
    ({ peer, agent, addresses }) =>
      `<li><code>${escapeHtml(peer)}</code> <small>${escapeHtml(agent)}</small>
<br><small>${escapeHtml(addresses[0] ?? '')}</small></li>`,
  )
  return `<section><h2>Peers <small>${peers.length}</small></h2><ul>${items.join('\n')}</ul></section>`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
}
