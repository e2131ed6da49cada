// What the processes of the mesh and who measures them say to each other.
import type { Inquiry } from '../../src/discovery/federation.ts'

export interface NodeJob {
  readonly folder: string
  /** Of a hundred packages, how many it has; which of them is drawn with `name`. */
  readonly share: number
  readonly name: string
}

export type Ask =
  | { readonly type: 'dial'; readonly addresses: readonly string[] }
  | { readonly type: 'search'; readonly query: string; readonly local: boolean }

export type Tell =
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  | { readonly type: 'dialled' }
  | {
      readonly type: 'found'
      readonly results: readonly { readonly name: string; readonly publisher: string }[]
      readonly withheld: number
      readonly inquiries: readonly Inquiry[]
      readonly ms: number
    }

export function tell(message: Tell): void {
  process.send?.(message)
}
