// `catalog npm`: what package managers of this machine are told of the node.
import type { Command } from 'commander'
import type { Print } from './commands.ts'
import type { SetupOptions } from './setup/npm-setup.ts'

export function npmCommands(program: Command, print: Print): void {
  program
    .command('npm')
    .description('package managers and this node')
    .command('setup')
    .description('have npm, pnpm and yarn ask this node for every package, and the node the registry they asked before')
    .option('--project', 'only for the project around this folder')
    .option('--yarn', "write yarn's own file, too; by default where there is one")
    .option('--no-yarn', 'leave it')
    .option('--registry-only', 'write no token, which only publishing takes')
    .option('--upstream <url>', 'the outside registry, or none; by default the one that npm asks now')
    .option('--undo', 'put everything back as it was')
    .action(({ undo: isUndone, ...options }: SetupOptions & { undo?: boolean }) =>
      print(async function* (dataDir, signal) {
        const { setUp, undo } = await import('./setup/npm-setup.ts')
        yield* isUndone ? undo(dataDir, options, signal) : setUp(dataDir, options, signal)
      }),
    )
}
