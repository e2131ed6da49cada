// What is known here of a release, for people.
import { toHex } from '../base/bytes.ts'
import { formatPurl } from '../model/purl.ts'
import { contentOf, type Release } from '../model/release.ts'
import { packageType } from '../package-types/all.ts'
import type { Blobs } from '../store/blobs.ts'
import type { Pins } from '../store/pins.ts'
import type { Records } from '../store/records.ts'
import type { PackageUsage, Usage } from '../store/usage.ts'
import type { Notices } from '../trust/notices.ts'
import type { Shares } from '../trust/shares.ts'
import { signersOf, trustState } from '../trust/view.ts'
import type { PackageInfo, SharedPackage } from './answers.ts'
import type { Permissions } from './permissions.ts'

interface Components {
  permissions: Permissions
  pins: Pins
  records: Records
  shares: Shares
  notices: Notices
  blobs: Blobs
  usage: Usage
}

export function summaryOf({ shares }: Pick<Components, 'shares'>, release: Release): Omit<SharedPackage, 'fresh'> {
  return {
    purl: release.purl,
    record: toHex(release.record.id),
    permission: shares.permissionOf(release),
    artifacts: release.body.artifacts.map(({ path, size, sha256 }) => ({ path, size, sha256: toHex(sha256) })),
  }
}

export function infoOf(components: Components, release: Release): PackageInfo {
  const { permissions, pins, records, shares, notices, blobs, usage } = components
  const { body, record } = release
  const all = records.releases(body)
  const type = packageType(body.type)
  const claimants = signersOf(all).length
  const { tags, deprecated, withdrawn } = notices.of(body, record.signer)
  const versions = new Set(all.map((other) => other.body.version).filter((version) => !withdrawn.has(version)))
  return {
    ...summaryOf(components, release),
    name: body.name,
    version: body.version,
    description: body.description,
    license: body.license,
    keywords: body.keywords,
    sharedWith: permissions.describe(shares.grantOf(release), record.signer),
    publisher: record.signer,
    trust: trustState(record.signer, pins.get(body), claimants),
    publishedAt: new Date(record.statement.at).toISOString(),
    dependencies: body.dependencies.map(({ type, name, range }) => ({ purl: formatPurl({ type, name }), range })),
    local: contentOf(release).every(({ root }) => blobs.get(root) !== undefined),
    versions: [...versions].sort((a, b) => type.compareVersions(b, a)),
    tags: Object.fromEntries([...tags].filter(([, version]) => versions.has(version))),
    deprecated: deprecated.get(body.version) ?? null,
    withdrawn: withdrawn.has(body.version),
    usage: usageOf(usage.of(body)),
  }
}

function usageOf(used: PackageUsage | undefined): PackageInfo['usage'] {
  const { fetches, installs, hour, day, month } = used ?? { fetches: 0, installs: 0, hour: 0, day: 0, month: 0 }
  return { fetches, installs, hour, day, month }
}
