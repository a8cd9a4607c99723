/** Targets that the user names: they win over every pick, and what cannot be found is unknown with the reason. */
import type { V1Pod, V1Service } from '@kubernetes/client-node'
import { closest, type Settings } from '../settings.ts'
import type { Endpoint, Fact, PodTarget, ServiceFacts } from '../types.ts'
import { type Chosen, choosePod, hasNetwork, matching, notRunning, oneNamespace, type PodName } from './choose.ts'
import type { Kube } from './client.ts'
import { readEndpoints } from './cluster.ts'
import { absent, known, listing, mapFact, unknown } from './fact.ts'
import { type PodObject, podId, podObject, RESOURCES, serviceBasics } from './objects.ts'
import { podTarget } from './pick.ts'
import { listPods, listWide, notFound, type Scope } from './source.ts'

/** What a named target resolves to, and what the report should say about it. */
export interface Named<T> {
  readonly value: T
  readonly notes: readonly string[]
}

/** Where the source is, for choosing among replicas; null: unknown. */
export type Origin = Pick<PodObject, 'namespace' | 'name' | 'node'> | null

/**
 * The pod that DST_POD names, on any node. Among replicas: Ready, not the source, on another node, first by name.
 * An address needs no API: what the API knows about it is added when it answers.
 */
export async function namedPod(
  kube: Kube | null,
  settings: Settings,
  origin: Origin,
  fallback: string,
): Promise<Fact<Named<PodObject | string>>> {
  const reference = settings.destinationPod
  if (reference === null) return absent('DST_POD', 'not set')
  if (reference.kind === 'none') return absent('DST_POD', 'set to none')
  if (reference.kind === 'address') {
    const pod = kube ? await podAt(kube, reference.address) : null
    return known({ value: pod ?? reference.address, notes: [] })
  }
  if (kube === null) throw new Error('a pod can be named only where there is an API')
  const own = 'namespace' in reference ? reference.namespace : null
  const named = own ?? settings.destinationNamespace
  const scope = { named, first: named ?? origin?.namespace ?? fallback }
  const found = await findPod(kube, reference, scope, origin)
  return mapFact(found, ({ pod, notes }) => ({ value: pod, notes }))
}

async function podAt(kube: Kube, address: string): Promise<PodObject | null> {
  const list = await listPods(kube, { namespace: null, fieldSelector: `status.podIP=${address}` })
  const pods = list.state === 'known' ? list.value.items.filter(hasNetwork) : []
  // On the host network many pods share the node's address: the address alone says more.
  return pods.length === 1 ? (pods[0] ?? null) : null
}

async function findPod(kube: Kube, reference: PodName, scope: Scope, origin: Origin): Promise<Fact<Chosen>> {
  const isSource = (pod: PodObject) => origin !== null && podId(pod) === podId(origin)
  const choose = (pods: readonly PodObject[]) =>
    choosePod(
      reference,
      'DST_POD',
      pods.filter((pod) => !isSource(pod)),
      (pod) => pod.node !== origin?.node,
    )
  const selector = reference.kind === 'selector' ? { labelSelector: reference.selector } : {}
  const [exact, list] = await Promise.all([
    reference.kind === 'pod' && /[a-z0-9]$/.test(reference.name)
      ? kube.get<V1Pod>(RESOURCES.pods, scope.first, reference.name)
      : absent('an exact name', 'none was given'),
    listPods(kube, { namespace: scope.first, ...selector }),
  ])
  if (exact.state === 'known') {
    const pod = podObject(exact.value)
    if (isSource(pod)) return onlyItself(reference.kind === 'pod' ? reference.name : podId(pod))
    return hasNetwork(pod) ? choose([pod]) : notRunning([pod])
  }
  if (list.state !== 'known') return list
  const near = matching(reference, list.value.items)
  if (near.length > 0) return near.every(isSource) ? onlyItself(podId(near[0] as PodObject)) : choose(near)
  if (scope.named !== null) return notFound(reference, scope.named, list.value.items, list.value.complete, 'DST_POD')
  return findWide(kube, reference, scope, choose, selector)
}

async function findWide(
  kube: Kube,
  reference: PodName,
  { first }: Scope,
  choose: (pods: readonly PodObject[]) => Fact<Chosen>,
  selector: { labelSelector?: string },
): Promise<Fact<Chosen>> {
  const all = await listWide(kube, first, selector)
  if (all.state !== 'known') return all
  const found = matching(reference, all.value.items)
  if (found.length === 0) return notFound(reference, null, all.value.items, all.value.complete, 'DST_POD')
  const unclear = oneNamespace(reference, 'DST_POD', found)
  if (unclear) return unclear
  return mapFact(choose(found), ({ pod, notes }) => ({
    pod,
    notes: [...notes, `DST_POD: namespace ${first} has no such pod, ${pod.namespace} has`],
  }))
}

function onlyItself(name: string): Fact<never> {
  return unknown(
    'POD_NOT_FOUND',
    `DST_POD means ${name}, the source pod itself`,
    'Name another pod, or leave DST_POD unset.',
  )
}

/** The destination as a plan holds it, with the ports of the endpoints that are this pod. */
export function namedTarget({ value }: Named<PodObject | string>, endpoints: readonly Endpoint[]): PodTarget {
  if (typeof value === 'string') {
    const address = { namespace: '', name: value, node: null, addresses: [value], tcpPorts: [], hostNetwork: false }
    return { ...address, why: 'named by DST_POD, an address' }
  }
  const own = endpoints.filter(({ pod, protocol, port }) => pod === podId(value) && protocol === 'tcp' && port > 0)
  return podTarget(value, own, 'named by DST_POD', value.tcpPorts)
}

/** The Service that DST_SVC names. Code: SERVICE_NOT_FOUND. */
export async function namedService(
  kube: Kube,
  settings: Settings,
  origin: Origin,
  fallback: string,
): Promise<Fact<Named<ServiceFacts>>> {
  const reference = settings.destinationService
  if (reference === null) return absent('DST_SVC', 'not set')
  if (reference.kind === 'none') return absent('DST_SVC', 'set to none')
  const named = reference.namespace ?? settings.destinationServiceNamespace
  const first = named ?? origin?.namespace ?? fallback
  const service = await kube.get<V1Service>(RESOURCES.services, first, reference.name)
  if (service.state === 'known')
    return known({ value: await serviceFacts(kube, service.value, 'named by DST_SVC'), notes: [] })
  if (service.state === 'unknown') return service
  return serviceElsewhere(kube, reference.name, named, first)
}

async function serviceElsewhere(
  kube: Kube,
  name: string,
  named: string | null,
  first: string,
): Promise<Fact<Named<ServiceFacts>>> {
  const [all, near] = await Promise.all([
    named === null
      ? kube.list<V1Service>(RESOURCES.services, { namespace: null, fieldSelector: `metadata.name=${name}` })
      : absent('another namespace', 'one was named'),
    kube.list<V1Service>(RESOURCES.services, { namespace: first }),
  ])
  const others = all.state === 'known' ? all.value.items : []
  const [other] = others
  const ids = others.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`)
  if (other && others.length === 1) {
    const note = `DST_SVC: namespace ${first} has no Service ${name}, ${other.metadata?.namespace} has`
    return known({ value: await serviceFacts(kube, other, 'named by DST_SVC'), notes: [note] })
  }
  const names =
    near.state === 'known'
      ? closest(
          name,
          near.value.items.map(({ metadata }) => metadata?.name ?? ''),
        )
      : []
  return unknown(
    'SERVICE_NOT_FOUND',
    others.length > 1
      ? `DST_SVC=${name}: namespace ${first} has no such Service, ${listing(ids)} could be meant`
      : `DST_SVC=${name}: there is no such Service in namespace ${first}${named === null && all.state === 'known' ? ' or any other' : ''}`,
    others.length > 1
      ? 'Write DST_SVC=namespace/name.'
      : names.length > 0
        ? `The closest names there: ${listing(names)}.`
        : `List them with "kubectl get services -A".`,
  )
}

/** A Service with all of its endpoints. */
export async function serviceFacts(kube: Kube, service: V1Service, why: string): Promise<ServiceFacts> {
  const basics = serviceBasics(service)
  return { ...basics, endpoints: await readEndpoints(kube, basics.namespace, basics.name), why }
}
