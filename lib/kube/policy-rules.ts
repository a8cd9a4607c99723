/**
 * What the rules of NetworkPolicies (networking.k8s.io/v1) say about one way between two ends. Pure. Where the API's words leave
 * it to the CNI, or something could not be read, the answer is a doubt and never a guess.
 */
import type {
  V1LabelSelector,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
} from '@kubernetes/client-node'
import ipaddr from 'ipaddr.js'
import type { Protocol } from '../types.ts'
import type { NamedPort } from './objects.ts'
import { type Direction, directionsOf, selects } from './policies.ts'

export type Labels = Readonly<Record<string, string>>

/** One end of a way, as a policy sees it. */
export type End =
  | {
      readonly kind: 'pod'
      readonly namespace: string
      readonly name: string
      /** null: could not be read. */
      readonly labels: Labels | null
      readonly namespaceLabels: Labels | null
      readonly ports: readonly NamedPort[] | null
      readonly hostNetwork: boolean
    }
  /** A node's own address; `here`: of the node that the source pod is on. */
  | { readonly kind: 'node'; readonly here: boolean }
  | { readonly kind: 'outside' }
  /** An address of which nobody knows whose it is. */
  | { readonly kind: 'unclear' }

export type PodEnd = Extract<End, { kind: 'pod' }>

/** A way from the source to an address; port null: ICMP. */
export interface Way {
  readonly address: string
  readonly protocol: Protocol
  readonly port: number | null
}

/** true or false where the API's words decide; else why it is in doubt. */
export type Certainty = boolean | { readonly doubt: string }

const doubt = (text: string): Certainty => ({ doubt: text })

/** A certain no decides, then a doubt. */
function both(a: Certainty, b: () => Certainty): Certainty {
  if (a === false) return false
  const other = b()
  return other === false || a === true ? other : a
}

/** A certain yes decides, then a doubt. */
function any(all: readonly Certainty[]): Certainty {
  return all.find((one) => one === true) ?? all.find((one) => one !== false) ?? false
}

export const DOUBTS = {
  block:
    'only an ipBlock covers the address, and whether an ipBlock means pods and nodes differs among CNIs (with Cilium it does not)',
  hostNetwork: 'a rule selects the pod, but it uses the host network, where the meaning of a policy is not defined',
  icmp: 'its rules allow ports only, a NetworkPolicy cannot name ICMP, and whether ping passes then differs among CNIs',
  unclear: 'no pod with that address was found, so what a selector says about it is not known',
  labels: 'the labels of the pods or namespaces could not be read',
} as const

/** The policies that isolate a pod in a direction; of a pod on the host network: none (its isolation is not defined). */
export function isolating(
  pod: PodEnd,
  policies: readonly V1NetworkPolicy[],
  direction: Direction,
): { readonly sure: V1NetworkPolicy[]; readonly maybe: V1NetworkPolicy[] } {
  if (pod.hostNetwork) return { sure: [], maybe: [] }
  const own = policies.filter(
    ({ metadata, spec }) => metadata?.namespace === pod.namespace && directionsOf(spec).includes(direction),
  )
  const matching = own.map((policy) => [policy, matches(policy.spec?.podSelector, pod.labels)] as const)
  return {
    sure: matching.filter(([, is]) => is === true).map(([policy]) => policy),
    maybe: matching.filter(([, is]) => is !== true && is !== false).map(([policy]) => policy),
  }
}

/** A selector and labels that may be unknown; an empty selector needs none. */
function matches(selector: V1LabelSelector | undefined, labels: Labels | null): Certainty {
  if (!asksForLabels(selector)) return true
  return labels === null ? doubt(DOUBTS.labels) : selects(selector, labels)
}

export const asksForLabels = (selector: V1LabelSelector | undefined): boolean =>
  Object.keys(selector?.matchLabels ?? {}).length > 0 || (selector?.matchExpressions?.length ?? 0) > 0

interface Asked {
  readonly direction: Direction
  readonly way: Way
  /** Egress: the destination; Ingress: the source. */
  readonly other: End
  /** Address of `other`. */
  readonly otherAddress: string | null
  /** Whose named ports count. */
  readonly destination: End
}

/** Whether any rule of these policies, which all isolate one pod, allows the way. */
export function allows(policies: readonly V1NetworkPolicy[], asked: Asked): Certainty {
  return any(
    policies.flatMap((policy) =>
      rulesOf(policy, asked.direction).map((rule) =>
        both(allowsPeer(rule.peers, policy.metadata?.namespace ?? '', asked), () => allowsPort(rule.ports, asked)),
      ),
    ),
  )
}

/** The ports that rules with the right peer do allow, as text: what nearly fits. */
export function nearly(policies: readonly V1NetworkPolicy[], asked: Asked): string[] {
  const ports = policies.flatMap((policy) =>
    rulesOf(policy, asked.direction)
      .filter(({ peers }) => allowsPeer(peers, policy.metadata?.namespace ?? '', asked) === true)
      .flatMap((rule) => rule.ports.map(portText)),
  )
  return [...new Set(ports)]
}

const portText = ({ protocol = 'TCP', port, endPort }: V1NetworkPolicyPort): string =>
  [protocol, ...(port === undefined ? [] : [endPort === undefined ? `${port}` : `${port}-${endPort}`])].join(' ')

interface Rule {
  readonly peers: readonly V1NetworkPolicyPeer[]
  readonly ports: readonly V1NetworkPolicyPort[]
}

export function rulesOf({ spec }: V1NetworkPolicy, direction: Direction): Rule[] {
  return direction === 'Egress'
    ? (spec?.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }))
    : (spec?.ingress ?? []).map(({ _from, ports, ...rest }) => ({
        // the client's models call it _from, JSON from
        peers: _from ?? (rest as { from?: V1NetworkPolicyPeer[] }).from ?? [],
        ports: ports ?? [],
      }))
}

/** No peer at all means everyone. */
function allowsPeer(peers: readonly V1NetworkPolicyPeer[], namespace: string, asked: Asked): Certainty {
  return peers.length === 0 || any(peers.map((peer) => isPeer(peer, namespace, asked)))
}

function isPeer(
  { ipBlock, podSelector, namespaceSelector }: V1NetworkPolicyPeer,
  namespace: string,
  { other, otherAddress }: Asked,
): Certainty {
  if (ipBlock) {
    // whose address arrives from a pod on the host network of another node (the node's, a tunnel's) differs
    if (otherAddress === null) return doubt(DOUBTS.block)
    if (!inBlock(otherAddress, ipBlock.cidr, ipBlock.except ?? [])) return false
    return other.kind === 'outside' || doubt(DOUBTS.block)
  }
  if (!podSelector && !namespaceSelector) return false
  if (other.kind === 'unclear') return doubt(DOUBTS.unclear)
  if (other.kind !== 'pod') return false
  const inNamespace = namespaceSelector
    ? matches(namespaceSelector, other.namespaceLabels)
    : other.namespace === namespace
  const selected = both(inNamespace, () => (podSelector ? matches(podSelector, other.labels) : true))
  return selected !== false && other.hostNetwork ? doubt(DOUBTS.hostNetwork) : selected
}

function inBlock(address: string, cidr: string, except: readonly string[]): boolean {
  return covers(cidr, address) && !except.some((hole) => covers(hole, address))
}

function covers(cidr: string, address: string): boolean {
  try {
    const one = ipaddr.parse(address)
    const [base, bits] = ipaddr.parseCIDR(cidr)
    return one.kind() === base.kind() && one.match(base, bits)
  } catch {
    return false
  }
}

/** No port at all means every port of every protocol, and ICMP. */
function allowsPort(ports: readonly V1NetworkPolicyPort[], { way, destination }: Asked): Certainty {
  if (ports.length === 0) return true
  if (way.port === null) return doubt(DOUBTS.icmp)
  return any(ports.map((port) => isPort(port, way.protocol, way.port as number, destination)))
}

function isPort(
  { protocol = 'TCP', port, endPort }: V1NetworkPolicyPort,
  asked: Protocol,
  number: number,
  destination: End,
): Certainty {
  if (protocol.toLowerCase() !== asked) return false
  if (port === undefined) return true
  if (typeof port === 'string') {
    if (destination.kind === 'unclear') return doubt(DOUBTS.unclear)
    if (destination.kind !== 'pod') return false
    if (destination.ports === null) return doubt(DOUBTS.labels)
    return destination.ports.some((own) => own.name === port && own.protocol === asked && own.port === number)
  }
  return number >= port && number <= (endPort ?? port)
}
