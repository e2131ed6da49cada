// The thread that reads packuments: a large one would keep the event loop for a tenth of a second.
import { move, transferableSymbol, valueSymbol } from 'piscina'
import { type ReadPackument, readPackument } from './packument.ts'

export interface ReadTask {
  readonly bytes: Uint8Array
  readonly name: string
}

export default function read({ bytes, name }: ReadTask): ReadPackument {
  const document = readPackument(bytes, name)
  // Moved to the receiver rather than cloned.
  const transfer = { [transferableSymbol]: [document.bytes.buffer], [valueSymbol]: document }
  return move(transfer) as unknown as ReadPackument
}
