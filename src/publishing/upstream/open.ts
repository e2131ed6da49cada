// Makes the parts of this folder for a node, unless it is to have no outside registry.
import { join } from 'node:path'
import { CatalogError } from '../../base/errors.ts'
import type { Settings } from '../../model/config.ts'
import { signingKey } from '../../model/ed25519.ts'
import type { OriginKeys } from '../../model/origin.ts'
import { Advisories } from './advisories.ts'
import { UpstreamDocuments } from './documents.ts'
import { KeptDocuments } from './kept-documents.ts'
import { NPM_REGISTRY, npmCredentials, npmRegistry, withSlash } from './npm-settings.ts'
import { Registry } from './registry.ts'
import { Upstream, type UpstreamComponents } from './upstream.ts'

type Components = Omit<UpstreamComponents, 'registry' | 'documents' | 'advisories'>

interface Options {
  readonly settings: Pick<Settings, 'upstream' | 'httpPort'>
  readonly originKeys: OriginKeys
  readonly seed: Uint8Array
  readonly peerId: string
  /** Of the data directory. */
  readonly root: string
}

/** @throws CatalogError `CONFIG_INVALID` when the registry would be this node itself */
export function openUpstream(components: Components, options: Options): Upstream | undefined {
  const { settings, originKeys, seed, peerId, root } = options
  const url = registryOf(settings)
  if (url === undefined) return undefined
  const registry = new Registry(components, { url, credentials: npmCredentials(url), via: viaOf(peerId) })
  const kept = new KeptDocuments({ folder: join(root, 'upstream') })
  const documents = new UpstreamDocuments({ registry, kept, clock: components.clock })
  const advisories = new Advisories({ registry, clock: components.clock })
  const node = { signer: `node:${peerId}`, key: signingKey(seed) }
  return new Upstream({ ...components, registry, documents, advisories }, { originKeys, node })
}

/** What a node says of itself to registries: its own gateway knows it by that. Source: RFC 9110 §7.6.3. */
export function viaOf(peerId: string): string {
  return `1.1 catalog-${peerId}`
}

function registryOf({ upstream, httpPort }: Pick<Settings, 'upstream' | 'httpPort'>): string | undefined {
  if (upstream === 'none') return undefined
  if (upstream === undefined) {
    const registry = npmRegistry()
    // Who has pointed npm at this node means the registry that npm has by itself.
    return isOwn(registry, httpPort) ? NPM_REGISTRY : registry
  }
  if (!isOwn(upstream, httpPort)) return withSlash(upstream)
  throw new CatalogError('CONFIG_INVALID', `The outside registry ${upstream} is this node itself.`, {
    hint: 'Name the registry that packages come from which no peer has, or start with --no-upstream.',
  })
}

function isOwn(url: string, port: number): boolean {
  const { hostname, port: named, pathname } = new URL(url)
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
  return isHere && Number(named) === port && port !== 0 && /^\/npm\/?$/.test(pathname)
}
