/** Picks targets that nobody named: pure, deterministic, and only what is sure to answer in a sound network. */
import type { V1EndpointSlice, V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import type { Endpoint, PodTarget } from '../types.ts'
import { endpointsOf, type PodObject, podId, serviceBasics, serviceOf } from './objects.ts'
import { policiesOn } from './policies.ts'

/** Objects of one namespace or of many, all of them or as many as were read. */
export interface Neighbourhood {
  readonly pods: readonly PodObject[]
  readonly slices: readonly V1EndpointSlice[]
  readonly services: readonly V1Service[]
  readonly policies: readonly V1NetworkPolicy[]
}

/** Who asks, and what to leave aside while there is something else. */
export interface Asker {
  readonly source: PodObject
  /** namespace/name of the cluster's DNS Service; null: unknown. */
  readonly dnsService: string | null
}

export type PickedRow = 'other-node' | 'same-node'

interface Served {
  readonly service: string
  readonly endpoints: readonly Endpoint[]
}

/** Endpoints by Service, in the order of the Services' names. */
function served(slices: readonly V1EndpointSlice[]): Served[] {
  const groups = new Map<string, V1EndpointSlice[]>()
  for (const slice of slices) {
    const service = `${slice.metadata?.namespace ?? ''}/${serviceOf(slice)}`
    const group = groups.get(service)
    if (group) group.push(slice)
    else groups.set(service, [slice])
  }
  return [...groups]
    .map(([service, own]) => ({ service, endpoints: endpointsOf(own) }))
    .sort((a, b) => a.service.localeCompare(b.service))
}

/**
 * A Ready Linux pod with a network of its own, behind a ready endpoint with a TCP port, that no NetworkPolicy selects for
 * ingress; never the source itself. The source's namespace comes first, DNS pods and kube-system last, then by name.
 */
export function pickPod(row: PickedRow, { pods, slices, policies }: Neighbourhood, asker: Asker): PodTarget | null {
  const { source } = asker
  const behind = endpointsByPod(served(slices))
  const isDns = (pod: PodObject) => behind.get(podId(pod))?.some(({ service }) => service === asker.dnsService) === true
  const nearness = ({ namespace }: PodObject) =>
    namespace === source.namespace ? 0 : namespace === 'kube-system' ? 2 : 1
  const rank = (pod: PodObject) => (isDns(pod) ? 4 : 0) + nearness(pod)
  const [pod] = pods
    .filter((each) => podId(each) !== podId(source) && (each.node === source.node) === (row === 'same-node'))
    .filter((each) => isSound(each) && behind.has(podId(each)) && policiesOn(each, policies, 'Ingress').length === 0)
    .toSorted((a, b) => rank(a) - rank(b) || podId(a).localeCompare(podId(b)))
  const [first] = pod ? (behind.get(podId(pod)) ?? []) : []
  if (!pod || !first) return null
  return podTarget(
    pod,
    first.endpoints,
    `picked: Ready, behind Service ${first.service}, and no NetworkPolicy selects it`,
  )
}

/** For each pod the Services that it stands behind, with its own ready TCP endpoints. */
function endpointsByPod(services: readonly Served[]): Map<string, Served[]> {
  const found = new Map<string, Served[]>()
  for (const { service, endpoints } of services) {
    const own = new Map<string, Endpoint[]>()
    for (const each of endpoints) {
      if (!each.pod || !each.ready || each.protocol !== 'tcp' || each.port === 0) continue
      own.set(each.pod, [...(own.get(each.pod) ?? []), each])
    }
    for (const [pod, ends] of own) found.set(pod, [...(found.get(pod) ?? []), { service, endpoints: ends }])
  }
  return found
}

const isSound = (pod: PodObject) =>
  pod.phase === 'Running' &&
  pod.ready &&
  !pod.terminating &&
  !pod.hostNetwork &&
  pod.linux &&
  pod.node !== null &&
  pod.addresses.length > 0

/** A pod as a target. Ports of `endpoints` come before those that the pod only declares, which nothing need listen on. */
export function podTarget(
  pod: PodObject,
  endpoints: readonly Endpoint[],
  why: string,
  declared: readonly number[] = [],
): PodTarget {
  const zone = endpoints.find((each) => each.zone)?.zone
  return {
    namespace: pod.namespace,
    name: pod.name,
    node: pod.node,
    ...(zone ? { zone } : {}),
    addresses: pod.addresses,
    tcpPorts: [...new Set([...endpoints.map(({ port }) => port), ...declared])],
    hostNetwork: pod.hostNetwork,
    why,
  }
}

/**
 * A Service with a ClusterIP whose ready endpoints are all sound pods that no NetworkPolicy selects: preferably of the
 * picked pods, with TCP ports only and few of them. The DNS Service only if there is nothing else; never
 * default/kubernetes, whose endpoints need not answer ping and have checks of their own.
 */
export function pickService(hood: Neighbourhood, asker: Asker, picked: readonly string[]): V1Service | null {
  const { source, dnsService } = asker
  const endpoints = new Map(served(hood.slices).map((each) => [each.service, each.endpoints]))
  const pods = new Map(hood.pods.map((pod) => [podId(pod), pod]))
  const found = hood.services.flatMap((service) => {
    const { clusterIPs, namespace, name, ports, internalTrafficLocal } = serviceBasics(service)
    const id = `${namespace}/${name}`
    const ready = (endpoints.get(id) ?? []).filter((each) => each.ready)
    const backends = ready.map((each) => pods.get(each.pod ?? ''))
    const sound = backends.every(
      (pod) => pod !== undefined && isSound(pod) && policiesOn(pod, hood.policies, 'Ingress').length === 0,
    )
    const local = ready.some(({ node }) => node === source.node)
    if (id === 'default/kubernetes' || clusterIPs.length === 0 || !sound || (internalTrafficLocal && !local)) return []
    if (!ready.some(({ protocol, port }) => protocol === 'tcp' && port > 0)) return []
    const order = [
      id === dnsService ? 1 : 0,
      ready.some((each) => picked.includes(each.pod ?? '')) ? 0 : 1,
      namespace === source.namespace ? 0 : 1,
      ports.every(({ protocol }) => protocol === 'tcp') ? 0 : 1,
      ports.length,
    ]
    return [{ service, id, order }]
  })
  const [best] = found.toSorted((a, b) => compare(a.order, b.order) || a.id.localeCompare(b.id))
  return best?.service ?? null
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((value, position) => value !== b[position])
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0)
}
