/** Which causes, found by a check of their own, explain the end of a flow's packets: pure. */
import type { Code, Place, Result } from '../types.ts'
import { isVirtual, type Names, nodeOf } from './names.ts'
import type { Branch, Stage } from './trace.ts'

interface Reach {
  /** Where packets end by this cause. */
  readonly stages: readonly Stage[]
  /** Only packets of the family that the check was about. */
  readonly family?: boolean
  /** Only packets from the pod. */
  readonly pod?: boolean
  /** Only packets to a Service's address. */
  readonly virtual?: boolean
  /** Only packets to the node that the check was about. */
  readonly node?: boolean
}

const NEAR: readonly Stage[] = ['not-sent', 'first-hop', 'on-node', 'answer-node', 'target']
const ANY: readonly Stage[] = [...NEAR, 'tunnel', 'beyond', 'error', 'answer-pod', 'refused', 'unseen']

const REACH: Readonly<Record<Code, Reach>> = {
  FORWARDING_OFF: { stages: ['on-node', 'answer-node', 'error'], family: true },
  RP_FILTER: { stages: ['on-node', 'answer-node'], family: true },
  BRIDGE_NF_OFF: { stages: ['answer-pod'], family: true },
  LINK_DOWN: { stages: NEAR, pod: true },
  VETH_DETACHED: { stages: NEAR, pod: true },
  PORT_BLOCKED: { stages: NEAR, pod: true },
  // of IPv6 a link-local source is left, which no router passes on: "beyond scope"
  ADDRESS_MISSING: { stages: [...NEAR, 'answer-pod', 'beyond', 'error'], pod: true, family: true },
  DUPLICATE_ADDRESS: { stages: ANY, pod: true, family: true },
  POD_ROUTE_BLOCKED: { stages: ['not-sent'], pod: true, family: true },
  NO_DEFAULT_ROUTE: { stages: ['not-sent'], family: true },
  GATEWAY_UNRESOLVED: { stages: ['not-sent', 'first-hop'], family: true },
  // a bridge floods what is for nobody that it knows: to other pods too
  GATEWAY_MAC_WRONG: { stages: NEAR, pod: true, family: true },
  POD_ROUTE_MISSING: { stages: ['on-node', 'beyond', 'error'], node: true, family: true },
  POD_ROUTE_WRONG: { stages: ['on-node', 'beyond', 'error', 'tunnel'], node: true, family: true },
  TUNNEL_ENTRY_MISSING: { stages: ['tunnel', 'on-node', 'beyond'], node: true },
  TUNNEL_ENTRY_WRONG: { stages: ['tunnel', 'on-node', 'beyond', 'error'], node: true },
  SERVICE_RULES_MISSING: { stages: ANY, virtual: true },
  SERVICE_RULES_STALE: { stages: ANY, virtual: true },
  CONNTRACK_STALE: { stages: ANY, virtual: true },
  NO_READY_ENDPOINTS: { stages: ANY, virtual: true },
  NO_LOCAL_ENDPOINT: { stages: ANY, virtual: true },
}

/** Whether the cause that `root` names ends this flow there. */
export function covers(root: Result, { flow, stage, destination }: Branch, place: Place, names: Names): boolean {
  const reach = REACH[root.code ?? '']
  if (!reach?.stages.includes(stage)) return false
  if (reach.pod && place !== 'pod') return false
  if (reach.family && root.family !== undefined && root.family !== flow.target.family) return false
  if (reach.virtual && !isVirtual(flow.target.role)) return false
  if (!reach.node) return true
  const there = nodeOf(destination, names)
  const about = root.targets.flatMap(({ name, node }) => [name, node])
  return there !== null && (about.length === 0 || about.includes(there))
}

/** What is broken by what: a state that another broken state brings with it, in the same family. */
const BRINGS: Readonly<Record<Code, readonly Code[]>> = {
  LINK_DOWN: ['ADDRESS_MISSING', 'NO_DEFAULT_ROUTE', 'GATEWAY_UNRESOLVED'],
  VETH_DETACHED: ['GATEWAY_UNRESOLVED'],
  ADDRESS_MISSING: ['NO_DEFAULT_ROUTE', 'GATEWAY_UNRESOLVED'],
  DUPLICATE_ADDRESS: ['GATEWAY_UNRESOLVED'],
  NO_DEFAULT_ROUTE: ['GATEWAY_UNRESOLVED'],
  KUBE_PROXY_UNHEALTHY: ['SERVICE_RULES_MISSING', 'SERVICE_RULES_STALE', 'CONNTRACK_STALE'],
  // the node filters a pod's ARP requests too
  RP_FILTER: ['GATEWAY_UNRESOLVED'],
}

/** What the node does to its pods; all others bring something only in the place that they are in. */
const ACROSS: ReadonlySet<Code> = new Set(['RP_FILTER'])

/** Whether what `root` names is there because of what `other` names. */
export const brings = (other: Result, root: Result): boolean =>
  (BRINGS[other.code ?? '']?.includes(root.code ?? '') ?? false) &&
  (other.place === root.place || ACROSS.has(other.code ?? '')) &&
  (other.family === undefined || root.family === undefined || other.family === root.family)
