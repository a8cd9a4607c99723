/** The cluster's API as admin, asked with curl from inside its first node: it has no address outside of the bed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { netnsPath } from '../namespace.ts'

/** A Kubernetes object, as far as the bed reads one. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

/** The labels by which the bed's workloads are told apart. */
export interface PodLabels {
  readonly app?: string
  readonly 'k8s-app'?: string
}

export interface Pod {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly node: string
  readonly addresses: readonly string[]
  readonly labels: PodLabels
  readonly ready: boolean
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: unknown
}

/** Asks for a path such as /api/v1/pods. Returns the parsed body; throws with the server's message from status 400 on. */
export type Api = <T = unknown>(path: string, request?: ApiRequest) => Promise<T>

export function apiClient(namespace: string, server: string, pki: string): Api {
  const credentials = [
    '--cacert',
    join(pki, 'ca.crt'),
    '--cert',
    join(pki, 'admin.crt'),
    '--key',
    join(pki, 'admin.key'),
  ]
  return async <T>(path: string, { method = 'GET', body }: ApiRequest = {}) => {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
    const upload = body === undefined ? [] : ['-H', `Content-Type: ${type}`, '--data-binary', '@-']
    const curl = [
      'curl',
      '-gsS',
      '--max-time',
      '20',
      '-X',
      method,
      ...credentials,
      ...upload,
      '-w',
      '\n%{http_code}',
      server + path,
    ]
    const child = spawn('nsenter', [`--net=${netnsPath(namespace)}`, ...curl], { stdio: 'pipe' })
    child.stdin.on('error', () => {}) // curl that cannot connect does not read
    child.stdin.end(body === undefined ? undefined : JSON.stringify(body))
    const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    const end = answer.lastIndexOf('\n')
    const status = Number(answer.slice(end + 1))
    const content = answer.slice(0, end)
    if (status >= 400 || status === 0) throw new Error(`${method} ${path}: ${status} ${complaint}${message(content)}`)
    return (content.startsWith('{') ? JSON.parse(content) : content) as T
  }
}

function message(content: string): string {
  try {
    return (JSON.parse(content) as { message?: string }).message ?? content
  } catch {
    return content
  }
}

const GROUPS: Readonly<Record<string, string>> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  NetworkPolicy: 'networkpolicies',
}

/** Collection path of an object: /apis/apps/v1/namespaces/default/deployments. */
export function collectionOf({ apiVersion, kind, metadata }: KubeObject): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const plural = GROUPS[kind] ?? `${kind.toLowerCase()}s`
  return metadata.namespace ? `${root}/namespaces/${metadata.namespace}/${plural}` : `${root}/${plural}`
}

export const pathOf = (object: KubeObject): string => `${collectionOf(object)}/${object.metadata.name}`

interface PodObject {
  readonly metadata: {
    name: string
    namespace: string
    uid: string
    labels?: PodLabels
    deletionTimestamp?: string
  }
  readonly spec: { nodeName?: string }
  readonly status: { podIPs?: { ip: string }[]; conditions?: { type: string; status: string }[] }
}

/** Every pod that is not being deleted, sorted by namespace and name. */
export async function listPods(api: Api): Promise<Pod[]> {
  const { items } = await api<{ items: PodObject[] }>('/api/v1/pods')
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => ({
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
      node: spec.nodeName ?? '',
      addresses: (status.podIPs ?? []).map(({ ip }) => ip),
      labels: metadata.labels ?? {},
      ready: (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    }))
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1))
}

/** Asks until the answer is truthy; throws after `seconds` with what was waited for. */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  let last: unknown = 'nothing'
  while (Date.now() < deadline) {
    try {
      const answer = await ask()
      if (answer) return answer
    } catch (error) {
      last = error
    }
    await sleep(200)
  }
  throw new Error(`waited ${seconds} s for ${what}; last error: ${last}`)
}
