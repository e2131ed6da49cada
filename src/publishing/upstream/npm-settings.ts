// What the user has told npm: the registry that packages come from, and who the user is there.
import npmConf from '@pnpm/npm-conf'
import npmDefaults from '@pnpm/npm-conf/lib/defaults.js'
import registryAuthToken from 'registry-auth-token'
import type { Credentials } from './registry.ts'

/** The one that npm has by itself. */
export const NPM_REGISTRY = npmDefaults.defaults.registry

/** The registry of npm's settings, with a slash at its end. */
export function npmRegistry(): string {
  const registry: unknown = npmConf().config.get('registry')
  return withSlash(typeof registry === 'string' && URL.canParse(registry) ? registry : NPM_REGISTRY)
}

export function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`
}

/** Credentials by the registry that they are for: read anew each time, as users log in and out. */
export function npmCredentials(registry: string): Credentials {
  const { origin } = new URL(registry)
  return (url) => {
    if (new URL(url).origin !== origin) return undefined
    const found = registryAuthToken(registry, { recursive: true })
    return found && `${found.type} ${found.token}`
  }
}
