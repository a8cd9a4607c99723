/** Which of the sandboxes that a runtime lists is meant. Pure. */
import type { Fact } from '../types.ts'
import { type LocatedPodSummary, type PodQuery, type Sandbox, unknown } from './types.ts'

/** The query in a reader's words: default/bbox, bbox, bbox*. */
export function describe({ namespace, name, prefix, uid }: PodQuery): string {
  const pod = name ?? (prefix === null ? `with uid ${uid ?? '?'}` : `${prefix}*`)
  return namespace === null ? pod : `${namespace}/${pod}`
}

/**
 * The workload that a pod's name and labels point to; the pod's own name when it stands alone.
 * Labels: pod-template-hash (ReplicaSet of a Deployment), controller-revision-hash (DaemonSet, StatefulSet), job-name.
 */
export function workloadOf(name: string, labels: Readonly<Record<string, string>>): string {
  const hash = labels['pod-template-hash']
  const cut = hash === undefined ? -1 : name.lastIndexOf(`-${hash}-`)
  if (cut > 0) return name.slice(0, cut)
  if (labels['controller-revision-hash'] !== undefined) return name.replace(/-([a-z0-9]{5}|\d+)$/, '')
  return labels['batch.kubernetes.io/job-name'] ?? labels['job-name'] ?? name
}

/** A pod that the kubelet read from a file or URL: the API knows its mirror by another uid. */
export function isStatic({ uid, annotations }: Pick<Sandbox, 'uid' | 'annotations'>): boolean {
  const source = annotations['kubernetes.io/config.source']
  return source === undefined ? /^[0-9a-f]{32}$/.test(uid) : source !== 'api'
}

/** The pods with a ready sandbox, each once, by namespace and name. */
export function readyPods(sandboxes: readonly Sandbox[]): LocatedPodSummary[] {
  return newestOfEach(sandboxes)
    .map(({ namespace, name, uid, labels, createdAt }) => ({
      namespace,
      name,
      uid,
      workload: workloadOf(name, labels),
      labels,
      createdAt: new Date(createdAt).toISOString(),
    }))
    .sort((a, b) => compare(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`))
}

/**
 * The newest ready sandbox of the pod that is meant: restarted pods leave older ones behind, ready or not.
 * Unknown with POD_NOT_ON_NODE, POD_NOT_RUNNING or POD_AMBIGUOUS (several pods of the exact name in different
 * namespaces, or a prefix that several workloads share; two replicas of one workload are not ambiguous: the first by
 * name).
 */
export function pickSandbox(sandboxes: readonly Sandbox[], query: PodQuery): Fact<Sandbox> {
  const named = sandboxes.filter((sandbox) => nameMatches(sandbox, query))
  const meant = named.filter((sandbox) => uidMatches(sandbox, query))
  const ready = newestOfEach(meant).sort((a, b) => compare(a.name, b.name))
  const first = ready[0]
  if (first === undefined) return missing(sandboxes, named, meant, query)
  const workloads = new Set(
    ready.map(
      ({ namespace, name, labels }) => `${namespace}/${query.prefix === null ? name : workloadOf(name, labels)}`,
    ),
  )
  if (workloads.size === 1) return { state: 'known', value: first }
  const candidates = ready.map(({ namespace, name }) => `${namespace}/${name}`)
  return unknown(
    'POD_AMBIGUOUS',
    `${describe(query)} matches pods of ${workloads.size} workloads on this node: ${list(candidates)}`,
    `Name one: SRC_POD=${candidates[0]}.`,
  )
}

function nameMatches({ namespace, name }: Sandbox, query: PodQuery): boolean {
  if (query.namespace !== null && namespace !== query.namespace) return false
  if (query.name !== null) return name === query.name
  return query.prefix !== null ? name.startsWith(query.prefix) : query.uid !== null
}

function uidMatches(sandbox: Sandbox, query: PodQuery): boolean {
  if (query.uid === null || sandbox.uid === query.uid) return true
  return isStatic(sandbox) && query.name !== null && query.namespace !== null
}

function missing(all: readonly Sandbox[], named: readonly Sandbox[], meant: readonly Sandbox[], query: PodQuery) {
  const pod = describe(query)
  if (meant.length > 0) {
    return unknown(
      'POD_NOT_RUNNING',
      `pod ${pod} has no ready sandbox on this node: the runtime only keeps ${meant.length} ended one(s)`,
      `See why: \`kubectl describe pod ${pod}\`. "FailedCreatePodSandBox" is a CNI problem.`,
    )
  }
  if (named.length > 0) {
    return unknown(
      'POD_NOT_RUNNING',
      `the runtime has no sandbox of pod ${pod} with uid ${query.uid}, only of a former pod of this name (${named[0]?.uid})`,
      'The pod is being replaced: run again when the new one is Ready.',
    )
  }
  const near = nearest(query, all)
  return unknown(
    'POD_NOT_ON_NODE',
    `no pod ${pod} among the ${newestOfEach(all).length} pods that run on this node`,
    near.length > 0
      ? `Closest here: ${near.join(', ')}. Else run on the node that \`kubectl get pod -o wide\` shows.`
      : 'Run on the node that `kubectl get pod -o wide` shows.',
  )
}

function newestOfEach(sandboxes: readonly Sandbox[]): Sandbox[] {
  const newest = new Map<string, Sandbox>()
  for (const sandbox of sandboxes.filter(({ ready }) => ready)) {
    const key = `${sandbox.namespace}/${sandbox.name}`
    const known = newest.get(key)
    if (known === undefined || newer(sandbox, known)) newest.set(key, sandbox)
  }
  return [...newest.values()]
}

const newer = (a: Sandbox, b: Sandbox): boolean =>
  a.createdAt > b.createdAt || (a.createdAt === b.createdAt && a.attempt > b.attempt)

/** Up to three pods that run here: the same name elsewhere first, then by the length of the common beginning. */
function nearest({ name, prefix }: PodQuery, sandboxes: readonly Sandbox[]): string[] {
  const wanted = name ?? prefix ?? ''
  return newestOfEach(sandboxes)
    .map((pod) => ({ title: `${pod.namespace}/${pod.name}`, common: commonBeginning(wanted, pod.name) }))
    .filter(({ common }) => common >= Math.min(2, wanted.length))
    .sort((a, b) => b.common - a.common || compare(a.title, b.title))
    .slice(0, 3)
    .map(({ title }) => title)
}

function commonBeginning(a: string, b: string): number {
  let length = 0
  while (length < a.length && a[length] === b[length]) length++
  return length
}

const list = (names: readonly string[]): string =>
  names.length <= 10 ? names.join(', ') : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
