// The page that a program sends its user to when it wants a token. It tells what to type in a terminal and approves
// nothing itself: any process of this machine, and any link, could open it.
import type { FastifyInstance } from 'fastify'
import { LOGIN_MS } from '../../base/http-limits.ts'
import { MINUTE_MS } from '../../base/units.ts'
import type { Logins } from '../logins.ts'
import { escapeHtml, SECURITY_HEADERS } from './page.ts'
import { STYLE } from './style.ts'

export function loginPage(app: FastifyInstance, logins: Logins): void {
  app.get<{ Params: { code: string } }>('/login/:code', async ({ params: { code } }, reply) => {
    const waits = logins.waits(code)
    reply.code(waits ? 200 : 404).headers({ ...SECURITY_HEADERS, 'cache-control': 'no-store' })
    return reply.type('text/html; charset=utf-8').send(page(waits ? waiting(code) : GONE))
  })
}

function waiting(code: string): string {
  return `<h2>A program asks for a token</h2>
<p>If it is yours, and you have just asked it to log in, let it in from a terminal of this machine:</p>
<p><code>catalog token approve ${escapeHtml(code)}</code></p>
<p class="note">Add the <code>--data-dir</code> with which the node runs, if it has one. The token lets the program
publish as you; <code>catalog token list</code> shows it, and <code>catalog token revoke</code> takes it back.</p>`
}

const GONE = `<h2>Nobody waits with this code</h2>
<p>It was let in already, or has waited for more than ${LOGIN_MS / MINUTE_MS} minutes. Log in again for a new code.</p>`

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in – Catalog</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1><a href="/">Catalog</a></h1></header>
<main><section>${content}</section></main>
</body>
</html>
`
}
