// What is published into both registries, as npm does it: one document with the tarball in it.
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { type Pack, pack } from 'tar-stream'
import type { RegistryServer } from './servers.ts'

export type Manifest = { name: string; version: string } & Record<string, unknown>

export interface Package {
  readonly manifest: Manifest
  readonly tarball: Buffer
  readonly integrity: string
}

/** What of an entry in a lock file counts here. */
interface Locked {
  dev?: boolean
  integrity?: string
}

/** A project to install, and the packages that its lock file names. */
export interface Project {
  readonly files: Record<'package.json' | 'package-lock.json', string>
  readonly packages: readonly Package[]
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Of the development dependencies those that have none themselves: with them there are more than two hundred. */
const BESIDES = ['minisearch', 'undici']
const GZIP_LEVEL = 6

/** @param bytes - of noise in its one file beside the manifest: the tarball is a little larger */
export async function madePackage(manifest: Manifest, bytes: number): Promise<Package> {
  const archive = pack()
  archive.entry({ name: 'package/package.json' }, JSON.stringify(manifest))
  archive.entry({ name: 'package/noise' }, randomBytes(bytes))
  archive.finalize()
  return packed(manifest, archive)
}

/** This repository's own dependencies as they lie in its `node_modules`, in the tree of its lock file. */
export async function ownProject(): Promise<Project> {
  const { dependencies, devDependencies, overrides } = json('package.json')
  const { lockfileVersion, packages } = json('package-lock.json') as { lockfileVersion: number; packages: object }
  const asked = { ...(dependencies as object), ...picked(devDependencies as object, BESIDES) }
  const root = { name: 'project', version: '1.0.0', dependencies: asked }
  const besides = new Set(BESIDES.map((name) => `node_modules/${name}`))
  const tree = Object.entries(packages as Record<string, Locked>).filter(
    ([path, { dev }]) => path !== '' && (!dev || besides.has(path)),
  )
  const made = new Map<string, Package>()
  const locked: Record<string, object> = { '': root }
  for (const [path, { dev: _dev, ...entry }] of tree) {
    locked[path] = entry
    // Those for other platforms are named, and never asked for.
    if (!existsSync(join(ROOT, path))) continue
    const manifest = json(`${path}/package.json`) as Manifest
    const id = `${manifest.name}@${manifest.version}`
    const known = made.get(id) ?? (await packedFolder(join(ROOT, path), manifest))
    made.set(id, known)
    locked[path] = { ...entry, integrity: known.integrity }
  }
  const files = {
    'package.json': JSON.stringify({ ...root, overrides }),
    'package-lock.json': JSON.stringify({ ...root, lockfileVersion, requires: true, packages: locked }),
  }
  return { files, packages: [...made.values()] }
}

export interface Published {
  readonly name: string
  readonly body: string
}

/** What is sent to publish; made beforehand, as it costs whoever publishes and not the registry. */
export function published({ manifest, tarball, integrity }: Package, { registry }: RegistryServer): Published {
  const { name, version } = manifest
  const file = `${name}-${version}.tgz`
  const shasum = createHash('sha1').update(tarball).digest('hex')
  const dist = { integrity, shasum, tarball: `${registry}${name}/-/${file}` }
  const attachment = {
    content_type: 'application/octet-stream',
    data: tarball.toString('base64'),
    length: tarball.length,
  }
  const body = JSON.stringify({
    ...{ _id: name, name, 'dist-tags': { latest: version } },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, readme: '', dist } },
    access: 'public',
    _attachments: { [file]: attachment },
  })
  return { name, body }
}

async function packedFolder(folder: string, manifest: Manifest): Promise<Package> {
  const archive = pack()
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((entry) => entry.isFile())) {
    const path = relative(folder, join(entry.parentPath, entry.name))
    if (!path.startsWith('node_modules')) archive.entry({ name: `package/${path}` }, readFileSync(join(folder, path)))
  }
  archive.finalize()
  return packed(manifest, archive)
}

async function packed(manifest: Manifest, archive: Pack): Promise<Package> {
  const tarball = await buffer(archive.pipe(createGzip({ level: GZIP_LEVEL })))
  return { manifest, tarball, integrity: `sha512-${createHash('sha512').update(tarball).digest('base64')}` }
}

/** A file of this repository. */
export function json(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}

function picked(from: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)))
}
