// Completion scripts, made from the commands themselves so that they never lag behind.
import type { Command } from 'commander'
import { CatalogError } from '../base/errors.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

const FISH_NAMES = 'catalog complete -- (commandline -ct) 2>/dev/null'

/** Arguments that are a package URL, and those that are a name or the beginning of either. */
const PURLS = ['purl']
const NAMES = ['query', 'prefix']

/** @throws CatalogError `USAGE` for a shell that is not supported */
export function completionScript(shell: string, program: Command): string {
  const words = new Map<string, string[]>(
    program.commands.map((command) => [command.name(), wordsOf(command, program)]),
  )
  const script = () => bash(program.commands, words)
  if (shell === 'bash') return script()
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${script()}`
  if (shell === 'fish') return fish(program)
  throw new CatalogError('USAGE', `There is no completion for "${shell.slice(0, 40)}".`, {
    hint: `Shells are: ${SHELLS.join(', ')}.`,
  })
}

function wordsOf(command: Command, program: Command): string[] {
  const options = [...command.options, ...program.options].flatMap(({ long }) => long ?? [])
  return [...command.commands.map((sub) => sub.name()), ...options, '--help']
}

function takes(command: Command, what: readonly string[]): boolean {
  return command.registeredArguments.some((argument) => what.includes(argument.name()))
}

function bash(commands: readonly Command[], words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([name, list]) => `    ${name}) words="${list.join(' ')}" ;;`)
  const takers = (what: readonly string[]) =>
    commands
      .filter((command) => takes(command, what))
      .map((command) => command.name())
      .join('|')
  return `_catalog_names() {
  # Bash parts words at colons, and wants what comes after the last.
  [[ "$COMP_WORDBREAKS" == *:* && -n "$line" ]] && current="\${line##*[[:space:]]}"
  local name head="\${current%"\${current##*:}"}"
  [[ "$COMP_WORDBREAKS" == *:* ]] || head=""
  case "\${COMP_WORDS[1]}" in
  ${takers(PURLS)}) [[ "$current" == pkg:* ]] || current="pkg:npm/$current" ;;
  esac
  COMPREPLY=()
  while IFS= read -r name; do
    # Publishers choose names: nothing goes into a command line that a shell would not take for a word.
    [[ "$name" == *[!A-Za-z0-9@%._/:+~-]* ]] || COMPREPLY+=("\${name#"$head"}")
  done < <(catalog complete -- "$current" 2>/dev/null)
}
_catalog() {
  local line="\${COMP_LINE:0:COMP_POINT}" current="\${COMP_WORDS[COMP_CWORD]}" words="${[...words.keys()].join(' ')}"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
    case "\${COMP_WORDS[1]}" in
    ${takers([...PURLS, ...NAMES])}) [[ "$current" != -* ]] && _catalog_names && return ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _catalog catalog
`
}

function fish(program: Command): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`
  const when = (command: Command) => `'__fish_seen_subcommand_from ${command.name()}'`
  const lines = program.commands.flatMap((command) => [
    `complete -c catalog -n __fish_use_subcommand -a ${command.name()} -d ${quote(command.description())}`,
    ...(takes(command, [...PURLS, ...NAMES]) ? [`complete -c catalog -n ${when(command)} -fa '(${FISH_NAMES})'`] : []),
    ...command.options.map(({ long, description }) => {
      return `complete -c catalog -n ${when(command)} -l ${(long ?? '').slice(2)} -d ${quote(description)}`
    }),
  ])
  return `${lines.join('\n')}\n`
}
