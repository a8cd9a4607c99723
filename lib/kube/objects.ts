/** Kubernetes objects as plain words of ours. Pure. */
import { isIPv6 } from 'node:net'
import type { V1EndpointSlice, V1Node, V1OwnerReference, V1Pod, V1Service } from '@kubernetes/client-node'
import type { Endpoint, Protocol, ServiceFacts, ServiceOutside, ServicePort } from '../types.ts'
import type { Resource } from './client.ts'

const core = (plural: string, namespaced = true): Resource => ({ group: '', version: 'v1', plural, namespaced })

export const RESOURCES = {
  pods: core('pods'),
  services: core('services'),
  nodes: core('nodes', false),
  namespaces: core('namespaces', false),
  configMaps: core('configmaps'),
  endpointSlices: { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices', namespaced: true },
  networkPolicies: { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies', namespaced: true },
} as const satisfies Record<string, Resource>

/** What owns a pod. */
export interface Workload {
  readonly kind: string
  readonly name: string
}

/** A pod as the API describes it. */
export interface PodObject {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  /** null: not scheduled. */
  readonly node: string | null
  /** Pending, Running, Succeeded, Failed or Unknown. */
  readonly phase: string
  /** Why it is not running or not ready, in Kubernetes' words: ImagePullBackOff, Evicted, ... */
  readonly trouble: string | null
  readonly ready: boolean
  readonly terminating: boolean
  readonly addresses: readonly string[]
  readonly hostNetwork: boolean
  readonly linux: boolean
  readonly dnsPolicy: string | null
  readonly runtimeClass: string | null
  /** Static pods: the UID under which the runtime knows the pod (kubernetes.io/config.hash). */
  readonly staticUid: string | null
  /** The last owner that can be told from the pod alone; null: nothing owns it. */
  readonly workload: Workload | null
  /** Every owner that can be told: a ReplicaSet and its Deployment, a Job and its CronJob. */
  readonly owners: readonly Workload[]
  /** Declared TCP container ports. */
  readonly tcpPorts: readonly number[]
  /** Container ports that have a name: NetworkPolicies may mean them by it. */
  readonly namedPorts: readonly NamedPort[]
}

export interface NamedPort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

export function podObject(pod: V1Pod): PodObject {
  const { metadata, spec, status } = pod
  const annotations = metadata?.annotations ?? {}
  // Sidecars (init containers that restart always) serve ports as well.
  const containers = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ]
  const ports = containers.flatMap((container) => container.ports ?? [])
  const addresses = status?.podIPs?.map(({ ip }) => ip) ?? [status?.podIP]
  const owners = ownersOf(metadata?.ownerReferences ?? [], metadata?.labels ?? {})
  const os = spec?.os?.name ?? spec?.nodeSelector?.['kubernetes.io/os'] ?? 'linux'
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    labels: metadata?.labels ?? {},
    node: spec?.nodeName ?? null,
    phase: status?.phase ?? 'Unknown',
    trouble: troubleOf(pod),
    ready: status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    terminating: metadata?.deletionTimestamp !== undefined,
    addresses: addresses.filter((address): address is string => address !== undefined && address !== ''),
    hostNetwork: spec?.hostNetwork === true,
    linux: os === 'linux',
    dnsPolicy: spec?.dnsPolicy ?? null,
    runtimeClass: spec?.runtimeClassName ?? null,
    staticUid: annotations['kubernetes.io/config.mirror'] ? (annotations['kubernetes.io/config.hash'] ?? null) : null,
    workload: owners.at(-1) ?? null,
    owners,
    tcpPorts: [
      ...new Set(ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP').map((port) => port.containerPort)),
    ],
    namedPorts: ports.flatMap(({ name, protocol, containerPort }) =>
      name ? [{ name, protocol: protocolOf(protocol), port: containerPort }] : [],
    ),
  }
}

function troubleOf({ status }: V1Pod): string | null {
  const states = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const waiting = states.find(({ state }) => state?.waiting?.reason)?.state?.waiting?.reason
  const condition = status?.conditions?.find(({ status, reason }) => status === 'False' && reason)
  return status?.reason ?? waiting ?? condition?.reason ?? null
}

/**
 * ReplicaSet web-64957f6c7b of a pod with pod-template-hash 64957f6c7b belongs to Deployment web; Job backup-29512345, by the
 * CronJob controller's naming (minutes since 1970), to CronJob backup. A static pod is owned by its Node: its name names it.
 */
function ownersOf(references: readonly V1OwnerReference[], labels: Readonly<Record<string, string>>): Workload[] {
  const reference = references.find(({ controller }) => controller) ?? references[0]
  if (!reference || reference.kind === 'Node') return []
  const owner = { kind: reference.kind, name: reference.name }
  const hash = labels['pod-template-hash'] ?? labels['rollouts-pod-template-hash']
  if (owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`)) {
    return [owner, { kind: 'Deployment', name: owner.name.slice(0, -hash.length - 1) }]
  }
  const cron = owner.kind === 'Job' ? /^(.+)-\d{8,}$/.exec(owner.name)?.[1] : undefined
  return cron === undefined ? [owner] : [owner, { kind: 'CronJob', name: cron }]
}

/** "Deployment default/web", or "pod default/x" for a pod that nothing owns. */
export function workloadName(pod: PodObject): string {
  return pod.workload
    ? `${pod.workload.kind} ${pod.namespace}/${pod.workload.name}`
    : `pod ${pod.namespace}/${pod.name}`
}

export const podId = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
  `${namespace}/${name}`

export interface NodeObject {
  readonly name: string
  readonly internalIPs: readonly string[]
  readonly zone: string | null
  readonly ready: boolean
  /** e.g. containerd://1.6.20 */
  readonly runtimeVersion: string | null
  readonly podCIDRs: readonly string[]
  /** ExternalIPs, and the ends of its tunnels where flannel or Calico state them (annotations). */
  readonly otherIPs: readonly string[]
  /** A provider answers for it, there is no machine with pod interfaces (virtual kubelet). */
  readonly virtual: boolean
  /** Port of the kubelet's API. */
  readonly kubeletPort: number | null
}

const TUNNEL_ENDS = [
  ...['flannel.alpha.coreos.com/public-ip', 'flannel.alpha.coreos.com/public-ipv6'],
  ...['projectcalico.org/IPv4Address', 'projectcalico.org/IPv6Address'],
]

export function nodeObject({ metadata, spec, status }: V1Node): NodeObject {
  const { type: kind } = metadata?.labels ?? {}
  const ends = TUNNEL_ENDS.map((name) => metadata?.annotations?.[name]?.split('/')[0])
  const external = (status?.addresses ?? []).filter(({ type }) => type === 'ExternalIP').map(({ address }) => address)
  return {
    name: metadata?.name ?? '',
    internalIPs: (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP').map(({ address }) => address),
    zone: metadata?.labels?.['topology.kubernetes.io/zone'] ?? null,
    ready: status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
    runtimeVersion: status?.nodeInfo?.containerRuntimeVersion ?? null,
    podCIDRs: spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []),
    otherIPs: [...external, ...ends.flatMap((address) => address || [])],
    virtual: kind === 'virtual-kubelet',
    kubeletPort: status?.daemonEndpoints?.kubeletEndpoint?.Port ?? null,
  }
}

/** The Service that a slice belongs to. */
export const serviceOf = (slice: V1EndpointSlice): string =>
  slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''

const protocolOf = (text: string | undefined): Protocol => (text ?? 'TCP').toLowerCase() as Protocol

/**
 * Every address of the slices with every port, once. Only an endpoint's first address counts, `ready` unset means ready
 * (discovery/v1). A headless Service without ports has slices without ports: such an endpoint has port 0.
 */
export function endpointsOf(slices: readonly V1EndpointSlice[]): Endpoint[] {
  const found = new Map<string, Endpoint>()
  for (const { addressType, endpoints, ports } of slices) {
    if (addressType === 'FQDN') continue
    for (const endpoint of endpoints ?? []) {
      const address = endpoint.addresses?.[0]
      if (address === undefined) continue
      for (const port of ports?.length ? ports : [{ port: 0 }]) {
        if (port.port === undefined) continue
        const one: Endpoint = {
          address,
          family: isIPv6(address) ? 6 : 4,
          port: port.port,
          protocol: protocolOf(port.protocol),
          portName: port.name ?? '',
          ready: endpoint.conditions?.ready ?? true,
          ...(endpoint.conditions?.terminating && endpoint.conditions.serving ? { lastResort: true } : {}),
          ...(endpoint.hints?.forZones?.length || 'forNodes' in (endpoint.hints ?? {}) ? { hinted: true } : {}),
          ...(endpoint.targetRef?.kind === 'Pod'
            ? { pod: `${endpoint.targetRef.namespace ?? ''}/${endpoint.targetRef.name ?? ''}` }
            : {}),
          ...(endpoint.nodeName ? { node: endpoint.nodeName } : {}),
          ...(endpoint.zone ? { zone: endpoint.zone } : {}),
        }
        const key = `${one.address} ${one.port} ${one.protocol} ${one.portName}`
        // An address may stand in two slices while the controller moves it: ready in one is ready.
        if (!found.get(key)?.ready) found.set(key, one)
      }
    }
  }
  return [...found.values()]
}

type ServiceBasics = Omit<ServiceFacts, 'endpoints' | 'why'>

export function serviceBasics({ metadata, spec, status }: V1Service): ServiceBasics {
  const clusterIPs = (spec?.clusterIPs ?? [spec?.clusterIP]).filter(
    (address): address is string => address !== undefined && address !== '' && address !== 'None',
  )
  const type = (spec?.type ?? 'ClusterIP') as ServiceFacts['type']
  const otherProxy = metadata?.labels?.['service.kubernetes.io/service-proxy-name']
  const outside = outsideOf(spec, status)
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    type,
    clusterIPs,
    headless: type !== 'ExternalName' && spec?.clusterIP === 'None',
    externalName: type === 'ExternalName' ? (spec?.externalName ?? null) : null,
    ports: (spec?.ports ?? []).map(
      ({ name, protocol, port, nodePort }): ServicePort => ({
        ...{ name: name ?? '', protocol: protocolOf(protocol), port },
        ...(nodePort ? { nodePort } : {}),
      }),
    ),
    internalTrafficLocal: spec?.internalTrafficPolicy === 'Local',
    ...(spec?.sessionAffinity === 'ClientIP' ? { sessionAffinity: true } : {}),
    ...(otherProxy ? { otherProxy } : {}),
    ...(outside ? { outside } : {}),
  }
}

/** A load balancer of ipMode Proxy, or one that has only a name, is met outside of the node; null: ClusterIPs are all. */
function outsideOf(spec: V1Service['spec'], status: V1Service['status']): ServiceOutside | null {
  const externalIPs = spec?.externalIPs ?? []
  if (spec?.type !== 'NodePort' && spec?.type !== 'LoadBalancer' && externalIPs.length === 0) return null
  const ingress = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode !== 'Proxy')
  return {
    externalIPs,
    loadBalancerIPs: ingress.flatMap(({ ip }) => (ip ? [ip] : [])),
    sourceRanges: spec?.loadBalancerSourceRanges ?? [],
    localOnly: spec?.externalTrafficPolicy === 'Local',
  }
}
