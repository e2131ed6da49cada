// Files of settings, changed and put back. What each was before is written down first, so that all can be undone
// whenever, also after a power cut between two of them.
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { fileError } from '../../base/disk.ts'
import { type Format, type Key, settingsText } from './settings-text.ts'

/** One value in a file. */
export interface Setting {
  readonly path: string
  readonly format: Format
  readonly key: Key
  /** @param now - nothing where it is not set @returns what to make of it */
  change(now: unknown): unknown
  /** Whether who reads the file could act as the user. */
  readonly isSecret?: boolean
}

const savedSchema = z.strictObject({
  path: z.string(),
  format: z.enum(['npmrc', 'toml', 'yaml']),
  /** Of the file, if it was there. */
  mode: z.int().optional(),
  before: z.string().optional(),
  after: z.string(),
  isSecret: z.boolean(),
  values: z.array(z.strictObject({ key: z.array(z.string()), before: z.unknown().optional(), after: z.unknown() })),
})
/** What a file was before, and was made. */
export type Saved = z.infer<typeof savedSchema>
export const savedFiles = z.array(savedSchema)

/** What settings would make of their files; nothing is written yet. @throws CatalogError `CONFIG_INVALID` */
export async function planned(settings: readonly Setting[]): Promise<Saved[]> {
  const files = Map.groupBy(settings, ({ path }) => path)
  return Promise.all([...files].map(([path, all]) => plannedFile(path, all)))
}

async function plannedFile(given: string, settings: readonly Setting[]): Promise<Saved> {
  const path = await target(given)
  const [{ format = 'npmrc' } = {}] = settings as Setting[]
  const before = await textOf(path)
  const text = settingsText(format, before ?? '', path)
  const values = settings.map(({ key, change }) => {
    const was = text.get(key)
    const value = change(was)
    text.set(key, value)
    return { key: [...key], before: was, after: value }
  })
  const mode = before === undefined ? {} : { mode: (await stat(path)).mode & 0o777, before }
  return { path, format, ...mode, after: text.toString(), values, isSecret: settings.some(({ isSecret }) => isSecret) }
}

/** @throws CatalogError `FILE_UNREADABLE`, `DISK_FULL` */
export async function carryOut({ path, mode = 0o644, after, isSecret }: Saved): Promise<void> {
  await writeWhole(path, after, isSecret ? 0o600 : mode)
}

/**
 * Put a file back as it was, to the byte and with its mode; where somebody has changed it since, only those values
 * which are still what they were made.
 */
export async function putBack({ path, format, mode, before, after, values }: Saved): Promise<void> {
  const now = await textOf(path)
  if (now === before) return
  if (now === after) {
    await (before === undefined ? rm(path) : writeWhole(path, before, mode ?? 0o600))
    return
  }
  const text = settingsText(format, now ?? '', path)
  const ours = values.filter(({ key, after }) => JSON.stringify(text.get(key)) === JSON.stringify(after))
  for (const { key, before } of ours) text.set(key, before)
  if (ours.length > 0) await writeWhole(path, text.toString(), (await stat(path)).mode & 0o777)
}

/** @returns nothing where no file is */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw fileError(path, thrown)
  }
}

/** Another file beside, which takes the place of what is there: at no time is half of it to be read. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.${randomUUID()}`
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(beside, 'wx', mode)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // Whatever the process masks.
    await chmod(beside, mode)
    await rename(beside, path)
  } catch (thrown) {
    await rm(beside, { force: true })
    throw fileError(path, thrown)
  }
}

/** Where a link leads: people keep such files elsewhere, and link to them. */
async function target(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw fileError(path, thrown)
  }
}
