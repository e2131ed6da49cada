// Loaded into the threads of a process that is to die: in a worker, the chosen write or fdatasync is its last. What a
// worker writes goes past `Disk`, so this stands between it and the system.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { die, type Point } from './self-kill.ts'

const text = process.env['CATALOG_TEST_KILL_WORKER']
if (!isMainThread && text !== undefined) {
  const { at, phase } = JSON.parse(text) as Point
  const { writeSync } = fs
  let count = 0
  const dying = (file: number, bytes: Uint8Array, offset: number, length: number, position: number): number => {
    count++
    if (count < at) return writeSync(file, bytes, offset, length, position)
    if (phase === 'before') die()
    writeSync(file, bytes, offset, phase === 'within' ? length >> 1 : length, position)
    die()
  }
  fs.writeSync = dying as typeof fs.writeSync
  syncBuiltinESMExports()
}
