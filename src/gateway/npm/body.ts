// Bodies that are short: read whole, up to a bound.
import type { Readable } from 'node:stream'
import { CatalogError } from '../../base/errors.ts'

/** @param tooMuch - said when more comes @throws CatalogError `LIMIT_EXCEEDED` */
export async function textOf(body: Readable | undefined, bytesMax: number, tooMuch: string): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body ?? []) {
    bytes += piece.length
    if (bytes > bytesMax) throw new CatalogError('LIMIT_EXCEEDED', tooMuch)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}
