// Logging in as npm does it, in a browser or with a name and a password, and out again; neither takes a password for
// proof. What waits for whom is in ../logins.ts.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { CatalogError } from '../../base/errors.ts'
import { LOGIN_BODY_BYTES_MAX } from '../../base/http-limits.ts'
import type { SharingManager } from '../../sharing-manager.ts'
import type { Tokens } from '../../store/tokens.ts'
import { authorise } from '../authorise.ts'
import type { Logins } from '../logins.ts'
import { textOf } from './body.ts'

const USER_PREFIX = 'org.couchdb.user:'
/** Seconds after which a program asks again whether it was let in. */
const ASK_AGAIN_S = 1

interface Components {
  sharing: SharingManager
  tokens: Tokens
  logins: Logins
}

type Body = { Body: Readable | undefined }

export function loginRoutes(scope: FastifyInstance, { sharing, tokens, logins }: Components): void {
  scope.post<Body>('/-/v1/login', async (request) => {
    await small(request.body)
    const { code, secret } = logins.ask(programOf(request))
    const here = `http://${request.headers.host}`
    return { loginUrl: `${here}/login/${code}`, doneUrl: `${here}${scope.prefix}/-/v1/login/${secret}` }
  })
  scope.get<{ Params: { secret: string } }>('/-/v1/login/:secret', async ({ params }, reply) => {
    const token = await logins.claim(params.secret)
    reply.header('cache-control', 'no-store')
    return token === undefined ? reply.code(202).header('retry-after', ASK_AGAIN_S).send({}) : { token }
  })
  scope.put<Body & { Params: { user: string } }>('/-/user/:user', async (request, reply) => {
    const { name, password } = await smallJson(request.body, credentials)
    if (request.params.user !== USER_PREFIX + name) throw new CatalogError('USAGE', 'This is of another user.')
    const token = await logins.claimAs(name, password, programOf(request))
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .send({ ok: true, id: USER_PREFIX + name, token })
  })
  scope.delete<{ Params: { token: string } }>('/-/user/token/:token', async ({ params }) => {
    // Whether it was one or not: it opens nothing from now on.
    await tokens.giveBack(params.token)
    return { ok: true }
  })
  scope.get('/-/npm/v1/user', async (request: FastifyRequest, reply: FastifyReply) => {
    authorise(tokens, request)
    const publisher = await sharing.publisher()
    return reply.send({ tfa: null, name: publisher ?? 'nobody yet', email: '', email_verified: false })
  })
}

const credentials = z.looseObject({ name: z.string().min(1), password: z.string().min(1) })

/** As it names itself, and without what could turn the line in which the owner reads it. */
function programOf({ headers }: FastifyRequest): string {
  const [agent = ''] = (headers['user-agent'] ?? '').split(' ')
  return `login by ${/^[\w./@-]{1,60}$/.test(agent) ? agent : 'a program without a name'}`
}

/** @throws CatalogError `USAGE`, `LIMIT_EXCEEDED` */
async function smallJson<T>(body: Readable | undefined, schema: z.ZodType<T>): Promise<T> {
  const text = await small(body)
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CatalogError('USAGE', 'This is not what npm sends to log in.', { cause })
  }
}

/** @throws CatalogError `LIMIT_EXCEEDED` */
function small(body: Readable | undefined): Promise<string> {
  return textOf(body, LOGIN_BODY_BYTES_MAX, 'To log in takes no more than a name.')
}
