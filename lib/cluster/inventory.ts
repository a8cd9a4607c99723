/** The nodes of a cluster, and for each the pod that stands for its pods, read with as few bytes as the API allows. */
import type { Kube, V1EndpointSlice, V1Node } from '../kube/index.ts'
import { endpointsOf, type NodeObject, nodeObject, RESOURCES } from '../kube/index.ts'
import type { Endpoint, Fact, Peer, PeerPod } from '../types.ts'

const { endpointSlices, networkPolicies, nodes } = RESOURCES

/** A node that can be asked. */
export interface ClusterMember extends Peer {
  /** Why its Ready condition says no, in the kubelet's words; null: it is Ready. */
  readonly notReady: string | null
}

export interface Inventory {
  /** Linux nodes with a kubelet, by name. */
  readonly members: readonly ClusterMember[]
  /** What was left out, and what could not be read: sentences for the report. */
  readonly notes: readonly string[]
}

/** Pages are small: a Node object names all images that it holds, and weighs up to 30 kB. */
const NODES_A_PAGE = 250
/** So many objects are read at most, in pages: 50,000 nodes, 500,000 slices. */
const MOST_PAGES = 1000

/**
 * Reads nodes, EndpointSlices and, of NetworkPolicies, the namespaces. A pod that stands for others is a ready endpoint of a
 * Service, in a namespace without NetworkPolicies: it is meant to be reached by everybody. Pods themselves are not listed: 30,000 of
 * them are 200 MB, their endpoints 10.
 * `labelSelector`: of the nodes. Unknown: the nodes cannot be read.
 */
export async function readInventory(kube: Kube, labelSelector: string | null): Promise<Fact<Inventory>> {
  const everything = { namespace: null, pages: MOST_PAGES }
  const meant = { ...everything, pageSize: NODES_A_PAGE, ...(labelSelector === null ? {} : { labelSelector }) }
  const [members, candidates, guarded] = await Promise.all([
    kube.listOf<V1Node, Read>(nodes, meant, (node) => [readMember(node)]),
    kube.listOf<V1EndpointSlice, Candidate>(endpointSlices, everything, candidatesOf),
    kube.listOf<Metadata, string>(networkPolicies, { ...everything, metadataOnly: true }, ({ metadata }) => [
      metadata?.namespace ?? '',
    ]),
  ])
  if (members.state !== 'known') return members
  const { items } = members.value
  const asked = items.filter(({ skipped }) => skipped === null)
  const found = candidates.state === 'known' ? candidates.value.items : []
  const closed = guarded.state === 'known' ? new Set(guarded.value.items) : null
  const notes = [
    ...left(items),
    ...(candidates.state === 'unknown' ? [`no pods are asked from: ${candidates.reason}`] : []),
    ...(guarded.state === 'unknown' ? [`which namespaces have NetworkPolicies is not known: ${guarded.reason}`] : []),
    ...(members.value.complete ? [] : ['not all Nodes could be read: those that were are asked']),
  ]
  const pods = podsByNode(found, closed ?? new Set(), new Set(items.flatMap(({ addresses }) => addresses)))
  return {
    state: 'known',
    value: {
      members: asked
        .map(({ skipped: _, ...member }) => ({ ...member, pod: pods.get(member.node) ?? null }))
        .toSorted(byNode),
      notes,
    },
  }
}

interface Metadata {
  readonly metadata?: { readonly namespace?: string }
}

interface Read extends ClusterMember {
  /** Why it is not asked; null: it is. */
  readonly skipped: string | null
}

function readMember(node: V1Node): Read {
  const object = nodeObject(node)
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  const os = node.status?.nodeInfo?.operatingSystem || node.metadata?.labels?.['kubernetes.io/os'] || 'linux'
  return {
    node: object.name,
    zone: object.zone,
    addresses: object.internalIPs,
    pod: null,
    notReady: object.ready ? null : (ready?.message ?? ready?.reason ?? 'it has never reported'),
    skipped: reasonToSkip(object, os),
  }
}

function reasonToSkip(node: NodeObject, os: string): string | null {
  if (os !== 'linux') return `it runs ${os}`
  return node.virtual ? 'it is virtual: there is no machine to look at' : null
}

const left = (items: readonly Read[]): string[] =>
  items.flatMap(({ node, skipped }) => (skipped === null ? [] : [`node ${node} is not asked: ${skipped}`]))

/** An endpoint that could stand for its node's pods. */
export interface Candidate {
  readonly node: string
  readonly pod: string
  readonly service: string
  readonly address: string
  readonly family: Endpoint['family']
  readonly port: number
}

/** Ready TCP endpoints of a slice that are pods. Pure. */
export function candidatesOf(slice: V1EndpointSlice): Candidate[] {
  const service = `${slice.metadata?.namespace}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`
  return endpointsOf([slice]).flatMap(({ node, pod, address, family, port, protocol, ready }) =>
    ready && protocol === 'tcp' && port > 0 && node && pod ? [{ node, pod, service, address, family, port }] : [],
  )
}

/**
 * One pod a node, the first by the size of its Service (a DaemonSet's pods are alike on every node, and alike is what is to be
 * compared), then by name. Pods with an address of a node use the host's network. Pure.
 */
export function podsByNode(
  candidates: readonly Candidate[],
  closed: ReadonlySet<string>,
  nodeAddresses: ReadonlySet<string>,
): ReadonlyMap<string, PeerPod> {
  const open = candidates.filter(
    ({ pod, address }) => !closed.has(pod.split('/')[0] ?? '') && !nodeAddresses.has(address),
  )
  const spread = new Map<string, Set<string>>()
  for (const { service, node } of open) spread.set(service, (spread.get(service) ?? new Set()).add(node))
  const width = ({ service }: Candidate): number => spread.get(service)?.size ?? 0
  const first = new Map<string, Candidate>()
  for (const one of open) {
    const known = first.get(one.node)
    if (!known || compare([-width(one), one.pod, one.port], [-width(known), known.pod, known.port]) < 0)
      first.set(one.node, one)
  }
  const addresses = new Map<string, Map<Endpoint['family'], string>>()
  for (const { pod, family, address } of open) {
    addresses.set(pod, (addresses.get(pod) ?? new Map<Endpoint['family'], string>()).set(family, address))
  }
  return new Map(
    [...first].map(([node, { pod, port }]) => {
      const [namespace = '', name = ''] = pod.split('/')
      const own = addresses.get(pod)
      return [node, { namespace, name, addresses: [own?.get(4), own?.get(6)].filter((one) => one !== undefined), port }]
    }),
  )
}

type Key = readonly (string | number)[]

function compare(a: Key, b: Key): number {
  for (const [index, one] of a.entries()) {
    const other = b[index] as typeof one
    if (one !== other) return one < other ? -1 : 1
  }
  return 0
}

const byNode = (a: Peer, b: Peer): number => (a.node < b.node ? -1 : 1)

/** Members that NODES names: all when it names none. `unknown`: names that no member has. */
export function chosen(
  members: readonly ClusterMember[],
  names: readonly string[],
): { readonly members: readonly ClusterMember[]; readonly unknown: readonly string[] } {
  if (names.length === 0) return { members, unknown: [] }
  const wanted = new Set(names)
  const known = new Set(members.map(({ node }) => node))
  return {
    members: members.filter(({ node }) => wanted.has(node)),
    unknown: names.filter((name) => !known.has(name)),
  }
}
