#!/usr/bin/env node
// The `catalog` command. Its exit status is set, not forced, so that everything written is flushed first; a natural
// end is waited for only briefly, since libraries may hold sockets open a little longer.
import { CommanderError } from 'commander'
import { CatalogError, EXIT } from '../base/errors.ts'
import { Output } from './output.ts'
import { makeProgram } from './program.ts'

/** What libp2p needs at most to let go after a stop. */
const LINGER_MS = 1_500

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
setTimeout(() => process.exit(), LINGER_MS).unref()

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
