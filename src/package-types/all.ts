// The package types there are, first to last as they are tried on a path. A new type is a file here and a line.
import { stat } from 'node:fs/promises'
import { CatalogError } from '../base/errors.ts'
import { unreadable } from './archive.ts'
import { quote } from './entry-path.ts'
import { generic } from './generic.ts'
import { npm } from './npm.ts'
import type { PackageType } from './package-type.ts'

export const PACKAGE_TYPES: readonly PackageType[] = [npm, generic]

/** @throws CatalogError `USAGE` naming the types there are */
export function packageType(type: string): PackageType {
  const found = PACKAGE_TYPES.find((candidate) => candidate.type === type)
  if (found !== undefined) return found
  throw new CatalogError('USAGE', `${quote(type)} is not a package type this node knows.`, {
    hint: `Use one of ${PACKAGE_TYPES.map((known) => known.type).join(', ')}.`,
  })
}

/**
 * The type a file or folder looks like.
 *
 * @throws CatalogError `FILE_UNREADABLE` when there is nothing at `path`, or nothing that can be published
 */
export async function recognise(path: string): Promise<PackageType> {
  for (const type of PACKAGE_TYPES) if (await type.recognises(path)) return type
  await stat(path).catch((error: unknown) => {
    throw unreadable(error, path)
  })
  throw new CatalogError('FILE_UNREADABLE', `${quote(path)} is neither a file nor a folder.`)
}
