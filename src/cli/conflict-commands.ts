// The commands for records that compete.
import type { Command } from 'commander'
import type { Run } from './commands.ts'

export function conflictCommands(program: Command, run: Run): void {
  const conflicts = program.command('conflicts').description('records that compete, and what is chosen among them')
  conflicts
    .command('ls', { isDefault: true })
    .description('all of them, also those that are decided')
    .action(() => run('conflicts', {}))
  conflicts
    .command('show')
    .description('those of a package or release, with what was signed and by whom')
    .argument('<purl>', 'pkg:npm/name, or with @version')
    .action((purl: string) => run('conflicts', { purl, proof: true }))
  conflicts
    .command('resolve')
    .description('choose by hand: a publisher for a name, or one of the releases that a publisher signed for a version')
    .argument('<purl>', 'pkg:npm/name, or with @version')
    .option('--publisher <id>', 'whose the name is, as with "catalog trust"')
    .option('--record <id>', 'record id of the release, or its first digits')
    .action((purl: string, options) => run('resolveConflict', { purl, ...options }))
  program
    .command('attest')
    .description('say that a release is what it says it is, for all who name you in conflict-attesters')
    .argument('<purl>', 'pkg:npm/name@1.0.0')
    .option('--record <id>', 'which one, where there are several')
    .action((purl: string, options) => run('attest', { purl, ...options }))
}
