// Which files of a folder belong into its npm package. npm-packlist knows npm's rules (files, .npmignore, what is
// always in, what never); it wants the tree npm builds of node_modules, of which only bundled dependencies matter.
import { lstat, readFile, realpath } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import packlist, { type PackTree } from 'npm-packlist'
import { CatalogError } from '../base/errors.ts'
import { INSTALL_PACKAGES_MAX } from '../base/limits.ts'
import { unreadable } from './archive.ts'
import { quote } from './entry-path.ts'
import { parsePackageJson } from './npm-manifest.ts'

/**
 * Paths relative to `folder`, with forward slashes, in no particular order. Scripts such as `prepack` are not run.
 *
 * @param packageJson - the folder's package.json, parsed
 * @throws CatalogError `FILE_UNREADABLE`; `MANIFEST_INVALID` when a bundled dependency is not installed
 */
export async function npmFiles(folder: string, packageJson: Record<string, unknown>): Promise<string[]> {
  const root = await realpath(folder)
  const tree = newTree(root, root, packageJson, true)
  await addBundled(tree, root)
  try {
    const files = await packlist(tree)
    return files.map((file) => file.replace(/^\.\//, ''))
  } catch (error) {
    throw unreadable(error, folder)
  }
}

/** Paths that package.json offers as commands; npm packs them as executable. */
export function npmExecutables(packageJson: Record<string, unknown>): Set<string> {
  return new Set(Object.values(commands(packageJson)).map((path) => path.replace(/^(\.?\/)+/, '')))
}

function newTree(path: string, target: string, packageJson: Record<string, unknown>, isRoot: boolean): PackTree {
  const tree = { path: target, package: tidied(packageJson), isProjectRoot: isRoot, edgesOut: new Map() } as PackTree
  // A linked package is walked at the link's place but has its own files and dependencies.
  tree.isLink = false
  tree.target = tree
  return path === target ? tree : { ...tree, path, isLink: true }
}

/** The fields npm-packlist reads, in the shapes it expects; it trusts them. */
function tidied(packageJson: Record<string, unknown>): Record<string, unknown> {
  const { files, main, browser } = packageJson
  return {
    ...(Array.isArray(files) ? { files: files.filter((file) => typeof file === 'string' && file !== '') } : {}),
    ...(typeof main === 'string' ? { main } : {}),
    ...(typeof browser === 'string' ? { browser } : {}),
    bin: commands(packageJson),
    bundleDependencies: bundled(packageJson),
    dependencies: mapOf(packageJson['dependencies']),
    optionalDependencies: mapOf(packageJson['optionalDependencies']),
  }
}

function commands(packageJson: Record<string, unknown>): Record<string, string> {
  const { bin } = packageJson
  if (typeof bin === 'string') return { bin }
  return Object.fromEntries(
    Object.entries(mapOf(bin)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function bundled(packageJson: Record<string, unknown>): string[] {
  const given = packageJson['bundleDependencies'] ?? packageJson['bundledDependencies']
  if (given === true) return Object.keys(mapOf(packageJson['dependencies']))
  return Array.isArray(given) ? given.filter((name) => typeof name === 'string') : []
}

/** Bundled packages and all they need, found as Node finds them: in node_modules here or further out. */
async function addBundled(root: PackTree, top: string): Promise<void> {
  const known = new Map<string, PackTree>()
  const open: [PackTree, string[], Record<string, unknown>][] = []
  open.push([root, bundled(root.package), mapOf(root.package['optionalDependencies'])])
  for (let next = open.pop(); next; next = open.pop()) {
    const [from, names, optional] = next
    for (const name of names) {
      const path = await findInstalled(from.path, top, name)
      if (path === undefined) {
        if (from === root && !Object.hasOwn(optional, name)) throw notInstalled(name)
        continue
      }
      let node = known.get(path)
      if (node === undefined) {
        node = await readNode(path)
        known.set(path, node)
        if (known.size > INSTALL_PACKAGES_MAX) {
          throw new CatalogError('LIMIT_EXCEEDED', `This package bundles more than ${INSTALL_PACKAGES_MAX} others.`)
        }
        const { dependencies, optionalDependencies } = node.package
        const wanted = { ...mapOf(dependencies), ...mapOf(optionalDependencies) }
        open.push([node.target, Object.keys(wanted), mapOf(optionalDependencies)])
      }
      from.edgesOut.set(name, { to: node, peer: false, dev: false })
    }
  }
}

async function readNode(path: string): Promise<PackTree> {
  try {
    const target = (await lstat(path)).isSymbolicLink() ? await realpath(path) : path
    return newTree(path, target, parsePackageJson(await readFile(join(target, 'package.json'))), false)
  } catch (error) {
    throw unreadable(error, join(path, 'package.json'))
  }
}

async function findInstalled(from: string, top: string, name: string): Promise<string | undefined> {
  if (name.split('/').includes('..')) return undefined
  for (let folder = from; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    const found = await lstat(path).then(
      () => true,
      () => false,
    )
    // Beyond the package's own folder nothing is packed, though a linked package may lie elsewhere altogether.
    if (found && path.startsWith(top + sep)) return path
    if (folder === top || dirname(folder) === folder) return undefined
  }
}

function mapOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function notInstalled(name: string): CatalogError {
  return new CatalogError('MANIFEST_INVALID', `package.json bundles ${quote(name)}, which is not in node_modules.`, {
    hint: 'Run "npm install" in the folder first.',
  })
}
