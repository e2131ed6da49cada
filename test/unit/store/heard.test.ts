import { test } from 'tap'
import { openStore } from './opened.ts'

test('a publisher is remembered with the first time and the first three who named it', async (t) => {
  const store = await openStore(t)
  const { heard, clock } = store
  t.equal(heard.get('publisher:a'), undefined)
  const since = clock.now()
  await heard.note(['publisher:a', 'publisher:b', 'publisher:a'], 'peer-1')
  t.strictSame(heard.get('publisher:a'), { since, from: ['peer-1'] })
  await clock.advance(1000)
  await Promise.all(['peer-1', 'peer-2', 'peer-3', 'peer-4'].map((peer) => heard.note(['publisher:a'], peer)))
  const named = { since, from: ['peer-1', 'peer-2', 'peer-3'] }
  t.strictSame(heard.get('publisher:a'), named)
  t.strictSame(heard.get('publisher:b'), { since, from: ['peer-1'] })
  const again = await store.reopen()
  t.strictSame(again.heard.get('publisher:a'), named, 'over a restart')
})

test('what is known already costs no commit', async (t) => {
  const { heard, environment } = await openStore(t)
  await heard.note(['publisher:a'], 'peer-1')
  let commits = 0
  environment.addHook({ beforeCommit: () => commits++, committed: () => undefined, rolledBack: () => undefined })
  await heard.note(['publisher:a'], 'peer-1')
  await heard.note([], 'peer-2')
  t.equal(commits, 0)
  await heard.note(['publisher:a'], 'peer-2')
  t.equal(commits, 1)
})
