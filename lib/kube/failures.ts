/** What went wrong between us and the API server, as sentences. Pure. */
import type { ApiServer, Fact } from '../types.ts'
import type { Resource } from './client.ts'
import { absent, type Unknown, unknown, withoutSecrets } from './fact.ts'

/** How far a request had come. */
export type Phase = 'resolve' | 'connect' | 'tls' | 'answer'

/** What a request wanted, in the words of RBAC. */
export type Action =
  | { readonly verb: string; readonly resource: Resource; readonly namespace: string | null; readonly name?: string }
  | { readonly verb: string; readonly path: string }

const PATH_HINT =
  'See the check of the API server. Whoever looks at one pod may go on without the API: name it as SRC_POD=namespace/name.'

/** A request that got no answer: API_UNAVAILABLE. `budget` in ms. */
export function connectionFailure(server: ApiServer, cause: unknown, phase: Phase, budget: number): Unknown {
  const where = `the API server ${server.url} (from ${server.from})`
  return unknown('API_UNAVAILABLE', `${where} ${reasonOf(server, cause, phase, budget)}`, PATH_HINT)
}

function reasonOf(server: ApiServer, cause: unknown, phase: Phase, budget: number): string {
  const code = codeOf(cause)
  if (phase === 'resolve') return `cannot be found: ${server.host} does not resolve (${server.unresolved ?? code})`
  if (isTimeout(cause, code)) return `${STALLS[phase]} within ${budget / 1000} s`
  return REASONS[code] ?? `cannot be used: ${code}${phase === 'tls' ? ' during the TLS handshake' : ''}`
}

const STALLS: Readonly<Record<Exclude<Phase, 'resolve'>, string>> = {
  connect: 'accepts no connection',
  tls: 'accepts the connection but completes no TLS handshake',
  answer: 'accepts the connection but does not answer',
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection',
  EHOSTUNREACH: 'cannot be reached: no route to host',
  ENETUNREACH: 'cannot be reached: no route to its network',
  ETIMEDOUT: 'accepts no connection in time',
  ECONNRESET: 'closes the connection before it answers',
  EPIPE: 'closes the connection before it answers',
  EACCES: 'cannot be reached: a local firewall rule forbids it',
  EPERM: 'cannot be reached: a local firewall rule forbids it',
  ENOTFOUND: 'cannot be found: its name does not resolve',
  EAI_AGAIN: 'cannot be found: no name server answers',
  CERT_HAS_EXPIRED: 'shows a certificate that has expired',
  CERT_NOT_YET_VALID: 'shows a certificate that is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'shows a certificate for other names',
  SELF_SIGNED_CERT_IN_CHAIN: 'shows a certificate of a foreign authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'shows a self-signed certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'shows a certificate of a foreign authority',
  UNABLE_TO_GET_ISSUER_CERT: 'shows a certificate of a foreign authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'shows a certificate of a foreign authority',
  CERT_SIGNATURE_FAILURE: 'shows a certificate of a foreign authority',
  EPROTO: 'does not speak TLS on that port',
  ERR_SSL_WRONG_VERSION_NUMBER: 'does not speak TLS on that port',
  HPE_INVALID_CONSTANT: 'does not speak HTTP on that port',
}

/** An AggregateError holds one error for each address of the name: the first speaks for all. */
function codeOf(cause: unknown): string {
  const { code, errors, message } = (cause ?? {}) as { code?: string; errors?: unknown[]; message?: string }
  if (errors?.length) return codeOf(errors[0])
  return code ?? withoutSecrets(message ?? 'unknown error')
}

function isTimeout(cause: unknown, code: string): boolean {
  const name = (cause as Error | undefined)?.name
  return name === 'TimeoutError' || name === 'AbortError' || code === 'ABORT_ERR' || code === 'ETIMEDOUT'
}

/**
 * An answer other than 200: 401 API_UNAUTHORIZED, 403 API_FORBIDDEN (names verb and resource), 404 absent,
 * 400 and 422 SETTINGS_INVALID (a selector that the server does not understand), else API_UNAVAILABLE.
 */
export function statusFailure(
  server: ApiServer,
  action: Action,
  status: number,
  body: string,
  doubt: string | null,
): Fact<never> {
  const message = messageOf(body)
  const what = describe(action)
  if (status === 401) {
    return unknown(
      'API_UNAUTHORIZED',
      `the API server ${server.url} does not accept the credentials of ${server.from} (401)${doubt ? `: ${doubt}` : ''}`,
      'Get a new kubeconfig or token for this cluster; "kubectl auth whoami" tests it.',
    )
  }
  if (status === 403) {
    // RBAC names the user; an admission controller (Pod Security, a quota, a webhook) says what it dislikes
    const admission =
      message !== '' && 'resource' in action && action.verb === 'create' && !/cannot create/.test(message)
    if (admission)
      return unknown('API_FORBIDDEN', `the API server refuses to ${what}: ${message} (403)`, 'Change what it names.')
    const user = /User "([^"]+)"/.exec(message)?.[1]
    return unknown('API_FORBIDDEN', `${user ?? 'this account'} may not ${what} (403)`, `Grant it: ${what}.`)
  }
  if (status === 404) return absent(`${what}`, 'the API server knows none (404)')
  if (status === 400 || status === 422) {
    return unknown('SETTINGS_INVALID', `the API server refuses to ${what}: ${message}`, 'Correct the name or selector.')
  }
  const said = message ? `: ${message}` : ''
  const why = status === 429 ? 'is overloaded (429)' : `answers ${status} when asked to ${what}${said}`
  return unknown(
    'API_UNAVAILABLE',
    `the API server ${server.url} ${why}`,
    'See its own health: "kubectl get --raw /readyz?verbose".',
  )
}

/** "list endpointslices.discovery.k8s.io in namespace default" */
function describe(action: Action): string {
  if ('path' in action) return `${action.verb} ${action.path.split('?')[0]}`
  const { verb, resource, namespace, name } = action
  const kind = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
  const scope =
    namespace !== null
      ? ` in namespace ${namespace}`
      : verb === 'list' && resource.namespaced
        ? ' in all namespaces'
        : ''
  return `${verb} ${kind}${name ? ` ${name}` : ''}${scope}`
}

function messageOf(body: string): string {
  try {
    return withoutSecrets(String(JSON.parse(body).message ?? '')).slice(0, 300)
  } catch {
    return ''
  }
}

export function wrongContent(server: ApiServer): Unknown {
  return unknown(
    'API_UNAVAILABLE',
    `${server.url} (from ${server.from}) answers, but not as a Kubernetes API: a proxy or a login page stands there`,
    'Correct the server in the kubeconfig.',
  )
}
