// A process that wants a data directory until it gets it. It then makes sure that nobody else has it, says so, and dies
// with it: others must take over from the dead. Argument: the directory.
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '../../../src/base/errors.ts'
import { claimDirectory, dataPaths } from '../../../src/store/data-directory.ts'

const paths = dataPaths(process.argv[2] ?? '')
const held = join(paths.root, 'held')
for (let isMine = false; !isMine; ) {
  isMine = await claimDirectory(paths).then(
    () => true,
    (thrown) => {
      if (hasCode(thrown, 'DATA_DIR_LOCKED')) return false
      throw thrown
    },
  )
}
closeSync(openSync(held, 'wx'))
// Long enough for others to come in, if they could.
for (const until = Date.now() + 5; Date.now() < until; );
unlinkSync(held)
writeSync(1, 'held')
process.kill(process.pid, 'SIGKILL')
