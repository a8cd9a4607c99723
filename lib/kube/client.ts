/** Asks the API server: every request has a budget, every failure is a fact with a sentence. Reads only. */
import { lookup } from 'node:dns/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import type { TLSSocket } from 'node:tls'
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
  /** A path that is no object, such as /readyz?verbose. `accept`: statuses that are answers, beside 200. */
  text(path: string, accept?: readonly number[]): Promise<Fact<{ readonly status: number; readonly body: string }>>
  close(): void
}

const PAGE = 500

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

class Client implements Kube {
  readonly server: ApiServer
  readonly context: string
  readonly namespace: string | null
  readonly #connection: Connection
  readonly #budget: number
  /** Set once nothing can be reached: later requests fail at once instead of each waiting for its budget. */
  #down: Unknown | null = null
  /** Whether any object could be asked for. */
  #answered = false

  constructor(access: Access, connection: Connection, server: ApiServer, budget: number) {
    this.server = server
    this.context = access.context
    this.namespace = access.namespace
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

  async list<T>(resource: Resource, options: ListOptions): Promise<Fact<Listed<T>>> {
    const { namespace, pages = 4, pageSize = PAGE, ...selectors } = options
    const items: T[] = []
    let next: string | undefined
    for (let page = 0; page < pages; page++) {
      const query = new URLSearchParams({ ...selectors, limit: String(pageSize), ...(next ? { continue: next } : {}) })
      const action = { verb: 'list', resource, namespace }
      const answer = await this.#ask(`${pathOf(resource, namespace)}?${query}`, action)
      const list = this.#parsed<{ items?: T[]; metadata?: { continue?: string } }>(answer)
      // A later page that fails (the continue token has expired, say) does not take back what was read.
      if (list.state !== 'known') return page === 0 ? list : known({ items, complete: false })
      items.push(...(list.value.items ?? []))
      next = list.value.metadata?.continue
      if (!next) return known({ items, complete: true })
    }
    return known({ items, complete: false })
  }

  text(path: string, accept: readonly number[] = []): Promise<Fact<{ status: number; body: string }>> {
    return this.#ask(path, { verb: 'get', path }, accept)
  }

  close(): void {
    this.#connection.agent.destroy()
  }

  async #ask(
    path: string,
    action: Parameters<typeof statusFailure>[1],
    accept: readonly number[] = [],
  ): Promise<Fact<{ status: number; body: string }>> {
    if (this.#down) return this.#down
    const answer = await this.#send(path)
    if (answer.state !== 'known') {
      if (this.#answered) return answer
      // The first failure speaks for all: a request that still waited for a connection knows less.
      this.#down ??= answer as Unknown
      return this.#down
    }
    // Health is answered without etcd, so it does not prove that objects can be read.
    if ('resource' in action) this.#answered = true
    const { status, body } = answer.value
    if (status === 200 || accept.includes(status)) return answer
    return statusFailure(this.server, action, status, body, this.#connection.doubt)
  }

  #send(path: string): Promise<Fact<{ status: number; body: string }>> {
    const { server } = this
    const send = server.url.startsWith('http:') ? httpRequest : httpsRequest
    let phase: Phase = 'connect'
    return new Promise((resolve) => {
      const fail = (cause: unknown) => resolve(connectionFailure(server, cause, phase, this.#budget))
      const request = send(`${server.url}${path}`, {
        agent: this.#connection.agent,
        headers: { accept: 'application/json', 'user-agent': 'k8snetlook', ...this.#connection.headers },
        signal: AbortSignal.timeout(this.#budget),
      })
      request.on('socket', (socket) => {
        if (!socket.connecting) phase = (socket as TLSSocket).encrypted && request.reusedSocket ? 'answer' : phase
        socket.once('connect', () => {
          phase = (socket as TLSSocket).encrypted ? 'tls' : 'answer'
        })
        socket.once('secureConnect', () => {
          phase = 'answer'
        })
      })
      request.on('error', fail)
      request.on('response', (response: IncomingMessage) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', fail)
        response.on('end', () =>
          resolve(known({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() })),
        )
      })
      request.end()
    })
  }

  #parsed<T>(answer: Fact<{ status: number; body: string }>): Fact<T> {
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
