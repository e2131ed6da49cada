// yarn 1 as its users have it: what it does is in npm-walk.ts.
import { yarn1 } from './npm-clients.ts'
import { walk } from './npm-walk.ts'

walk(yarn1)
