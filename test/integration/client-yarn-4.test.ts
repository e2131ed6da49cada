// yarn 4 as its users have it: what it does is in npm-walk.ts.
import { yarn4 } from './npm-clients.ts'
import { walk } from './npm-walk.ts'

walk(yarn4)
