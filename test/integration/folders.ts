// Folders as tests compare them.
import { readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256Of } from './processes.ts'

/** What lies below a folder: digests of files and targets of links, by path. */
export async function treeOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const tree = entries
    .filter((entry) => !entry.isDirectory())
    .map(async (entry): Promise<[string, string]> => {
      const path = join(entry.parentPath, entry.name)
      if (entry.isSymbolicLink()) return [path.slice(folder.length), await readlink(path)]
      return [path.slice(folder.length), await sha256Of(path)]
    })
  return Object.fromEntries((await Promise.all(tree)).sort(([a], [b]) => (a < b ? -1 : 1)))
}
