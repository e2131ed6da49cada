// What is asked for while nobody is there waits, over a restart too, and is done when a peer appears.
import { join } from 'node:path'
import tap, { test } from 'tap'
import { freePort } from '../free-port.ts'
import { eventually, type Line, run, startNode } from './processes.ts'

tap.setTimeout(120_000)

test('what waits for a peer is told, survives a restart, and is done in order', async (t) => {
  const folder = t.testdir({ one: 'one', far: 'far' })
  const place = join(folder, 'near')
  const offline = ['--data-dir', place]
  const named = (name: string) => ['--type', 'generic', '--name', name, '--version', '1.0.0', ...offline]
  for (const name of ['knot', 'rope']) await run(['publish', join(folder, 'one'), ...named(name)])
  await run(['tag', 'add', 'pkg:generic/rope@1.0.0', 'good', ...offline])
  const controlPort = await freePort()
  const far = await startNode(t, join(folder, 'far-node'), { controlPort })
  await far.run('publish', join(folder, 'far'), '--type', 'generic', '--name', 'sail', '--version', '2.0.0')
  const { address, dataDir } = far
  await far.stop()

  const alone = await startNode(t, place)
  t.match((await alone.run('pin', 'pkg:generic/sail@2.0.0')).lines, [{ type: 'waiting', work: 'pin' }])
  t.match((await alone.run('sync', address)).lines, [{ type: 'waiting', work: 'sync', subject: address }])
  t.match((await alone.run('sync', address)).lines, [{ type: 'waiting' }], 'twice is once')
  await alone.stop()
  const waiting = {
    records: 3,
    works: [
      { kind: 'pin', subject: 'pkg:generic/sail@2.0.0' },
      { kind: 'sync', subject: address },
    ],
  }
  const [told] = (await run(['status', ...offline])).lines
  t.match(told?.['waiting'], waiting)

  const again = await startNode(t, place)
  const back = await startNode(t, dataDir, { controlPort })
  t.equal(back.address, address, 'which the sync that waits is looking for')
  await eventually(
    'all is done',
    async () => {
      const [status] = (await again.run('status')).lines
      const { records, works } = (status as Line)['waiting'] as { records: number; works: unknown[] }
      return records === 0 && works.length === 0 ? true : undefined
    },
    60_000,
  )
  const { lines } = await back.run('search', 'rope', '--local')
  t.match(lines[0], { name: 'rope' }, 'what was published is known there')
  const fetched = await again.run('verify', 'pkg:generic/sail@2.0.0')
  t.match(fetched.lines.at(-1), { artifacts: 1, damaged: 0 }, 'what is pinned has come')
})
