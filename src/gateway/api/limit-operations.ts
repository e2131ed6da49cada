// Operations on how fast a node may send and receive.
import { z } from 'zod'
import { formatRate, parseRate } from '../../base/units.ts'
import type { LimitsStatus } from '../../transfer/limits.ts'
import { type Line, operation } from './operation.ts'

/** Bytes a second, or text such as "10 MB/s" or "unlimited". */
const rate = z.union([z.number(), z.string()]).transform((given, context) => {
  const parsed = parseRate(given)
  if (parsed === undefined) context.addIssue({ code: 'custom', message: `"${given}" is no rate such as 10 MB/s` })
  return parsed ?? 0
})

/**
 * Changes what is given, `clear` first going back to the settings; then `limits` {up, down: {bytesPerSecond, from:
 * settings, changed or schedule, traffic}, perPeer: {bytesPerSecond, from}, limitLocal, schedule}. No limit is null. An
 * empty schedule takes it away.
 */
export const limits = operation({
  input: z.strictObject({
    up: rate.optional(),
    down: rate.optional(),
    perPeer: rate.optional(),
    schedule: z.string().optional(),
    clear: z.boolean().optional(),
  }),
  async *run({ sharing }, { clear = false, ...change }) {
    const { limits } = sharing
    if (clear) await limits.clear()
    if (Object.values(change).some((value) => value !== undefined)) await limits.change(change)
    yield limitsLine(limits.status())
  },
})

function limitsLine({ up, down, perPeer, limitLocal, schedule }: LimitsStatus): Line {
  const shown = <Rest extends object>({ rate, ...rest }: Rest & { rate: number }) => {
    return { bytesPerSecond: Number.isFinite(rate) ? rate : null, rate: formatRate(rate), ...rest }
  }
  return {
    type: 'limits',
    up: shown(up),
    down: shown(down),
    perPeer: shown(perPeer),
    limitLocal,
    schedule: schedule ?? null,
  }
}
