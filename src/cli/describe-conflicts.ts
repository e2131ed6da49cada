// Records that compete, for people.
import { messageColours as colors } from './colours.ts'

interface Candidate {
  readonly record: string
  readonly publisher: string
  readonly kind: string
  readonly subject: string
  readonly at: string
  readonly signatures?: readonly { readonly key: string; readonly value: string }[]
  readonly signed?: string
}

interface Conflict {
  readonly subject: string
  readonly kind: string
  readonly policy: string
  readonly by: string
  readonly chosen: readonly string[]
  readonly candidates: readonly Candidate[]
}

const DECIDED: Record<string, string> = {
  pin: 'decided: you have given the name to a publisher',
  registry: 'decided: it is what the outside registry has signed',
  resolution: 'decided by hand',
  rule: 'decided: the smaller record id',
  nothing: 'open: nobody may choose but you',
}

export function describeConflict({ subject, kind, policy, by, chosen, candidates }: Conflict): string {
  const what = kind === 'publishers' ? `${candidates.length} publishers claim it` : 'its publisher contradicts itself'
  const lines = candidates.map(({ record, publisher, subject, at, signatures = [], signed }) => {
    const mark = chosen.includes(record) ? '*' : ' '
    const proof = signatures.map(({ key, value }) => `      key ${key}\n      signature ${value}`)
    return [
      `  ${mark} ${record}  ${at}  ${subject}`,
      `      ${publisher}`,
      ...proof,
      ...(signed === undefined ? [] : [`      signed ${signed}`]),
    ].join('\n')
  })
  return [`${colors.bold(subject)}: ${what} (${DECIDED[by] ?? `decided by the policy ${policy}`})`, ...lines].join('\n')
}
