/**
 * A stand-in for the Kubernetes API server: https, authentication, objects, health, and every way to fail.
 * In a test: startStandin(). As a process, in a namespace of its own, its options (with `admin`) in a JSON file:
 *   nsenter --net=/run/netns/x node --import tsx test/bed/api-standin.ts /tmp/x/standin.json
 * It prints "ready <ports>", and then does what tellStandin() sends to the admin socket.
 */
import { readFileSync, rmSync } from 'node:fs'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { find, type KubeObject, parsePath } from './api-standin-objects.ts'
import type { Leaf } from './certificates.ts'

/** How it behaves now. */
export interface Behaviour {
  /** ms before each answer. */
  readonly delay: number
  /** Accepts, and never answers; "objects": health only, as without etcd. */
  readonly mute: boolean | 'objects'
  /** Status for everything, or for "list pods", "get services", "get /readyz" and so on. */
  readonly status: Readonly<Record<string, number>>
  /** Lists of namespaced kinds over all namespaces get 403: an account with Roles only. */
  readonly forbidWide: boolean
  /** Names of health checks that fail. */
  readonly unhealthy: readonly string[]
  /** Body of every answer, in place of JSON: a login page, say. */
  readonly page: string | null
  /** Tokens that have run out. */
  readonly expired: readonly string[]
  /** Which of the certificates it shows. */
  readonly certificate: string
}

const SOUND: Behaviour = {
  delay: 0,
  mute: false,
  status: {},
  forbidWide: false,
  unhealthy: [],
  page: null,
  expired: [],
  certificate: 'good',
}
const HEALTH = ['ping', 'log', 'etcd', 'poststarthook/start-apiextensions-informers', 'shutdown']

export interface StandinOptions {
  /** "address:port" each, port 0 for any; default 127.0.0.1:0. */
  readonly listen?: readonly string[]
  /** Certificates by name; "good" is shown first. */
  readonly certificates: { readonly good: Leaf; readonly [name: string]: Leaf }
  /** Authority of client certificates. */
  readonly clientCa: string
  readonly tokens?: readonly string[]
  readonly objects: readonly KubeObject[]
}

export interface Standin {
  readonly ports: readonly number[]
  /** "list pods" and so on, in order, with the query. */
  readonly requests: readonly string[]
  /** Changes the behaviour; fields that are left out go back to sound. */
  behave(change: Partial<Behaviour>): void
  setObjects(objects: readonly KubeObject[]): void
  /** Stops listening and cuts every connection: from now on it refuses. */
  close(): Promise<void>
}

export async function startStandin(options: StandinOptions): Promise<Standin> {
  const state = { behaviour: SOUND, objects: options.objects, requests: [] as string[], sockets: new Set<Socket>() }
  const secure = { ca: options.clientCa, requestCert: true, rejectUnauthorized: false }
  const servers: Server[] = []
  for (const listen of options.listen ?? ['127.0.0.1:0']) {
    const server = createServer({ ...options.certificates.good, ...secure }, (request, response) =>
      answer(state, options, request, response),
    )
    server.on('connection', (socket: Socket) => {
      state.sockets.add(socket)
      socket.on('close', () => state.sockets.delete(socket)).on('error', () => undefined)
    })
    server.on('tlsClientError', () => undefined)
    await listening(server, listen)
    servers.push(server)
  }
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    requests: state.requests,
    behave(change) {
      state.behaviour = { ...SOUND, ...change }
      const certificate = options.certificates[state.behaviour.certificate]
      if (certificate) for (const server of servers) server.setSecureContext({ ...certificate, ca: options.clientCa })
    },
    setObjects(objects) {
      state.objects = objects
    },
    async close() {
      for (const socket of state.sockets) socket.destroy()
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
    },
  }
}

function listening(server: Server, listen: string): Promise<void> {
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(Number(listen.slice(colon + 1)), host, resolve)
  })
}

interface State {
  readonly behaviour: Behaviour
  readonly objects: readonly KubeObject[]
  readonly requests: string[]
}

function answer(state: State, options: StandinOptions, request: IncomingMessage, response: ServerResponse): void {
  const { behaviour } = state
  const url = new URL(request.url ?? '/', 'https://standin')
  const asked = parsePath(url.pathname)
  const action = asked ? `${asked.name ? 'get' : 'list'} ${asked.plural}` : `get ${url.pathname}`
  state.requests.push(`${action} ${url.pathname}${url.search}`)
  if (behaviour.mute === true || (behaviour.mute === 'objects' && asked)) return
  const send = (status: number, body: string) =>
    setTimeout(() => {
      response.writeHead(status, { 'content-type': body.startsWith('{') ? 'application/json' : 'text/plain' })
      response.end(behaviour.page ?? body)
    }, behaviour.delay)
  const fail = (status: number, message: string) =>
    send(status, JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code: status }))
  const user = userOf(
    request,
    (options.tokens ?? []).filter((token) => !behaviour.expired.includes(token)),
  )
  const wide = asked && !asked.namespace && !asked.name && !/^(nodes|namespaces)$/.test(asked.plural)
  const forced = behaviour.forbidWide && wide ? 403 : (behaviour.status[action] ?? behaviour.status['*'])
  if (user === null || forced === 401) return void fail(401, 'Unauthorized')
  if (forced === 403 || (user === 'system:anonymous' && asked)) {
    return void fail(403, `${asked?.plural} is forbidden: User "${user}" cannot ${action.replace(' ', ' resource "')}"`)
  }
  if (forced) return void fail(forced, 'the stand-in was told to fail')
  if (asked) return void sendObjects(state.objects, asked, url.searchParams, send, fail)
  if (url.pathname === '/version')
    return void send(200, JSON.stringify({ major: '1', minor: '35', gitVersion: 'v1.35.0' }))
  if (url.pathname === '/apis')
    return void send(200, JSON.stringify({ kind: 'APIGroupList', groups: groupsOf(state.objects) }))
  if (/^\/(livez|readyz)$/.test(url.pathname)) return void sendHealth(url.pathname.slice(1), behaviour, send)
  fail(404, 'the server could not find the requested resource')
}

/** The API groups of the objects, each in one version. */
function groupsOf(objects: readonly KubeObject[]) {
  const versions = new Set(objects.map(({ apiVersion }) => apiVersion).filter((one) => one.includes('/')))
  return [...versions].map((groupVersion) => {
    const [name, version] = groupVersion.split('/')
    return { name, preferredVersion: { groupVersion, version } }
  })
}

/** null: credentials that are not accepted; system:anonymous: none. */
function userOf(request: IncomingMessage, tokens: readonly string[]): string | null {
  const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? '')?.[1]
  if (token !== undefined) return tokens.includes(token) ? 'system:serviceaccount:default:probe' : null
  const socket = request.socket as TLSSocket
  const name = socket.getPeerCertificate().subject?.CN
  if (!name) return 'system:anonymous'
  return socket.authorized ? String(name) : null
}

type Send = (status: number, text: string) => void

function sendObjects(
  objects: readonly KubeObject[],
  asked: NonNullable<ReturnType<typeof parsePath>>,
  query: URLSearchParams,
  send: Send,
  fail: Send,
): void {
  const found = find(objects, asked, query)
  if (asked.name !== undefined) {
    if (found[0]) send(200, JSON.stringify(found[0]))
    else fail(404, `${asked.plural} "${asked.name}" not found`)
    return
  }
  const from = Number(query.get('continue') ?? 0)
  const limit = Number(query.get('limit') ?? found.length)
  const more = from + limit < found.length ? { continue: String(from + limit) } : {}
  send(
    200,
    JSON.stringify({
      kind: 'List',
      apiVersion: asked.apiVersion,
      metadata: more,
      items: found.slice(from, from + limit),
    }),
  )
}

function sendHealth(path: string, { unhealthy }: Behaviour, send: Send): void {
  const lines = HEALTH.map((name) =>
    unhealthy.includes(name) ? `[-]${name} failed: reason withheld` : `[+]${name} ok`,
  )
  const failed = unhealthy.length > 0
  send(failed ? 500 : 200, `${lines.join('\n')}\n${path} check ${failed ? 'failed' : 'passed'}\n`)
}

/** What the process reads from its file. */
export interface ProcessOptions extends StandinOptions {
  /** Path of the control socket. */
  readonly admin: string
}

/** Tells a stand-in process what to do: `{behave: {...}}`, `{objects: [...]}` or `{close: true}`. Resolves when it is done. */
export function tellStandin(admin: string, order: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath: admin, method: 'POST', path: '/' }, (response) => {
      response
        .resume()
        .on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`stand-in: ${response.statusCode}`)),
        )
    })
    request.on('error', reject)
    request.end(JSON.stringify(order))
  })
}

async function main({ admin, ...options }: ProcessOptions): Promise<void> {
  const standin = await startStandin(options)
  rmSync(admin, { force: true })
  const control = createHttpServer(async (request, response) => {
    const order = JSON.parse(Buffer.concat(await request.toArray()).toString())
    if (order.behave) standin.behave(order.behave)
    if (order.objects) standin.setObjects(order.objects)
    if (order.close) await standin.close()
    response.end()
  })
  control.listen(admin, () => console.log(`ready ${standin.ports.join(' ')}`))
}

const [, script, file] = process.argv
if (file && script && import.meta.url === pathToFileURL(script).href) await main(JSON.parse(readFileSync(file, 'utf8')))
