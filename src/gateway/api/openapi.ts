// The document that describes the API on TCP, OpenAPI 3.1, made of the schemas that check what is sent.
import { z } from 'zod'
import { ERRORS, type ErrorCode } from '../../base/errors.ts'
import { VERSION } from '../../version.ts'
import { API_PREFIX, ENDPOINTS, type Endpoint } from './endpoints.ts'

type Json = Record<string, unknown>

const errorSchema = z.looseObject({
  type: z.literal('error'),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
  hint: z.string().optional().describe('The next step.'),
})
const TOKEN = { type: 'http', scheme: 'bearer', description: 'As "catalog token create" tells it, once.' }
const FAILURE = { description: 'Why not.', content: json({ $ref: '#/components/schemas/Error' }) }

export function openApi(): Json {
  const paths = [...Map.groupBy(ENDPOINTS, ({ path }) => path)].map(([path, endpoints]) => [
    API_PREFIX + path,
    Object.fromEntries(endpoints.map((each) => [each.method.toLowerCase(), describe(each)])),
  ])
  return {
    openapi: '3.1.0',
    info: {
      title: 'Catalog node',
      version: VERSION,
      description: 'What programs of this machine can ask a node. It answers under the names of this machine alone.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths: Object.fromEntries(paths),
    components: { schemas: { Error: schemaOf(errorSchema, 'output') }, securitySchemes: { token: TOKEN } },
  }
}

function describe({ method, path, summary, isPublic, query, body, answer }: Endpoint): Json {
  const { properties = {}, required = [] } = schemaOf(query, 'input') as { properties?: Json; required?: string[] }
  const parameters = Object.entries(properties).map(([name, schema]) => {
    return { name, in: 'query', required: required.includes(name), schema }
  })
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w)/g, (_, first: string) => first.toUpperCase())}`,
    summary,
    security: isPublic ? [] : [{ token: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: json(schemaOf(body, 'input')) } }),
    responses: { 200: { description: 'So it is.', content: json(schemaOf(answer, 'output')) }, default: FAILURE },
  }
}

function json(schema: Json): Json {
  return { 'application/json': { schema } }
}

/** The document says which dialect it is in, once. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...said } = z.toJSONSchema(schema, { io })
  return said
}
