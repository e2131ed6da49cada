// What may be a tag: nothing that could also be read as a version or a range, in whatever type.
import semver from 'semver'
import { CatalogError } from '../base/errors.ts'

/** npm's own rule and words. @throws CatalogError `NAME_INVALID` */
export function checkTag(tag: string): void {
  if (semver.validRange(tag, { loose: true }) === null) return
  throw new CatalogError('NAME_INVALID', `Tag name must not be a valid SemVer range: ${tag.slice(0, 80)}`, {
    hint: 'Take a word for it, such as "beta".',
  })
}
