/**
 * HTTPS without credentials: TCP, then TLS with the certificate judged apart from the path, then one GET. By IP literal;
 * the name is verified against the certificate and sent as SNI, and never resolved.
 */
import { X509Certificate } from 'node:crypto'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import { createSecureContext, connect as openTls, type SecureContext, type TLSSocket } from 'node:tls'
import type { Target } from '../types.ts'
import { type Certificate, type CertificateCode, certificateOf, judgeCertificate, sniFor } from './certificate.ts'
import { deadline } from './deadline.ts'
import { eachWithin } from './pool.ts'
import type { ServerClock } from './state/clock.ts'
import { dial, type TcpResult, type TcpState } from './tcp.ts'

export type HttpsCode = CertificateCode | 'TLS_HANDSHAKE_FAILED' | 'TLS_STALLED' | 'HTTP_NO_ANSWER' | 'HTTP_STATUS'

/**
 * verified    chain, dates and name hold against the CA that was given (without one: against Node's public roots)
 * unverified  no CA is known and the public roots do not vouch for it: inconclusive for TLS, not for the path
 * skipped     the configuration says insecure-skip-tls-verify
 * failed      `code` says how
 * none        there was no TCP connection to speak over
 */
export type TlsState = 'verified' | 'unverified' | 'skipped' | 'failed' | 'none'

export interface HttpsResult {
  readonly target: Target
  readonly tcp: TcpState
  /** Errno of the TCP connection, as TcpResult. */
  readonly errno: string | null
  readonly syns: number
  /** As TcpResult. */
  readonly resent?: boolean
  readonly tls: TlsState
  /** Why this is not a good answer, once TCP is connected; null: the path is proven and nothing is wrong. */
  readonly code: HttpsCode | null
  /** One sentence about `code`, or about an unverified certificate; else null. */
  readonly detail: string | null
  readonly status: number | null
  /** Milliseconds of each phase, null when it did not end well. */
  readonly phases: { readonly connect: number | null; readonly tls: number | null; readonly firstByte: number | null }
  readonly certificate: Certificate | null
  /** Of the HTTP answer; null: there was none, or it had no Date. */
  readonly clock: ServerClock | null
}

export interface HttpsOptions {
  /** e.g. /livez or /version */
  readonly path: string
  /** PEM bundle; null: none is known. */
  readonly ca: string | null
  /** Name or address that the certificate must carry. */
  readonly serverName: string
  /** insecure-skip-tls-verify: the certificate is not judged. */
  readonly insecure: boolean
  /** Milliseconds for each of the three phases; default 3000. */
  readonly budgetMs?: number
}

const BUDGET_MS = 3000

/**
 * Asks every target, at most 256 at once. A certificate problem does not stop the request: the path is judged too, and
 * `status` is filled. 200, 401, 403 and 429 are an API server's answers; every other status is HTTP_STATUS.
 * Throws when `ca` holds no certificate: that is a broken precondition, not the network.
 */
export async function askHttps(targets: readonly Target[], options: HttpsOptions): Promise<readonly HttpsResult[]> {
  const context = contextFor(options)
  return eachWithin(targets, (target) => askOne(target, options, context))
}

/** The same question `times` times in parallel, each on one connection of its own (attemptsFor, connectRepeatedly). */
export async function askHttpsRepeatedly(
  target: Target,
  times: number,
  options: HttpsOptions,
): Promise<readonly HttpsResult[]> {
  const context = contextFor(options)
  const repeated = Array.from({ length: times }, () => target)
  return eachWithin(repeated, (one) => askOne(one, options, context, [0]))
}

async function askOne(
  target: Target,
  options: HttpsOptions,
  context: SecureContext,
  staggerMs?: readonly number[],
): Promise<HttpsResult> {
  const budgetMs = options.budgetMs ?? BUDGET_MS
  const { socket, result } = await dial(target, { budgetMs }, staggerMs)
  if (!socket)
    return afterTcp(result, result.state === 'connected' ? failedHandshake(reasonOf(RESET)) : { tls: 'none' })
  const shaken = await handshake(socket, options, context, budgetMs)
  if (!shaken.ok) return afterTcp(result, { tls: 'failed', code: shaken.code, detail: shaken.detail })
  const judged = judge(shaken.tls, options)
  const certificate = certificateOf(shaken.tls)
  const answer = await get(shaken.tls, options, budgetMs)
  return afterTcp(result, {
    ...judged,
    // A bad certificate outranks a bad status: clients never get that far.
    ...(judged.code === undefined ? { code: answer.code, detail: answer.detail ?? judged.detail ?? null } : {}),
    certificate,
    clock: answer.clock,
    status: answer.status,
    phases: { connect: result.ms, tls: shaken.ms, firstByte: answer.ms },
  })
}

function afterTcp(tcp: TcpResult, rest: Partial<HttpsResult> & { readonly tls: TlsState }): HttpsResult {
  return {
    target: tcp.target,
    tcp: tcp.state,
    errno: tcp.errno,
    syns: tcp.syns,
    ...(tcp.resent ? { resent: true } : {}),
    code: null,
    detail: null,
    status: null,
    certificate: null,
    clock: null,
    phases: { connect: tcp.ms, tls: null, firstByte: null },
    ...rest,
  }
}

type Handshake =
  | { readonly ok: true; readonly tls: TLSSocket; readonly ms: number }
  | { readonly ok: false; readonly code: 'TLS_HANDSHAKE_FAILED' | 'TLS_STALLED'; readonly detail: string }

const RESET = { code: 'ECONNRESET' }

function failedHandshake(why: string) {
  const detail = `TCP connected, the TLS handshake failed: ${why}.`
  return { tls: 'failed', code: 'TLS_HANDSHAKE_FAILED', detail } as const
}

function handshake(
  socket: Socket,
  options: HttpsOptions,
  context: SecureContext,
  budgetMs: number,
): Promise<Handshake> {
  const started = performance.now()
  const sni = sniFor(options.serverName)
  return new Promise((resolve) => {
    const tls = openTls({
      socket,
      secureContext: context,
      // The certificate is judged afterwards, so that a bad one does not hide that the path works.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['http/1.1'],
      ...(sni === null ? {} : { servername: sni }),
    })
    const settle = (outcome: Handshake) => {
      cancel()
      tls.removeAllListeners().on('error', ignore)
      if (!outcome.ok) tls.destroy()
      resolve(outcome)
    }
    const failed = (why: string) => settle({ ok: false, ...failedHandshake(why) })
    const cancel = deadline(budgetMs, () => {
      const detail = `TCP connected, but no answer to the TLS ClientHello within ${budgetMs} ms.`
      settle({ ok: false, code: 'TLS_STALLED', detail })
    })
    tls.once('secureConnect', () => settle({ ok: true, tls, ms: since(started) }))
    tls.once('error', (error: NodeJS.ErrnoException) => failed(reasonOf(error)))
    tls.once('close', () => failed('the peer closed the connection'))
  })
}

function judge(tls: TLSSocket, options: HttpsOptions): Pick<HttpsResult, 'tls'> & Partial<HttpsResult> {
  if (options.insecure) return { tls: 'skipped' }
  // Node sets a string here, whatever its types say: the name of OpenSSL's error.
  const error = tls.authorized ? null : String(tls.authorizationError)
  const problem = judgeCertificate(error, options.serverName, tls.getPeerCertificate(true))
  if (problem === null) return { tls: 'verified' }
  if (options.ca === null && problem.code === 'TLS_UNTRUSTED') {
    return { tls: 'unverified', detail: `No CA of the cluster is known, so the certificate was not verified.` }
  }
  return { tls: 'failed', ...problem }
}

interface Answer {
  readonly code: 'HTTP_NO_ANSWER' | 'HTTP_STATUS' | null
  readonly detail: string | null
  readonly status: number | null
  readonly ms: number | null
  readonly clock: ServerClock | null
}

/** One GET over a finished handshake; the connection is closed afterwards. */
function get(tls: TLSSocket, options: HttpsOptions, budgetMs: number): Promise<Answer> {
  const started = performance.now()
  const sent = Date.now()
  return new Promise((resolve) => {
    const settle = (answer: Answer) => {
      cancel()
      tls.destroy()
      resolve(answer)
    }
    const nothing = (why: string) =>
      settle({
        code: 'HTTP_NO_ANSWER',
        detail: `TLS is up, but GET ${options.path}: ${why}.`,
        status: null,
        ms: null,
        clock: null,
      })
    const cancel = deadline(budgetMs, () => nothing(`no answer within ${budgetMs} ms`))
    const host = options.serverName.includes(':') ? `[${options.serverName}]` : options.serverName
    const headers = { host, accept: '*/*', connection: 'close' }
    // No `agent`, not even false: any agent would open a connection of its own and resolve a name for it.
    const asked = request({ createConnection: () => tls, path: options.path, headers })
    asked.on('response', (response) => {
      const status = response.statusCode ?? 0
      const expected = API_STATUS.has(status)
      const detail = expected ? null : `GET ${options.path} was answered with HTTP ${status}.`
      settle({
        code: expected ? null : 'HTTP_STATUS',
        detail,
        status,
        ms: since(started),
        clock: clockOf(response.headers.date, sent),
      })
    })
    asked.on('error', (error: NodeJS.ErrnoException) => nothing(reasonOf(error)))
    asked.end()
  })
}

function clockOf(header: string | undefined, sent: number): ServerClock | null {
  const date = Date.parse(header ?? '')
  return Number.isNaN(date) ? null : { date, sent, received: Date.now() }
}

/** An API server's answers: done, not authenticated, not allowed, too busy for anonymous callers. */
const API_STATUS = new Set([200, 401, 403, 429])

function contextFor(options: HttpsOptions): SecureContext {
  if (options.ca === null || options.insecure) return createSecureContext()
  try {
    new X509Certificate(options.ca)
  } catch (cause) {
    throw new TypeError('the CA bundle holds no readable PEM certificate', { cause })
  }
  return createSecureContext({ ca: options.ca })
}

function reasonOf(error: Partial<NodeJS.ErrnoException> & { readonly reason?: string }): string {
  if (error.reason) return error.reason
  if (error.code === 'ECONNRESET') return 'the peer closed or reset the connection'
  return error.code ?? String(error.message).split('\n')[0] ?? 'unknown reason'
}

function since(started: number): number {
  return Math.round((performance.now() - started) * 100) / 100
}

function ignore(): void {}
