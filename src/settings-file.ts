// catalog.toml of a data directory: what the user wrote there, read before anything is written.
import { readFileSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import { fileError } from './base/disk.ts'
import { CatalogError } from './base/errors.ts'

/** @throws CatalogError `DATA_DIR` when it may not be read, `CONFIG_INVALID` when it is not TOML */
export function readSettingsFile(path: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException
    // Of a path that is no folder, whoever claims the directory tells more.
    if (code === 'ENOENT' || code === 'ENOTDIR') return {}
    if (code === 'EACCES' || code === 'EPERM') {
      const { message } = fileError(path, thrown)
      throw new CatalogError('DATA_DIR', `The data directory cannot be used. ${message}`, {
        hint: 'Choose a folder of your own with --data-dir DIR.',
        cause: thrown,
      })
    }
    throw new CatalogError('CONFIG_INVALID', `The settings in ${path} cannot be read.`, { cause: thrown })
  }
  try {
    return parseToml(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    throw new CatalogError('CONFIG_INVALID', `The settings in ${path} are not TOML: ${reason}`, { cause })
  }
}
