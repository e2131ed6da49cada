// The page's style sheet, allowed by its hash so that no other style or script can run.
import { createHash } from 'node:crypto'

export const STYLE = `
:root { color-scheme: light dark; --ink: #1c2333; --soft: #5b6478; --line: #d9dee8; --paper: #fbfcfe; --card: #fff;
  --accent: #2457d6; --good: #17703f; --warn: #8a5a00; --bad: #a3262d }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f2; --soft: #9aa4ba; --line: #2c3447; --paper: #11151f;
  --card: #181d2a; --accent: #8aacff; --good: #6fd39b; --warn: #f0c060; --bad: #ff9a9f } }
* { box-sizing: border-box }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 1rem }
header { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: center; padding-top: 2rem }
h1 { margin: 0; font-size: 1.6rem }
h1 a { color: inherit; text-decoration: none }
h2 { font-size: 1.05rem; margin: 0 0 .75rem }
h3 { font-size: 1.05rem; margin: 0 }
small { color: var(--soft); font-weight: normal; overflow-wrap: anywhere }
a { color: var(--accent) }
form { display: flex; flex: 1 1 20rem; gap: .5rem }
label { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
input { flex: 1; min-width: 0; padding: .55rem .75rem; font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .5rem }
button { padding: .55rem 1rem; font: inherit; color: var(--paper); background: var(--accent); border: 0;
  border-radius: .5rem; cursor: pointer }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem;
  margin-bottom: 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.5rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .75rem; overflow-wrap: anywhere }
.results { gap: 1.1rem }
.results p { margin: .15rem 0 0 }
.note { color: var(--soft); margin: 0 0 .75rem }
.how { color: var(--soft); font-size: .9rem }
code { font: .92em ui-monospace, monospace }
.badge { font-size: .75rem; font-weight: normal; padding: .1rem .5rem; border: 1px solid currentColor;
  border-radius: 1rem; vertical-align: .1em; color: var(--soft) }
.badge.pinned { color: var(--good) } .badge.contested { color: var(--warn) } .badge.foreign { color: var(--bad) }
footer { color: var(--soft); font-size: .9rem }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .6rem } }
`

export const STYLE_HASH = `sha256-${createHash('sha256').update(STYLE).digest('base64')}`
