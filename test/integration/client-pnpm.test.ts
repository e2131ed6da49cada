// pnpm as its users have it: what it does is in npm-walk.ts.
import { pnpm } from './npm-clients.ts'
import { walk } from './npm-walk.ts'

walk(pnpm)
