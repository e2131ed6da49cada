// `catalog token`: what lets a package manager publish through this node.
import type { Command } from 'commander'
import type { Run } from './commands.ts'

export function tokenCommands(program: Command, run: Run): void {
  const token = program.command('token').description('tokens with which package managers may publish here')
  token
    .command('list', { isDefault: true })
    .description('all tokens, but for their secrets')
    .action(() => run('tokenList', {}))
  token
    .command('create')
    .description('make a token; it is told this once')
    .argument('[note]', 'what it is for')
    .action((note?: string) => run('tokenCreate', note === undefined ? {} : { note }))
  token
    .command('approve')
    .description('let a program in that has just asked for a token, as "npm login" does; without a code, list who has')
    .argument('[code]', 'as the program or its page shows it')
    .action((code?: string) => run('tokenApprove', code === undefined ? {} : { code }))
  token
    .command('revoke')
    .description('from now on the token opens nothing')
    .argument('<id>', 'as "catalog token list" tells it')
    .action((id: string) => run('tokenRevoke', { id }))
}
