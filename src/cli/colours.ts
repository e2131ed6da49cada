// Colours, only where a terminal shows them and nobody asked for none. Told apart by stream: data may go into a file
// while messages are read. The library's own guess is not used: it takes a CI machine for a terminal.
import picocolors from 'picocolors'

const { NO_COLOR, FORCE_COLOR } = process.env
const wanted = (stream: NodeJS.WriteStream) => !NO_COLOR && (stream.isTTY === true || Boolean(FORCE_COLOR))

/** For what goes to stdout. */
export const dataColours = picocolors.createColors(wanted(process.stdout))
/** For what goes to stderr. */
export const messageColours = picocolors.createColors(wanted(process.stderr))
