// A process that opens the index in a folder, runs some queries, and tells how much memory that took: its own, and
// pages of files, which the system may take back. What Node and the module take without an index is not in it.
import '../artifacts/native/index.js'
import { directEffects } from '../src/base/effects.ts'
import { openNativeIndex } from '../src/discovery/native-index.ts'
import { residentBytes } from '../test/proc.ts'

export interface Task {
  readonly folder: string
  readonly queries: readonly string[]
  /** Candidates of each. */
  readonly limit: number
}

export interface Memory {
  readonly anonymous: number
  readonly mapped: number
}

process.once('message', async ({ folder, queries, limit }: Task) => {
  const before = resident()
  const index = await openNativeIndex({ effects: directEffects }, folder)
  for (const query of queries) await index.search(query, 'public', limit)
  const after = resident()
  const took: Memory = { anonymous: after.anonymous - before.anonymous, mapped: after.mapped - before.mapped }
  process.send?.(took)
  await index.close()
})

function resident(): Memory {
  return { anonymous: residentBytes(process.pid, 'RssAnon'), mapped: residentBytes(process.pid, 'RssFile') }
}
