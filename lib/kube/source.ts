/** Finds the source pod: the one that a user means by SRC_POD on this node. */
import type { V1Pod } from '@kubernetes/client-node'
import { closest, type Settings } from '../settings.ts'
import type { Fact } from '../types.ts'
import {
  type Chosen,
  choosePod,
  hasNetwork,
  matching,
  notRunning,
  oneNamespace,
  type PodName,
  written,
} from './choose.ts'
import type { Kube, Listed } from './client.ts'
import { absent, listing, mapFact, unknown } from './fact.ts'
import { type PodObject, podId, podObject, RESOURCES } from './objects.ts'

const { pods } = RESOURCES

/** Pods, read and converted. */
export type PodList = Listed<PodObject>

export async function listPods(kube: Kube, options: Parameters<Kube['list']>[1]): Promise<Fact<PodList>> {
  return mapFact(await kube.list<V1Pod>(pods, options), ({ items, complete }) => ({
    items: items.map(podObject),
    complete,
  }))
}

/** Pods of all namespaces, or of one when the account may not read all. */
export async function listWide(
  kube: Kube,
  namespace: string,
  options: { fieldSelector?: string; labelSelector?: string },
) {
  const all = await listPods(kube, { namespace: null, ...options })
  const forbidden = all.state === 'unknown' && all.code === 'API_FORBIDDEN'
  return forbidden ? listPods(kube, { namespace, ...options }) : all
}

/** The node that the run is on, as far as pods are concerned. */
export interface Here {
  readonly node: string
  /** The API has a Node object of that name, or the user named it. */
  readonly certain: boolean
}

/** Namespace that was named, and the one to look in first. */
export interface Scope {
  readonly named: string | null
  readonly first: string
}

export function sourceScope(settings: Settings, kube: Kube): Scope {
  const { sourcePod } = settings
  const own = sourcePod && 'namespace' in sourcePod ? sourcePod.namespace : null
  const named = own ?? settings.sourceNamespace
  return { named, first: named ?? kube.namespace ?? 'default' }
}

/**
 * The source pod. A pod on this node wins; where nobody named a namespace, the context's comes first, then the only one
 * that has such a pod here. Codes: POD_NOT_FOUND, POD_ELSEWHERE, POD_AMBIGUOUS, POD_NOT_RUNNING, and those of the API.
 */
export async function resolveSourcePod(
  kube: Kube,
  settings: Settings,
  here: Here,
  local: Promise<Fact<PodList>>,
): Promise<Fact<Chosen>> {
  const reference = settings.sourcePod as PodName | null
  if (reference === null) return absent('SRC_POD', 'not set')
  const scope = sourceScope(settings, kube)
  const selected =
    reference.kind === 'selector'
      ? listWide(kube, scope.first, {
          fieldSelector: `spec.nodeName=${here.node}`,
          labelSelector: reference.selector,
        })
      : local
  const [exact, list] = await Promise.all([exactPod(kube, reference, scope), selected])
  if (exact.state === 'known') return onThisNode(exact.value, here)
  if (list.state !== 'known') return list
  return chooseHere(reference, scope, list.value.items) ?? elsewhere(kube, reference, scope, here, list.value.items)
}

async function exactPod(kube: Kube, reference: PodName, { first }: Scope): Promise<Fact<PodObject>> {
  if (reference.kind !== 'pod' || !/[a-z0-9]$/.test(reference.name)) return absent('an exact name', 'none was given')
  return mapFact(await kube.get<V1Pod>(pods, first, reference.name), podObject)
}

function onThisNode(pod: PodObject, here: Here): Fact<Chosen> {
  if (!hasNetwork(pod)) return notRunning([pod])
  return pod.node === here.node
    ? choosePod({ kind: 'pod', namespace: null, name: pod.name }, 'SRC_POD', [pod])
    : runsElsewhere([pod], here)
}

/** Pure: what the pods of this node say; null when none matches. */
export function chooseHere(
  reference: PodName,
  { named, first }: Scope,
  local: readonly PodObject[],
): Fact<Chosen> | null {
  const inFirst = matching(
    reference,
    local.filter(({ namespace }) => namespace === first),
  )
  if (inFirst.length > 0) return choosePod(reference, 'SRC_POD', inFirst)
  const others = named === null ? matching(reference, local).filter(hasNetwork) : []
  const [found] = others
  if (!found) return null
  const unclear = oneNamespace(reference, 'SRC_POD', others)
  if (unclear) return unclear
  return mapFact(choosePod(reference, 'SRC_POD', others), ({ pod, notes }) => ({
    pod,
    notes: [...notes, `SRC_POD: namespace ${first} has no such pod on this node, ${pod.namespace} has`],
  }))
}

/** Nothing on this node: look through the cluster for a sentence that helps. */
async function elsewhere(
  kube: Kube,
  reference: PodName,
  { named, first }: Scope,
  here: Here,
  local: readonly PodObject[],
): Promise<Fact<never>> {
  const selector = reference.kind === 'selector' ? { labelSelector: reference.selector } : {}
  const list =
    named === null ? await listWide(kube, first, selector) : await listPods(kube, { namespace: named, ...selector })
  if (list.state !== 'known') return list
  const { items, complete } = list.value
  const found = matching(reference, items)
  const alive = found.filter(hasNetwork)
  if (alive.length > 0) return runsElsewhere(alive, here)
  if (found.length > 0) return notRunning(found)
  return notFound(
    reference,
    named,
    [...local.filter(({ namespace }) => named === null || namespace === named), ...items],
    complete,
  )
}

function runsElsewhere(pods: readonly PodObject[], here: Here): Fact<never> {
  const nodes = [...new Set(pods.map(({ node }) => node ?? '?'))].sort()
  const names = listing(pods.map(podId).sort())
  return unknown(
    'POD_ELSEWHERE',
    `${names} ${pods.length === 1 ? 'runs' : 'run'} on ${listing(nodes)}, and this is ${here.node}`,
    `Run this on ${listing(nodes)}.${here.certain ? '' : ` That this is ${here.node} is a guess from the host name: set NODE_NAME if it is another.`}`,
  )
}

/** POD_NOT_FOUND with the names that come closest. */
export function notFound(
  reference: PodName,
  namespace: string | null,
  pods: readonly PodObject[],
  complete: boolean,
  setting = 'SRC_POD',
): Fact<never> {
  const where = namespace === null ? 'in any namespace' : `in namespace ${namespace}`
  const among = complete ? '' : ` (${pods.length} pods were looked at, there are more)`
  return unknown(
    'POD_NOT_FOUND',
    `${setting}=${written(reference)}: there is no such pod ${where}${among}`,
    suggestion(reference, pods, setting),
  )
}

function suggestion(reference: PodName, pods: readonly PodObject[], setting: string): string {
  const wanted = reference.kind === 'selector' ? null : reference.name
  const names =
    reference.kind === 'workload'
      ? pods.flatMap(({ owners }) => owners.filter(({ kind }) => kind === reference.workload).map(({ name }) => name))
      : pods.map(({ name }) => name)
  const near = wanted === null ? [] : closest(wanted, names)
  if (near.length > 0) return `The closest ${near.length === 1 ? 'name is' : 'names are'} ${listing(near)}.`
  return `List them with "kubectl get pods -A -o wide", and set ${setting} to one.`
}
