// Operations from the command line: asked of the node that owns the data directory when one is running, else run here
// on the store itself.
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { CatalogError, type ErrorData } from '../base/errors.ts'
import type { Line } from '../gateway/api/operation.ts'
import { type OperationName, prepare } from '../gateway/api/operations.ts'
import { type DataPaths, dataPaths, ownerOf } from '../store/data-directory.ts'

/** Lines of one operation. @throws CatalogError whatever the operation ended with */
export async function* operate(
  dataDir: string,
  name: OperationName,
  input: Record<string, unknown>,
  signal: AbortSignal,
): AsyncGenerator<Line> {
  const paths = dataPaths(dataDir)
  if (ownerOf(paths) !== undefined) {
    yield* ask(paths, name, input, signal)
    return
  }
  const prepared = prepare(name, input)
  if (prepared.needsNode) throw noNode(dataDir)
  // Loaded only here: a client of a running node starts in a third of the time without it.
  const { CatalogNode } = await import('../node.ts')
  await using node = await CatalogNode.open({ dataDir })
  await node.catchUp()
  yield* prepared.run(node, signal)
}

function noNode(dataDir: string): CatalogError {
  return new CatalogError('PEER_UNREACHABLE', 'No node is running on this data directory.', {
    hint: `Start one in another terminal: catalog up --data-dir ${dataDir}`,
  })
}

async function* ask(
  paths: DataPaths,
  name: OperationName,
  input: Record<string, unknown>,
  signal: AbortSignal,
): AsyncGenerator<Line> {
  const response = await post(paths, `/api/v1/${name}`, JSON.stringify(input), signal)
  let ended = false
  try {
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as Line
      if (line.type === 'error') throw CatalogError.fromJSON(line as unknown as ErrorData)
      yield line
    }
    ended = response.complete
  } catch (thrown) {
    signal.throwIfAborted()
    throw CatalogError.from(thrown, 'CLOSED')
  } finally {
    response.destroy()
  }
  if (!ended) throw new CatalogError('CLOSED', 'The node stopped before it had finished.')
}

type Response = import('node:http').IncomingMessage

function post({ socket, root }: DataPaths, path: string, body: string, signal: AbortSignal): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), host: 'localhost' }
  const call = request({ socketPath: socket, path, method: 'POST', headers, signal }, resolve)
  call.on('error', (cause) => {
    if (signal.aborted) return reject(signal.reason)
    const hint = 'If it is just starting, try again in a moment.'
    reject(new CatalogError('CLOSED', `The node that owns ${root} does not answer.`, { hint, cause }))
  })
  call.end(body)
  return promise
}
