// npm-packlist ships no types. It wants a tree as npm's arborist builds it; these are the parts it reads.
declare module 'npm-packlist' {
  export interface PackTree {
    path: string
    package: Record<string, unknown>
    isProjectRoot: boolean
    isLink: boolean
    target: PackTree
    edgesOut: Map<string, { to: PackTree | undefined; peer: boolean; dev: boolean }>
  }
  export default function packlist(tree: PackTree): Promise<string[]>
}
