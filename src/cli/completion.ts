// Completion scripts, made from the commands themselves so that they never lag behind.
import type { Command } from 'commander'
import { CatalogError } from '../base/errors.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** @throws CatalogError `USAGE` for a shell that is not supported */
export function completionScript(shell: string, program: Command): string {
  const words = new Map<string, string[]>(
    program.commands.map((command) => [command.name(), wordsOf(command, program)]),
  )
  const commands = [...words.keys()]
  if (shell === 'bash') return bash(commands, words)
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bash(commands, words)}`
  if (shell === 'fish') return fish(program)
  throw new CatalogError('USAGE', `There is no completion for "${shell.slice(0, 40)}".`, {
    hint: `Shells are: ${SHELLS.join(', ')}.`,
  })
}

function wordsOf(command: Command, program: Command): string[] {
  const options = [...command.options, ...program.options].flatMap(({ long }) => long ?? [])
  return [...command.commands.map((sub) => sub.name()), ...options, '--help']
}

function bash(commands: readonly string[], words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([name, list]) => `    ${name}) words="${list.join(' ')}" ;;`)
  return `_catalog() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words="${commands.join(' ')}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _catalog catalog
`
}

function fish(program: Command): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`
  const lines = program.commands.flatMap((command) => [
    `complete -c catalog -n __fish_use_subcommand -a ${command.name()} -d ${quote(command.description())}`,
    ...command.options.map(({ long, description }) => {
      const when = `'__fish_seen_subcommand_from ${command.name()}'`
      return `complete -c catalog -n ${when} -l ${(long ?? '').slice(2)} -d ${quote(description)}`
    }),
  ])
  return `${lines.join('\n')}\n`
}
