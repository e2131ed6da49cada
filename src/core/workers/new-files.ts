// Files that a task writes into. They are made on the main thread: who made a file may remove it, and a thread that has
// ended cannot.
import { open, rm } from 'node:fs/promises'
import { CatalogError } from '../../base/errors.ts'
import type { FileTarget } from './tasks.ts'

/**
 * Does what `work` does, with the targets made that are to be; removed again when it fails.
 *
 * @throws CatalogError `TARGET_EXISTS`, `STORE_FAILED` or `DISK_FULL`, or what `work` throws
 */
export async function withNewFiles<T>(targets: readonly FileTarget[], work: () => Promise<T>): Promise<T> {
  const made: string[] = []
  try {
    for (const { path, create } of targets) {
      if (!create) continue
      await makeFile(path)
      made.push(path)
    }
    return await work()
  } catch (error) {
    for (const path of made) await rm(path, { force: true, maxRetries: 5 })
    throw error
  }
}

async function makeFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx')
    await file.close()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new CatalogError('TARGET_EXISTS', `${path} exists already.`, { cause })
    }
    throw CatalogError.from(cause, 'STORE_FAILED')
  }
}
