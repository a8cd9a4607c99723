/** From a kubeconfig context to what a request needs: certificates, headers, agent. Secrets stay in here and in the client. */
import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Agent, Agent as HttpAgent, type OutgoingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, type RequestOptions } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js'
import { environmentWith } from '../settings.ts'
import type { Fact } from '../types.ts'
import { firstLine, known, unknown, withoutSecrets } from './fact.ts'
import { type Access, fileFailure, invalid, serverUrl } from './kubeconfig.ts'

/** How a request reaches the server, and as whom. */
export interface Connection {
  readonly agent: Agent
  readonly headers: OutgoingHttpHeaders
  /** PEM of the authority that the kubeconfig names; null: the system's roots. */
  readonly ca: string | null
  /** What is known to be wrong with the credentials, for the sentence about a 401. */
  readonly doubt: string | null
}

interface Tls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** How long a credential plug-in may take, ms: cloud plug-ins fetch a token from afar. */
const PLUGIN_BUDGET = 10_000

/** Codes: KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE, CREDENTIALS_UNAVAILABLE. */
export async function connectionFor(access: Access, budget = PLUGIN_BUDGET): Promise<Fact<Connection>> {
  const { cluster, user } = access
  const files = readTls(access)
  if (files.state !== 'known') return files
  const ca = files.value.ca ?? null
  if (cluster.proxyUrl || (user?.authProvider && !tokenFile(user))) return throughLibrary(access, ca)
  const headers: OutgoingHttpHeaders = user?.impersonateUser ? { 'Impersonate-User': user.impersonateUser } : {}
  const token = await tokenOf(access, budget)
  if (token.state !== 'known') return token
  const tls: Tls = { ...files.value, ...token.value.tls }
  if (token.value.authorization) headers.authorization = token.value.authorization
  return known({ agent: agentFor(cluster, tls), headers, ca, doubt: doubtOf(tls.cert) })
}

/**
 * Six connections: a TLS handshake costs more than a request. Node gives each address of a name 250 ms to accept a
 * connection, which a far server exceeds.
 */
const POOL = { keepAlive: true, maxSockets: 6, autoSelectFamilyAttemptTimeout: 1_500 }

function agentFor(cluster: Cluster, tls: Tls): Agent {
  if (serverUrl(cluster.server)?.protocol === 'http:') return new HttpAgent(POOL)
  return new HttpsAgent({
    ...tls,
    ...POOL,
    rejectUnauthorized: !cluster.skipTLSVerify,
    ...(cluster.tlsServerName ? { servername: cluster.tlsServerName } : {}),
  })
}

/** PEM of the authority that the kubeconfig names; null: none. Needs no credentials. */
export function authorityOf({ from, cluster }: Access): Fact<string | null> {
  return readPem(from, 'certificate authority', cluster.caFile, cluster.caData)
}

function readTls(access: Access): Fact<Tls> {
  const { from, user } = access
  const ca = authorityOf(access)
  if (ca.state !== 'known') return ca
  const cert = readPem(from, 'client certificate', user?.certFile, user?.certData)
  if (cert.state !== 'known') return cert
  const key = readPem(from, 'client key', user?.keyFile, user?.keyData)
  if (key.state !== 'known') return key
  const tls = {
    ...(ca.value ? { ca: ca.value } : {}),
    ...(cert.value ? { cert: cert.value } : {}),
    ...(key.value ? { key: key.value } : {}),
  }
  return isUsable(tls) ? known(tls) : invalid(from, 'holds a client key that does not belong to the client certificate')
}

/** Inline data wins over a file, as in kubectl. */
function readPem(from: string, what: string, file: string | undefined, data: string | undefined): Fact<string | null> {
  let pem: string
  try {
    if (data) pem = Buffer.from(data, 'base64').toString()
    else if (file) pem = readFileSync(file, 'utf8')
    else return known(null)
  } catch (cause) {
    return fileFailure(file ?? '', `the ${what} that ${from} names,`, cause, 'KUBECONFIG_INVALID')
  }
  return isPem(pem) ? known(pem) : invalid(from, `holds a ${what} that is not PEM${file && !data ? ` (${file})` : ''}`)
}

function isPem(text: string): boolean {
  try {
    if (text.includes('PRIVATE KEY')) createPrivateKey(text)
    else new X509Certificate(text)
    return true
  } catch {
    return false
  }
}

function isUsable(tls: Tls): boolean {
  try {
    createSecureContext(tls)
    return true
  } catch {
    return false
  }
}

interface Token {
  readonly authorization?: string
  readonly tls: Tls
}

async function tokenOf(access: Access, budget: number): Promise<Fact<Token>> {
  const { user } = access
  if (!user) return known({ tls: {} })
  if (user.exec) return runPlugin(access, budget)
  if (user.username) {
    const basic = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')
    return known({ authorization: `Basic ${basic}`, tls: {} })
  }
  const file = tokenFile(user)
  if (!file) return known({ ...(user.token ? { authorization: `Bearer ${user.token}` } : {}), tls: {} })
  try {
    return known({ authorization: `Bearer ${readFileSync(file, 'utf8').trim()}`, tls: {} })
  } catch (cause) {
    return fileFailure(file, 'the token', cause, 'CREDENTIALS_UNAVAILABLE')
  }
}

function tokenFile(user: User): string | undefined {
  return (user.authProvider as { config?: { tokenFile?: string } } | undefined)?.config?.tokenFile
}

interface ExecConfig {
  readonly command?: string
  readonly args?: readonly string[]
  readonly env?: readonly { name: string; value: string }[] | null
  readonly apiVersion?: string
  readonly installHint?: string
}

/**
 * Runs a credential plug-in (client-go credential plug-ins, client.authentication.k8s.io). Not the library's own runner:
 * that one never ends a plug-in that waits for a browser or a password, and does not set KUBERNETES_EXEC_INFO.
 */
function runPlugin({ from, user, cluster }: Access, budget: number): Promise<Fact<Token>> {
  const exec = user?.exec as ExecConfig
  if (!exec.command)
    return Promise.resolve(invalid(from, `names a credential plug-in without a command for user "${user?.name}"`))
  const apiVersion = exec.apiVersion ?? 'client.authentication.k8s.io/v1'
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, cluster: { server: cluster.server } } }
  const env = environmentWith({
    KUBERNETES_EXEC_INFO: JSON.stringify(info),
    ...Object.fromEntries((exec.env ?? []).map(({ name, value }) => [name, value])),
  })
  const options = { env, timeout: budget, killSignal: 'SIGKILL', maxBuffer: 1 << 20 } as const
  const { command } = exec
  return new Promise((resolve) => {
    const child = execFile(command, [...(exec.args ?? [])], options, (error, stdout, stderr) => {
      resolve(error ? pluginFailure(from, exec, error, stderr, budget) : pluginAnswer(from, exec, stdout))
    })
    child.stdin?.on('error', () => undefined).end()
  })
}

function pluginFailure(from: string, exec: ExecConfig, error: Error, stderr: string, budget: number): Fact<never> {
  const { killed, code } = error as { killed?: boolean; code?: unknown }
  const said = firstLine(stderr)
  const what = killed
    ? `did not end within ${budget / 1000} s`
    : code === 'ENOENT'
      ? 'is not installed here'
      : `failed (exit ${String(code)})${said ? `: ${said}` : ''}`
  const advice = code === 'ENOENT' ? withoutSecrets(exec.installHint?.trim().split('\n')[0] ?? '') : ''
  return unknown(
    'CREDENTIALS_UNAVAILABLE',
    `the credential plug-in ${exec.command} that ${from} names ${what}`,
    `Make "kubectl get --raw /version" work for this user on this node, or use a kubeconfig with a token or certificate.${advice && ` ${advice.replace(/\.?$/, '.')}`}`,
  )
}

function pluginAnswer(from: string, exec: ExecConfig, stdout: string): Fact<Token> {
  let status: { token?: string; clientCertificateData?: string; clientKeyData?: string } | undefined
  try {
    status = JSON.parse(stdout)?.status
  } catch {
    // told below: the parser's message would quote the output
  }
  const { token, clientCertificateData: cert, clientKeyData: key } = status ?? {}
  if (token || (cert && key)) {
    return known({ ...(token ? { authorization: `Bearer ${token}` } : {}), tls: cert && key ? { cert, key } : {} })
  }
  return unknown(
    'CREDENTIALS_UNAVAILABLE',
    `the credential plug-in ${exec.command} that ${from} names printed no ExecCredential with a token or certificate`,
    'Run the plug-in by hand, as the kubeconfig writes it.',
  )
}

/** Proxies and the auth providers that kubectl has dropped: the library knows them, at the price of loading all of it. */
async function throughLibrary({ from, cluster, user, context }: Access, ca: string | null): Promise<Fact<Connection>> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [cluster],
    users: user ? [user] : [],
    contexts: [{ name: context, cluster: cluster.name, user: user?.name ?? '' }],
    currentContext: context,
  })
  const options: RequestOptions = {}
  try {
    await config.applyToHTTPSOptions(options)
  } catch (cause) {
    return unknown(
      'CREDENTIALS_UNAVAILABLE',
      `the credentials or the proxy of context "${context}" in ${from} cannot be used: ${firstLine(cause)}`,
      'Use a kubeconfig with a token, a certificate or a credential plug-in.',
    )
  }
  const headers = (options.headers ?? {}) as OutgoingHttpHeaders
  return known({ agent: options.agent as Agent, headers, ca, doubt: doubtOf(options.cert as string | undefined) })
}

function doubtOf(cert: string | undefined): string | null {
  if (!cert) return null
  const { validTo } = new X509Certificate(cert)
  return Date.parse(validTo) < Date.now()
    ? `the client certificate expired on ${new Date(validTo).toISOString().slice(0, 10)}`
    : null
}
