#!/usr/bin/env node
// The `catalog` command. It ends once all that was written is flushed: a natural end would wait for timers that
// libraries leave behind.
import { CommanderError } from 'commander'
import { CatalogError, EXIT } from '../base/errors.ts'
import { Output } from './output.ts'
import { makeProgram } from './program.ts'

outliveReaders()
const json = process.argv.includes('--json')
const program = makeProgram((status) => {
  process.exitCode = status
})
overrideExit(program)
try {
  // `--version` alone asks for this program's; after `publish` it names the package's.
  const [, , first, ...rest] = process.argv
  await program.parseAsync(first === '--version' ? ['-V'] : first === undefined ? ['--help'] : [first, ...rest], {
    from: 'user',
  })
} catch (thrown) {
  process.exitCode = report(thrown)
}
await Promise.all([process.stdout, process.stderr].map(flushed))
process.exit()

/** Resolves when all has been handed to the system, or cannot be any more. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

/** Commander ends the process by itself on wrong usage; let it throw instead, in every command. */
function overrideExit(command: typeof program): void {
  command.exitOverride()
  if (json) command.configureOutput({ writeErr: () => undefined })
  for (const child of command.commands) overrideExit(child)
}

function report(thrown: unknown): number {
  if (!(thrown instanceof CommanderError)) {
    const error = CatalogError.from(thrown)
    new Output({ json }).error(error)
    return error.exitCode
  }
  // Help and version were printed, and were asked for.
  if (thrown.exitCode === 0) return EXIT.ok
  if (json) {
    const hint = 'See: catalog --help'
    new Output({ json }).error(new CatalogError('USAGE', thrown.message.replace(/^error: /, ''), { hint }))
  }
  return EXIT.usage
}

/** A terminal that was closed, or a reader that has ended, ends no command before it has done its work. */
function outliveReaders(): void {
  const outlive = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
  }
  for (const stream of [process.stdout, process.stderr]) stream.on('error', outlive)
}
