// The commands with which a publisher speaks of what it has published.
import type { Command } from 'commander'
import type { Run } from './commands.ts'

export function curationCommands(program: Command, run: Run): void {
  const tag = program.command('tag').description('words such as "beta" that name a version of what you publish')
  tag
    .command('ls', { isDefault: true })
    .description('the tags of a package')
    .argument('<purl>', 'pkg:npm/name')
    .action((purl: string) => run('tagList', { purl }))
  tag
    .command('add')
    .description('have a tag name a version; "latest" is what is installed when nothing is asked for')
    .argument('<purl>', 'pkg:npm/name@1.0.0')
    .argument('<tag>', 'such as "beta"')
    .action((purl: string, tag: string) => run('tagAdd', { purl, tag }))
  tag
    .command('rm')
    .description('have a tag name nothing; without "latest" the highest version is it')
    .argument('<purl>', 'pkg:npm/name')
    .argument('<tag>', 'such as "beta"')
    .action((purl: string, tag: string) => run('tagRemove', { purl, tag }))
  program
    .command('deprecate')
    .description('say why something you published should not be used any more')
    .argument('<purl>', 'pkg:npm/name@1.0.0, or pkg:npm/name for all its versions so far')
    .argument('<message>', 'what to use instead; "" takes it back')
    .action((purl: string, message: string) => run('deprecate', { purl, message }))
  program
    .command('withdraw')
    .description('take back what you published: nobody finds or chooses it; who keeps it has it')
    .argument('<purl>', 'pkg:npm/name@1.0.0, or pkg:npm/name with --all')
    .option('--all', 'every version there is so far')
    .option('--reason <text>', 'told to who asks for it')
    .option('--undo', 'put it back')
    .action((purl: string, options) => run('withdraw', { purl, ...options }))
}
