// The logger the library writes to; pino has this shape. Silent unless the host injects one.

type Write = (fields: Record<string, unknown>, message: string) => void

export interface Logger {
  debug: Write
  info: Write
  warn: Write
  error: Write
}

const drop: Write = () => undefined

export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop }
