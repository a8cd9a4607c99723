/** Which pod is meant: pure choices among pods that were read. */
import type { PodReference } from '../settings.ts'
import type { Fact } from '../types.ts'
import { known, listing, type Unknown, unknown } from './fact.ts'
import { type PodObject, podId, workloadName } from './objects.ts'

/** A reference that names pods, not an address and not "none". */
export type PodName = Exclude<PodReference, { kind: 'address' | 'none' }>

export interface Chosen {
  readonly pod: PodObject
  readonly notes: readonly string[]
}

/** The reference as the user wrote it, for sentences. */
export function written(reference: PodName): string {
  if (reference.kind === 'selector') return reference.selector
  const place = reference.namespace === null ? '' : `${reference.namespace}/`
  return reference.kind === 'pod'
    ? place + reference.name
    : `${place}${reference.workload.toLowerCase()}/${reference.name}`
}

/** The pods that a reference means: an exact name before the start of a name. A selector's pods were selected by the API server. */
export function matching(reference: PodName, pods: readonly PodObject[]): readonly PodObject[] {
  if (reference.kind === 'selector') return pods
  if (reference.kind === 'workload') {
    return pods.filter(({ owners }) =>
      owners.some(({ kind, name }) => kind === reference.workload && name === reference.name),
    )
  }
  const exact = pods.filter(({ name }) => name === reference.name)
  return exact.length > 0 ? exact : pods.filter(({ name }) => name.startsWith(reference.name))
}

/** A pod that has a network: it runs, or it waits for its containers in a sandbox that has an address already. */
export function hasNetwork({ phase, addresses }: PodObject): boolean {
  return phase === 'Running' || (phase !== 'Succeeded' && phase !== 'Failed' && addresses.length > 0)
}

/** What the candidates are in namespaces that nobody named: all in one, or it is unclear which is meant. */
export function oneNamespace(reference: PodName, setting: string, pods: readonly PodObject[]): Unknown | null {
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))].sort()
  if (namespaces.length < 2) return null
  return unknown(
    'POD_AMBIGUOUS',
    `${setting}=${written(reference)} matches pods in several namespaces: ${listing(pods.map(podId).sort())}`,
    `Write ${setting}=namespace/name.`,
  )
}

/**
 * The pod to take among candidates of one namespace. The start of a name is ambiguous when several workloads have such
 * pods; replicas of one workload are not: the first Ready one by name, `preferred` ones first.
 * Codes: POD_AMBIGUOUS, POD_NOT_RUNNING.
 */
export function choosePod(
  reference: PodName,
  setting: string,
  candidates: readonly PodObject[],
  preferred: (pod: PodObject) => boolean = () => true,
): Fact<Chosen> {
  const alive = candidates.filter(hasNetwork)
  const workloads = [...new Set(alive.map(workloadName))].sort()
  if (reference.kind === 'pod' && workloads.length > 1) {
    return unknown(
      'POD_AMBIGUOUS',
      `${setting}=${written(reference)} is the start of pods of several workloads: ${listing(workloads)}`,
      `Name one of the pods: ${listing(alive.map(podId).sort())}.`,
    )
  }
  const rank = (pod: PodObject) => (pod.ready && !pod.terminating ? 0 : 2) + (preferred(pod) ? 0 : 1)
  const [pod] = alive.toSorted((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))
  if (!pod) return notRunning(candidates)
  const notes: string[] = []
  if (alive.length > 1) notes.push(`${setting}=${written(reference)}: ${pod.name} of ${alive.length} pods that match`)
  if (!pod.ready) notes.push(`${podId(pod)} is not Ready${pod.trouble ? ` (${pod.trouble})` : ''}`)
  if (pod.terminating) notes.push(`${podId(pod)} is being deleted`)
  return known({ pod, notes })
}

/** None of the pods has a network; says why of the first. */
export function notRunning(pods: readonly PodObject[]): Unknown {
  const [pod] = pods
  if (!pod) throw new Error('notRunning needs at least one pod')
  const why = pod.trouble ? ` (${pod.trouble})` : ''
  const what =
    pod.phase === 'Succeeded' ? 'has completed' : pod.phase === 'Pending' ? 'is still Pending' : `is ${pod.phase}`
  return unknown(
    'POD_NOT_RUNNING',
    `${podId(pod)} ${what}${why}: it has no network to look at${pods.length > 1 ? `, nor have ${pods.length - 1} more` : ''}`,
    `Name a running pod; "kubectl describe pod -n ${pod.namespace} ${pod.name}" says what is in its way.`,
  )
}
