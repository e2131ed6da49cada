// The commands of synchronization.
import { type Command, Option } from 'commander'
import { CatalogError } from '../base/errors.ts'
import { ARTIFACTS, STRATEGIES } from '../synchronization/options.ts'
import { each, type Run } from './commands.ts'

const SYNC_HELP = `
Filters: type:npm  category:web  tag:stable  publisher:<id>  pkg:npm/@scope/*  Several of one kind mean any of them,
several kinds all of them.
Example: catalog sync 192.0.2.7 --strategy selective --filter type:npm --filter "pkg:npm/@corp/*"`

export function syncCommands(program: Command, run: Run): void {
  const sync = program
    .command('sync')
    .description('make what this node and a peer keep the same, as far as both may see it')
    .argument('[peer]', 'the peer id of a connected peer, or an address')
    .addOption(
      new Option('--strategy <name>', 'how; incremental by default, selective with a filter').choices(STRATEGIES),
    )
    .option('--filter <what>', 'only some releases; may be repeated', each)
    .addOption(
      new Option('--artifacts <which>', 'fetch bytes, too: of packages pinned here, or all').choices(ARTIFACTS),
    )
    .option('--dry-run', 'tell what is missing here and there, and change nothing')
    .addHelpText('after', SYNC_HELP)
    .action((peer: string | undefined, { filter, ...options }) => {
      if (peer === undefined)
        throw new CatalogError('USAGE', 'A peer is missing.', { hint: 'As in: catalog sync PEER' })
      return run('sync', { peer, ...options, ...(filter && { filter: filterOf(filter) }) })
    })
  sync
    .command('status')
    .description('when each peer was synchronized with, and when it will be')
    .action(() => run('syncStatus', {}))
  program
    .command('follow')
    .description('keep the public records of a publisher, or of an outside registry, up to date here; or list whose')
    .argument('[signer]', 'publisher:<id>, or origin:npm')
    .action((signer: string | undefined) => (signer === undefined ? run('following', {}) : run('follow', { signer })))
  program
    .command('unfollow')
    .description('look for nothing more of one that was followed')
    .argument('<signer>', 'publisher:<id>, or origin:npm')
    .action((signer: string) => run('unfollow', { signer }))
}

const KINDS: Record<string, string> = { type: 'types', category: 'categories', tag: 'tags', publisher: 'publishers' }

function filterOf(words: readonly string[]): Record<string, string[]> {
  const filter: Record<string, string[]> = {}
  for (const word of words) {
    const [kind = '', ...rest] = word.split(':')
    const part = kind === 'pkg' ? 'names' : KINDS[kind]
    if (!part) throw new CatalogError('USAGE', `"${word}" is no filter.`, { hint: `As in: --filter type:npm` })
    const value = kind === 'pkg' || kind === 'publisher' ? word : rest.join(':')
    filter[part] = [...(filter[part] ?? []), value]
  }
  return filter
}
