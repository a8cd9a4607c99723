/** What the plan knows of the pods of this node and of the other nodes, in the words of lib/probe/state. Pure. */
import { given } from '../fact.ts'
import { canonical } from '../packet/prefix.ts'
import type { ClusterView } from '../probe/state/other-nodes.ts'
import type { PodsHere } from '../probe/state/pods-here.ts'
import type { Fact, Plan } from '../types.ts'

const knownOr = <T>(fact: Fact<T>): T | null => (fact.state === 'known' ? fact.value : null)

/** Of the plan: the node's own ranges, and every pod address that is known to be here. */
export function podsHere(plan: Plan): PodsHere {
  const { name, internalIPs, podCIDRs } = plan.node
  const source = knownOr(plan.source)
  const service = knownOr(plan.service)
  const endpoints = [...(knownOr(plan.dns)?.replicas ?? []), ...((service && knownOr(service.endpoints)) ?? [])]
  const pods = Object.values(plan.destinations).map(knownOr)
  const all = [
    ...(source && !source.hostNetwork ? source.addresses : []),
    ...pods.flatMap((pod) => (pod && pod.node === name && !pod.hostNetwork ? pod.addresses : [])),
    ...endpoints.flatMap(({ node, address }) => (node === name ? address : [])),
  ]
  const addresses = new Set(all.map(canonical))
  for (const own of internalIPs) addresses.delete(canonical(own))
  return { ranges: podCIDRs, addresses: [...addresses] }
}

/** This node and the others. Throws where the nodes are not known. */
export function clusterView(plan: Plan): ClusterView {
  const { name, podCIDRs, internalIPs } = plan.node
  const { nodes } = given(plan.clusterNodes)
  const canonicalNodes = nodes.map((node) => ({ ...node, addresses: node.addresses.map(canonical) }))
  const own = canonicalNodes.find((node) => node.name === name)?.addresses ?? internalIPs.map(canonical)
  return { self: { name, podCIDRs, addresses: own }, nodes: canonicalNodes }
}

/** Pod ranges of the other nodes, as far as they are known. */
export const otherRangesOf = ({ node, clusterNodes }: Plan): readonly string[] =>
  (knownOr(clusterNodes)?.nodes ?? []).flatMap(({ name, podCIDRs }) => (name === node.name ? [] : podCIDRs))
