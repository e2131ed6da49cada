// The commands of synchronization.
import { type Command, Option } from 'commander'
import { CatalogError } from '../base/errors.ts'
import type { OperationName } from '../gateway/api/operations.ts'
import { STRATEGIES } from '../synchronization/service.ts'

type Run = (name: OperationName, input: Record<string, unknown>) => Promise<void>

const SYNC_HELP = `
Filters: type:npm  category:web  tag:stable  publisher:<id>  pkg:npm/@scope/*  Several of one kind mean any of them,
several kinds all of them.
Example: catalog sync 192.0.2.7 --strategy selective --filter type:npm --filter "pkg:npm/@corp/*"`

export function syncCommands(program: Command, run: Run): void {
  program
    .command('sync')
    .description('make what this node and a peer keep the same, as far as both may see it')
    .argument('<peer>', 'the peer id of a connected peer, or an address')
    .addOption(
      new Option('--strategy <name>', 'how; incremental by default, selective with a filter').choices(STRATEGIES),
    )
    .option('--filter <what>', 'only some releases; may be repeated', each)
    .option('--dry-run', 'tell what is missing here and there, and change nothing')
    .addHelpText('after', SYNC_HELP)
    .action((peer: string, { filter, ...options }) =>
      run('sync', { peer, ...options, ...(filter && { filter: filterOf(filter) }) }),
    )
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

function each(value: string, earlier: string[] = []): string[] {
  return [...earlier, value]
}
