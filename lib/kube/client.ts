/** Asks the API server: every request has a budget, every failure is a fact with a sentence. Only `write` changes anything. */
import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Settings } from '../settings.ts'
import type { ApiServer, Fact } from '../types.ts'
import { authorityOf, type Connection, connectionFor } from './credentials.ts'
import { firstLine, known, mapFact, type Unknown } from './fact.ts'
import { connectionFailure, type Phase, statusFailure, wrongContent } from './failures.ts'
import { type Access, findAccess, type Places, serverUrl } from './kubeconfig.ts'

/** A kind of object, as the API's paths and RBAC name it. */
export interface Resource {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespaced: boolean
}

export interface ListOptions {
  /** null: all namespaces, or a kind without namespaces. */
  readonly namespace: string | null
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** At most this many pages; default 4. */
  readonly pages?: number
  /** Objects a page; default 500. */
  readonly pageSize?: number
  /** Objects without spec and status (PartialObjectMetadataList): a fraction of the bytes. */
  readonly metadataOnly?: boolean
}

export interface Listed<T> {
  readonly items: readonly T[]
  /** False: there are more objects than were read. */
  readonly complete: boolean
}

/** A way to read one cluster. */
export interface Kube {
  /** Without credentials: may go into the plan. */
  readonly server: ApiServer
  readonly context: string
  /** The context's namespace. */
  readonly namespace: string | null
  /** Absent on 404. */
  get<T>(resource: Resource, namespace: string | null, name: string): Promise<Fact<T>>
  list<T>(resource: Resource, options: ListOptions): Promise<Fact<Listed<T>>>
  /** A list of which each page is cut to what is wanted at once: of a big cluster not all objects are held together. */
  listOf<T, R>(resource: Resource, options: ListOptions, cut: (item: T) => readonly R[]): Promise<Fact<Listed<R>>>
  /** A path that is no object, such as /readyz?verbose. `accept`: statuses that are answers, beside 200. */
  text(path: string, accept?: readonly number[]): Promise<Fact<{ readonly status: number; readonly body: string }>>
  /** Creates or deletes. Only a run over all nodes does that, and only with objects of its own. Absent on 404. */
  write<T>(request: WriteRequest): Promise<Fact<T>>
  readonly cost: Cost
  close(): void
}

/** A change of one object. `dryRun`: everything is decided, nothing is kept. */
export interface WriteRequest {
  readonly verb: 'create' | 'delete'
  readonly resource: Resource
  readonly namespace: string | null
  readonly name: string
  /** The object to create; options of a deletion. */
  readonly body: unknown
  readonly dryRun?: boolean
}

/** What a run has asked of the API server so far. Bytes are of bodies as they came, compressed where they were. */
export interface Cost {
  readonly requests: number
  readonly bytes: number
}

const PAGE = 500

const METADATA_ONLY = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

const unzipped = promisify(gunzip)

/** Per-request budget, ms. */
export const REQUEST_BUDGET = 5_000

/**
 * Finds the kubeconfig and prepares its credentials; sends nothing to the server yet.
 * Codes: those of findAccess and connectionFor.
 */
export async function connectKube(settings: Settings, places?: Places, budget = REQUEST_BUDGET): Promise<Fact<Kube>> {
  const access = findAccess(settings, places)
  if (access.state !== 'known') return access
  const connection = await connectionFor(access.value)
  if (connection.state !== 'known') return connection
  const server = await serverOf(access.value, connection.value.ca)
  return known(new Client(access.value, connection.value, server, budget))
}

/** What the kubeconfig says about the server, which needs no credentials. Codes: those of findAccess. */
export async function locateServer(settings: Settings): Promise<Fact<ApiServer>> {
  const access = findAccess(settings)
  if (access.state !== 'known') return access
  const ca = authorityOf(access.value)
  return ca.state === 'known' ? known(await serverOf(access.value, ca.value)) : ca
}

async function serverOf({ from, cluster }: Access, ca: string | null): Promise<ApiServer> {
  const url = serverUrl(cluster.server) as URL
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const resolved = isIP(host) ? { addresses: [host] } : await addressesOf(host)
  return {
    url: `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`,
    from,
    host,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    ...resolved,
    serverName: cluster.tlsServerName ?? host,
    ca,
    insecure: cluster.skipTLSVerify === true,
    ...(cluster.proxyUrl ? { viaProxy: true } : {}),
  }
}

/** The system's resolver has no time limit of its own: a dead name server would hold the whole run. */
async function addressesOf(host: string): Promise<{ addresses: string[]; unresolved?: string }> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${REQUEST_BUDGET / 1000} s`)), REQUEST_BUDGET)
  })
  try {
    const found = await Promise.race([lookup(host, { all: true }), late])
    return { addresses: [...new Set(found.map(({ address }) => address))] }
  } catch (cause) {
    return { addresses: [], unresolved: firstLine(cause) }
  } finally {
    clearTimeout(timer)
  }
}

/** How a request differs from a plain GET of JSON that must end with 200. */
interface Wanted {
  /** Statuses that are answers, beside 200. */
  readonly accept?: readonly number[]
  /** Header Accept. */
  readonly accepts?: string
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly body?: string
}

interface Answer {
  readonly status: number
  readonly body: string
  /** It answers the second of two requests: whether the server did what the first one wanted is not known. */
  readonly again: boolean
}

/** The API server compresses what is longer than 128 KiB (KEP-156). */
async function bodyOf({ headers }: IncomingMessage, content: Buffer): Promise<string> {
  return (headers['content-encoding'] === 'gzip' ? await unzipped(content) : content).toString()
}

class Client implements Kube {
  readonly server: ApiServer
  readonly context: string
  readonly namespace: string | null
  readonly cost = { requests: 0, bytes: 0 }
  readonly #access: Access
  readonly #budget: number
  #connection: Connection
  /** Those before it, each until what was asked by it is answered. */
  readonly #former: Connection[] = []
  #renewal: Promise<void> | null = null
  /** Set once nothing can be reached: later requests fail at once instead of each waiting for its budget. */
  #down: Unknown | null = null
  /** Whether any object could be asked for. */
  #answered = false

  constructor(access: Access, connection: Connection, server: ApiServer, budget: number) {
    this.server = server
    this.context = access.context
    this.namespace = access.namespace
    this.#access = access
    this.#connection = connection
    this.#budget = budget
    if (server.unresolved && !server.viaProxy)
      this.#down = connectionFailure(server, { code: 'ENOTFOUND' }, 'resolve', budget)
  }

  async get<T>(resource: Resource, namespace: string | null, name: string): Promise<Fact<T>> {
    const action = { verb: 'get', resource, namespace, name }
    const answer = await this.#ask(`${pathOf(resource, namespace)}/${encodeURIComponent(name)}`, action)
    return this.#parsed<T>(answer)
  }

  list<T>(resource: Resource, options: ListOptions): Promise<Fact<Listed<T>>> {
    return this.listOf<T, T>(resource, options, (item) => [item])
  }

  async listOf<T, R>(
    resource: Resource,
    options: ListOptions,
    cut: (item: T) => readonly R[],
  ): Promise<Fact<Listed<R>>> {
    const { namespace, pages = 4, pageSize = PAGE, metadataOnly = false, ...selectors } = options
    const items: R[] = []
    let next: string | undefined
    for (let page = 0; page < pages; page++) {
      const query = new URLSearchParams({ ...selectors, limit: String(pageSize), ...(next ? { continue: next } : {}) })
      const action = { verb: 'list', resource, namespace }
      const path = `${pathOf(resource, namespace)}?${query}`
      const answer = await this.#ask(path, action, metadataOnly ? { accepts: METADATA_ONLY } : {})
      const list = this.#parsed<{ items?: T[]; metadata?: { continue?: string } }>(answer)
      // A later page that fails (the continue token has expired, say) does not take back what was read.
      if (list.state !== 'known') return page === 0 ? list : known({ items, complete: false })
      for (const item of list.value.items ?? []) items.push(...cut(item))
      next = list.value.metadata?.continue
      if (!next) return known({ items, complete: true })
    }
    return known({ items, complete: false })
  }

  text(path: string, accept: readonly number[] = []): Promise<Fact<{ status: number; body: string }>> {
    return this.#ask(path, { verb: 'get', path }, { accept })
  }

  async write<T>({ verb, resource, namespace, name, body, dryRun = false }: WriteRequest): Promise<Fact<T>> {
    const collection = pathOf(resource, namespace)
    const path = verb === 'create' ? collection : `${collection}/${encodeURIComponent(name)}`
    const action = { verb, resource, namespace, name }
    const request: Wanted = {
      accept: [201, 202, 409],
      method: verb === 'create' ? 'POST' : 'DELETE',
      body: JSON.stringify(body),
    }
    const answer = await this.#ask(`${path}${dryRun ? '?dryRun=All' : ''}`, action, request)
    if (answer.state !== 'known' || answer.value.status !== 409) return this.#parsed<T>(answer)
    // the first of two requests has made it, and only its answer was lost
    if (answer.value.again && !dryRun) return this.get<T>(resource, namespace, name)
    return statusFailure(this.server, action, 409, answer.value.body, null)
  }

  close(): void {
    for (const { agent } of [...this.#former, this.#connection]) agent.destroy()
  }

  async #ask(path: string, action: Parameters<typeof statusFailure>[1], wanted: Wanted = {}): Promise<Fact<Answer>> {
    if (this.#down) return this.#down
    const connection = this.#connection
    let answer = await this.#send(path, wanted)
    if (this.#answered && answer.state === 'known' && answer.value.status === 401) {
      await this.#renew(connection)
      answer = await this.#send(path, wanted)
    }
    if (answer.state !== 'known') {
      if (this.#answered) return answer
      // The first failure speaks for all: a request that still waited for a connection knows less.
      this.#down ??= answer as Unknown
      return this.#down
    }
    // Health is answered without etcd, so it does not prove that objects can be read.
    if ('resource' in action) this.#answered = true
    const { status, body } = answer.value
    if (status === 200 || wanted.accept?.includes(status)) return answer
    return statusFailure(this.server, action, status, body, this.#connection.doubt)
  }

  /**
   * Credentials that were good have run out: those of a plug-in live for minutes, a service account's token for an hour. Asked for
   * anew, once for all requests that met it; where they cannot be had, the 401 stands.
   */
  async #renew(expired: Connection): Promise<void> {
    if (this.#connection !== expired) return
    this.#renewal ??= connectionFor(this.#access).then((renewed) => {
      if (renewed.state === 'known') {
        this.#former.push(this.#connection)
        this.#connection = renewed.value
      }
      this.#renewal = null
    })
    await this.#renewal
  }

  /** `again`: it was sent once on a connection that the server closed meanwhile, as a server may at any time (RFC 9112, 9.3.1). */
  #send(path: string, wanted: Wanted, again = false): Promise<Fact<Answer>> {
    const { accepts, method = 'GET', body } = wanted
    const { server } = this
    const send = server.url.startsWith('http:') ? httpRequest : httpsRequest
    let phase: Phase = 'connect'
    return new Promise((resolve) => {
      const fail = (cause: unknown) => resolve(connectionFailure(server, cause, phase, this.#budget))
      const request = send(`${server.url}${path}`, {
        agent: this.#connection.agent,
        method,
        headers: {
          accept: accepts ?? 'application/json',
          'accept-encoding': 'gzip',
          'user-agent': 'k8snetlook',
          // Node tells the length of no DELETE's body by itself: the server would take the body for another request
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...this.#connection.headers,
        },
        signal: AbortSignal.timeout(this.#budget),
      })
      request.on('socket', (socket) => {
        if (!socket.connecting) {
          phase = (socket as TLSSocket).encrypted && request.reusedSocket ? 'answer' : phase
          return
        }
        socket.once('connect', () => {
          phase = (socket as TLSSocket).encrypted ? 'tls' : 'answer'
        })
        socket.once('secureConnect', () => {
          phase = 'answer'
        })
      })
      request.on('error', (cause: NodeJS.ErrnoException) => {
        const closed = request.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE')
        if (closed && !again) resolve(this.#send(path, wanted, true))
        else fail(cause)
      })
      request.on('response', (response: IncomingMessage) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () => {
          const content = Buffer.concat(chunks)
          this.#count(content.length)
          bodyOf(response, content).then(
            (text) => resolve(known({ status: response.statusCode ?? 0, body: text, again })),
            fail,
          )
        })
      })
      request.end(body)
    })
  }

  #count(bytes: number): void {
    this.cost.requests++
    this.cost.bytes += bytes
  }

  #parsed<T>(answer: Fact<Answer>): Fact<T> {
    try {
      return mapFact(answer, ({ body }) => JSON.parse(body) as T)
    } catch {
      return wrongContent(this.server)
    }
  }
}

function pathOf({ group, version, plural }: Resource, namespace: string | null): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  return namespace === null ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`
}
