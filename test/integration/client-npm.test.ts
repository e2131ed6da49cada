// npm as its users have it: what it does is in npm-walk.ts.
import { npm } from './npm-clients.ts'
import { walk } from './npm-walk.ts'

walk(npm)
