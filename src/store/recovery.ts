// What a start does about how the last run ended: cuts tails that nobody acknowledged, removes files that nobody
// knows, and keeps the fetches that can go on. It says what it did.
import { formatBytes } from '../base/units.ts'
import type { Environment } from './environment.ts'
import type { PackRecovery, Packs } from './packs.ts'
import type { Scratch } from './scratch.ts'

export interface Recovery extends PackRecovery {
  /** Things half made, removed. */
  readonly scratch: number
  /** Fetches that go on where they stopped. */
  readonly fetches: number
}

interface Components {
  environment: Environment
  packs: Packs
  scratch: Scratch
}

export async function recover({ environment, packs, scratch }: Components): Promise<Recovery> {
  const found = await packs.recover()
  return { ...found, scratch: await scratch.recover(), fetches: environment.downloads.getCount() }
}

/** In sentences, for who started the node; none when the last run ended as it should. */
export function describeRecovery({ cut, removed, short, scratch, fetches }: Recovery): string[] {
  const sentences: string[] = []
  const bytes = cut.reduce((sum, tail) => sum + tail.bytes, 0)
  const were = (count: number) => (count === 1 ? 'was' : 'were')
  const are = (count: number) => (count === 1 ? 'is' : 'are')
  if (bytes > 0) {
    sentences.push(`${formatBytes(bytes)} that nothing had acknowledged were cut off ${plural(cut.length, 'pack')}.`)
  }
  if (removed.length > 0) {
    sentences.push(`${plural(removed.length, 'pack')} with nothing in use ${were(removed.length)} removed.`)
  }
  if (scratch > 0) sentences.push(`${plural(scratch, 'thing')} half made ${were(scratch)} removed.`)
  if (fetches > 0) {
    const kept = `${plural(fetches, 'unfinished fetch', 'es')} ${are(fetches)} kept`
    sentences.push(`${kept}; to go on with one, ask for the package again.`)
  }
  for (const { pack, missing } of short) {
    sentences.push(`Pack ${pack} lacks ${formatBytes(missing)} that were there: run "catalog verify".`)
  }
  return sentences
}

function plural(count: number, what: string, ending = 's'): string {
  return `${count} ${what}${count === 1 ? '' : ending}`
}
