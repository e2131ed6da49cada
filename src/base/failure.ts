// What goes wrong where nobody waits for it: told as a fact, and the node goes on.
import { CatalogError, type ErrorCode } from './errors.ts'
import { emit } from './events.ts'

/** @param unless - codes that are no news here */
export function tellFailure(task: string, thrown: unknown, ...unless: ErrorCode[]): void {
  const { code, message } = CatalogError.from(thrown)
  if (!unless.includes(code)) emit('catalog:failure', { task, code, message })
}
