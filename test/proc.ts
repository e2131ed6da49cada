// What a process on Linux has spent and has, as /proc tells it.
import { readFileSync } from 'node:fs'
import { KiB } from '../src/base/units.ts'

/** Ticks a second in /proc on every Linux that Node runs on. */
const TICKS = 100

/** User and system time of all its threads so far; 0 where the system has no /proc. */
export function cpuSeconds(pid: number): number {
  if (process.platform !== 'linux') return 0
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const [user = 0, system = 0] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number)
  return (user + system) / TICKS
}

/** Memory in place: the most there ever was, all, the process's own, or pages of files, which may be taken back. */
export function residentBytes(pid: number, what: 'VmHWM' | 'VmRSS' | 'RssAnon' | 'RssFile'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(text)?.[1]) * KiB
}
