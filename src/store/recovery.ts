// What a start does about how the last run ended: cuts tails that nobody acknowledged, removes files that nobody
// knows, and keeps the fetches that can go on. It says what it did.
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
  if (bytes > 0) sentences.push(`${bytes} bytes that nothing had acknowledged were cut off ${count(cut, 'pack')}.`)
  if (removed.length > 0) sentences.push(`${count(removed, 'pack')} with nothing in them were removed.`)
  if (scratch > 0) sentences.push(`${scratch} things half made were removed.`)
  if (fetches > 0) sentences.push(`${fetches} unfinished fetches are kept; they go on when asked for again.`)
  for (const { pack, missing } of short) {
    sentences.push(`Pack ${pack} lacks ${missing} bytes that were there: run "catalog verify --all".`)
  }
  return sentences
}

function count(list: readonly unknown[], what: string): string {
  return `${list.length} ${what}${list.length === 1 ? '' : 's'}`
}
