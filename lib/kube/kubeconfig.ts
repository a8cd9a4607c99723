/** Finds and reads the kubeconfig, with a sentence for everything that can be wrong with it. Opens no connection. */
import { accessSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
// Deep imports: the package's index loads every model of the API, which costs 0.4 s and 60 MB; these cost 3 ms.
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js'
import { ActionOnInvalid, newClusters, newContexts, newUsers } from '@kubernetes/client-node/dist/config_types.js'
import { load } from 'js-yaml'
import { closest, type Settings } from '../settings.ts'
import type { Fact } from '../types.ts'
import { known, listing, unknown } from './fact.ts'

/** Which cluster to talk to, as whom: what one kubeconfig context says. Holds credentials; never leaves this room. */
export interface Access {
  /** Path of the file, or IN_CLUSTER. */
  readonly from: string
  readonly context: string
  /** Namespace of the context. */
  readonly namespace: string | null
  readonly cluster: Cluster
  readonly user: User | null
}

/** The parts of the file that are read here; the library reads the rest of each list. */
interface KubeconfigFile {
  readonly clusters?: unknown
  readonly contexts?: unknown
  readonly users?: unknown
  readonly 'current-context'?: unknown
}

interface Configuration {
  readonly from: string
  readonly currentContext: string | null
  readonly clusters: readonly Cluster[]
  readonly contexts: readonly Context[]
  readonly users: readonly User[]
}

/** Where the access of a pod's service account is said to come from. */
export const IN_CLUSTER = 'in-cluster'

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const ADMIN_FILES = [
  '/etc/kubernetes/admin.conf',
  '/etc/kubernetes/super-admin.conf',
  '/etc/rancher/k3s/k3s.yaml',
  '/etc/rancher/rke2/rke2.yaml',
  '/var/lib/k0s/pki/admin.conf',
  '/var/snap/microk8s/current/credentials/client.config',
]

/** Where to look; a test gives places of its own. */
export interface Places {
  readonly account: string
  readonly adminFiles: readonly string[]
}

/**
 * The context to use: KUBECONFIG, else the in-cluster account, else ~/.kube/config, else a distribution's admin file.
 * Codes: KUBECONFIG_MISSING, KUBECONFIG_UNREADABLE, KUBECONFIG_INVALID, KUBE_CONTEXT_UNKNOWN.
 */
export function findAccess(
  settings: Pick<Settings, 'kubeconfig' | 'kubeContext' | 'surroundings'>,
  places: Places = { account: ACCOUNT, adminFiles: ADMIN_FILES },
): Fact<Access> {
  const { home, inCluster } = settings.surroundings
  if (settings.kubeconfig) {
    const paths = settings.kubeconfig.map((path) => resolve(home ? path.replace(/^~(?=\/)/, home) : path))
    return choose(readAll(paths), settings.kubeContext)
  }
  if (inCluster && settings.kubeContext === null && exists(`${places.account}/token`)) {
    return inClusterAccess(inCluster, places.account)
  }
  const candidates = [...(home ? [`${home}/.kube/config`] : []), ...places.adminFiles]
  const first = candidates.map((path) => read(path)).find((each) => !isMissing(each))
  if (first) return choose(first, settings.kubeContext)
  return unknown(
    'KUBECONFIG_MISSING',
    `there is no kubeconfig: KUBECONFIG is not set, this is no pod with a service account, and none of ${candidates.join(', ')} exists`,
    'Set KUBECONFIG to the path of a kubeconfig that may read pods, services, nodes and endpointslices.',
  )
}

const isMissing = (fact: Fact<unknown>) => fact.state === 'unknown' && fact.code === 'KUBECONFIG_MISSING'

/** Merges a colon list as kubectl does: missing files are passed over, the first that defines a name wins. */
function readAll(paths: readonly string[]): Fact<Configuration> {
  const read_ = paths.map((path) => read(path))
  const present = read_.filter((each) => !isMissing(each))
  if (present.length === 0) {
    return read_[0] ?? unknown('KUBECONFIG_MISSING', 'KUBECONFIG names no file', 'Set KUBECONFIG to a path.')
  }
  const found: Configuration[] = []
  for (const each of present) {
    if (each.state !== 'known') return each
    found.push(each.value)
  }
  return known({
    from: found.map(({ from }) => from).join(':'),
    currentContext: found.find(({ currentContext }) => currentContext)?.currentContext ?? null,
    clusters: found.flatMap(({ clusters }) => clusters),
    contexts: found.flatMap(({ contexts }) => contexts),
    users: found.flatMap(({ users }) => users),
  })
}

function read(path: string): Fact<Configuration> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    return fileFailure(path, 'the kubeconfig', cause, 'KUBECONFIG_MISSING')
  }
  let content: unknown
  try {
    content = load(text)
  } catch (cause) {
    // The parser's own message quotes the lines around the mistake, which may hold a token.
    const line = (cause as { mark?: { line?: number } }).mark?.line
    return invalid(path, line === undefined ? 'is not YAML' : `is not YAML: line ${line + 1} cannot be read`)
  }
  if (typeof content !== 'object' || content === null || !('clusters' in content || 'contexts' in content)) {
    return invalid(path, content == null ? 'is empty' : 'is not a kubeconfig: it has neither clusters nor contexts')
  }
  return known(configuration(path, content))
}

function configuration(path: string, content: KubeconfigFile): Configuration {
  const options = { onInvalidEntry: ActionOnInvalid.FILTER }
  const beside = (file: string | undefined) => (file ? resolve(dirname(path), file) : file)
  const raw = Array.isArray(content.users) ? content.users : []
  // The library knows "token-file" only and reads it while parsing; kubectl's field is tokenFile.
  const tokenFiles = new Map(raw.map((each) => [each?.name, beside(each?.user?.tokenFile)]))
  return {
    from: path,
    currentContext: typeof content['current-context'] === 'string' ? content['current-context'] || null : null,
    clusters: newClusters(content.clusters, options).map(
      (each) => ({ ...each, caFile: beside(each.caFile) }) as Cluster,
    ),
    contexts: newContexts(content.contexts, options),
    users: newUsers(raw, options).map((each) => ({
      ...each,
      ...{ certFile: beside(each.certFile), keyFile: beside(each.keyFile), exec: absoluteCommand(each.exec, path) },
      ...(tokenFiles.get(each.name) ? { authProvider: fileToken(tokenFiles.get(each.name) ?? '') } : {}),
    })) as User[],
  }
}

/** A service account's token and kubectl's tokenFile are one thing to the library. */
const fileToken = (tokenFile: string) => ({ name: 'tokenFile', config: { tokenFile } })

/** A plug-in given with a slash is relative to the kubeconfig, as in kubectl; a bare name is looked up in PATH. */
function absoluteCommand<T>(exec: T, path: string): T {
  const command = (exec as { command?: unknown } | null)?.command
  if (typeof command !== 'string' || !command.includes('/')) return exec
  return { ...exec, command: resolve(dirname(path), command) }
}

function choose(read_: Fact<Configuration>, wanted: string | null): Fact<Access> {
  if (read_.state !== 'known') return read_
  const { from, contexts, clusters, users, currentContext } = read_.value
  const name = wanted ?? currentContext ?? (contexts.length === 1 ? (contexts[0]?.name ?? null) : null)
  const names = contexts.map((each) => each.name)
  if (name === null) {
    if (names.length === 0) return invalid(from, 'has no context')
    return unknown(
      'KUBE_CONTEXT_UNKNOWN',
      `${from} has no current-context`,
      `Set KUBE_CONTEXT to one of ${listing(names)}.`,
    )
  }
  const context = contexts.find((each) => each.name === name)
  if (!context) {
    const near = closest(name, names, 1)[0]
    return unknown(
      'KUBE_CONTEXT_UNKNOWN',
      `${from} has no context "${name}"${wanted === null ? ', which it names as its current-context' : ''}`,
      names.length === 0
        ? 'Set KUBECONFIG to another file: this one has no contexts.'
        : `Set KUBE_CONTEXT to one of ${listing(names, 12)}${near ? `; "${near}" comes nearest` : ''}.`,
    )
  }
  const cluster = clusters.find((each) => each.name === context.cluster)
  if (!cluster) return invalid(from, `has no server for cluster "${context.cluster}", which context "${name}" names`)
  if (!serverUrl(cluster.server)) return invalid(from, `names a server for cluster "${cluster.name}" that is no URL`)
  const user = users.find((each) => each.name === context.user) ?? null
  if (context.user && !user) return invalid(from, `has no user "${context.user}", which context "${name}" names`)
  return known({ from, context: name, namespace: context.namespace ?? null, cluster, user })
}

/** The server's URL; null when the text is none or not http(s). A server without a scheme gets https, as in kubectl. */
export function serverUrl(server: string): URL | null {
  if (server.includes('://')) return /^https?:/i.test(server) ? tryUrl(server) : null
  return tryUrl(`https://${server}`)
}

function tryUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}

function inClusterAccess(api: { host: string; port: string }, account: string): Fact<Access> {
  const host = api.host.includes(':') ? `[${api.host}]` : api.host
  let namespace: string | null = null
  try {
    namespace = readFileSync(`${account}/namespace`, 'utf8').trim() || null
  } catch {
    // optional: "default" serves
  }
  return known({
    from: IN_CLUSTER,
    context: IN_CLUSTER,
    namespace,
    cluster: {
      name: 'in-cluster',
      server: `https://${host}:${api.port}`,
      caFile: `${account}/ca.crt`,
      skipTLSVerify: false,
    },
    user: { name: 'in-cluster', authProvider: fileToken(`${account}/token`) },
  })
}

function exists(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}

export function invalid(from: string, what: string) {
  return unknown('KUBECONFIG_INVALID', `${from} ${what}`, 'Correct the file, or set KUBECONFIG to another one.')
}

/** A file that could not be read, as a fact. `missing`: the code when it does not exist. */
export function fileFailure(path: string, what: string, cause: unknown, missing: string) {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return unknown(
      missing,
      `${what} ${path} does not exist`,
      'Set KUBECONFIG to the path of an existing, complete kubeconfig.',
    )
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return unknown(
      'KUBECONFIG_UNREADABLE',
      `${what} ${path} may not be read (${code})`,
      `Run as root, or make ${path} readable.`,
    )
  }
  return unknown(
    'KUBECONFIG_INVALID',
    `${what} ${path} cannot be read (${code ?? 'unknown error'})`,
    'Set KUBECONFIG to a readable file.',
  )
}
