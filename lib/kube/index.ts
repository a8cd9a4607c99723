/**
 * The cluster as plain data. The only room that imports client-node, and of that only the parts that are needed.
 * Runs in the main process, in the node's namespace: credentials never leave it.
 */
import type { Settings } from '../settings.ts'
import type { ApiFacts, Fact, PodTarget, PolicyFacts } from '../types.ts'
import { connectKube, type Kube, locateServer } from './client.ts'
import { type DnsService, type Nodes, readApi, readDns, readNode, readNodes, type ThisNode } from './cluster.ts'
import { absent, known, mapFact, type Unknown } from './fact.ts'
import { namedTarget } from './named.ts'
import type { NodeObject, PodObject } from './objects.ts'
import { readPolicyFacts } from './policy-facts.ts'
import { readOtherPolicies } from './policy-others.ts'
import { policyReader } from './policy-reader.ts'
import { type Here, listWide, type PodList, resolveSourcePod, sourceScope } from './source.ts'
import { readTargets, type Targets } from './targets.ts'

export type {
  CoreV1Event,
  V1EndpointSlice,
  V1Job,
  V1Node,
  V1ObjectMeta,
  V1OwnerReference,
  V1Pod,
} from '@kubernetes/client-node'
export { type Cost, connectKube, type Kube, type Resource, type WriteRequest } from './client.ts'
export type { DnsService } from './cluster.ts'
export { type Unknown, unknown } from './fact.ts'
export { endpointsOf, type NodeObject, nodeObject, type PodObject, RESOURCES } from './objects.ts'

/** What this machine knows about itself. */
export interface Local {
  /** Addresses of the node's interfaces. */
  readonly addresses: readonly string[]
  readonly hostname: string
}

/** Everything that the API says about this run's node, source and targets. */
export interface ClusterFacts extends Omit<Targets, 'pods'>, Nodes {
  readonly api: ApiFacts
  readonly node: Pick<ThisNode, 'name' | 'nameFrom'> & { readonly object: Fact<NodeObject> }
  /** Absent: SRC_POD is not set. */
  readonly source: Fact<PodObject>
  /** Pods of this node, as far as the account may see them. */
  readonly podsHere: Fact<readonly PodObject[]>
  readonly dns: Fact<DnsService>
  /** Absent: SRC_POD is not set. */
  readonly policies: Fact<PolicyFacts>
}

/** Reads everything, as much as possible at once. Never throws for anything that a cluster or a user can do. */
export async function readClusterFacts(settings: Settings, local: Local): Promise<ClusterFacts> {
  const connected = await connectKube(settings)
  if (connected.state !== 'known') {
    return withoutCluster(settings, local, connected as Unknown, await locateServer(settings))
  }
  const kube = connected.value
  try {
    return await readCluster(kube, settings, local)
  } finally {
    kube.close()
  }
}

/** The same, of a cluster that is connected already. */
export async function readCluster(kube: Kube, settings: Settings, local: Local): Promise<ClusterFacts> {
  const finding = readNode(kube, settings, local)
  const dns = readDns(kube)
  const { first } = sourceScope(settings, kube)
  const onNode = finding.then(({ name }) => listWide(kube, first, { fieldSelector: `spec.nodeName=${name}` }))
  const source = finding.then((node) => findSource(kube, settings, node, onNode))
  const reader = policyReader(kube)
  const otherPolicies = settings.sourcePod === null ? null : readOtherPolicies(kube)
  const [api, node, others, chosen, here, names, targets] = await Promise.all([
    readApi(kube),
    finding,
    readNodes(kube, finding),
    source,
    onNode,
    dns,
    readTargets(kube, reader, settings, source, dns),
  ])
  const { pods, ...asked } = targets
  const external = Object.values(settings.external).filter((address) => address !== null)
  const reached = {
    ...asked,
    api,
    dns: names,
    external,
    peerNode: others.peerNode,
    node: node.object,
    peers: settings.peers,
  }
  const policies =
    chosen.state === 'known' && otherPolicies
      ? await readPolicyFacts(kube, reader, chosen.value.pod, reached, pods, otherPolicies)
      : (chosen as Fact<never>)
  const notes = chosen.state === 'known' ? chosen.value.notes : []
  return {
    ...asked,
    ...others,
    policies,
    api,
    node,
    source: mapFact(chosen, ({ pod }) => pod),
    podsHere: mapFact(here, ({ items }) => items),
    dns: names,
    notes: [...notes, ...targets.notes],
  }
}

function findSource(kube: Kube, settings: Settings, node: ThisNode, local: Promise<Fact<PodList>>) {
  if (settings.sourcePod === null) return absent('SRC_POD', 'not set')
  // A wrong NODE_NAME would make every pod seem to be elsewhere.
  if (node.nameFrom === 'setting' && node.object.state === 'unknown' && node.object.code === 'NODE_NOT_FOUND')
    return node.object
  const here: Here = { node: node.name, certain: node.nameFrom !== 'hostname' || node.object.state === 'known' }
  return resolveSourcePod(kube, settings, here, local)
}

/** No kubeconfig, no credentials: everything is unknown for that one reason, but an address needs no API. */
function withoutCluster(
  settings: Settings,
  { hostname }: Local,
  why: Unknown,
  server: ApiFacts['server'],
): ClusterFacts {
  const { destinationPod: pod, destinationService: service, sourcePod, nodeName } = settings
  const named: Fact<PodTarget> =
    pod?.kind === 'address'
      ? known(namedTarget({ value: pod.address, notes: [] }, []))
      : pod === null
        ? absent('DST_POD', 'not set')
        : pod.kind === 'none'
          ? absent('DST_POD', 'set to none')
          : why
  const picked = pod === null ? why : absent('a picked destination pod', 'DST_POD is set')
  const node = nodeName ?? hostname.toLowerCase()
  return {
    api: { server, livez: why, readyz: why, service: why, endpoints: why, ca: authority(server, why), cluster: why },
    node: { name: node, nameFrom: nodeName === null ? 'hostname' : 'setting', object: why },
    peerNode: why,
    clusterNodes: why,
    source: sourcePod === null ? absent('SRC_POD', 'not set') : why,
    podsHere: why,
    dns: why,
    destinations: { named, 'other-node': picked, 'same-node': picked },
    service: service?.kind === 'none' ? absent('DST_SVC', 'set to none') : why,
    ownService: why,
    policies: sourcePod === null ? absent('SRC_POD', 'not set') : why,
    notes: [],
  }
}

function authority(server: ApiFacts['server'], why: Unknown): Fact<string> {
  return server.state === 'known' && server.value.ca !== null ? known(server.value.ca) : why
}
