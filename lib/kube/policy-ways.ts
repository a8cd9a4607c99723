/** From NetworkPolicies and the ways that a run tries to what is denied, by what, and which rule is missing. Pure. */
import type { V1NetworkPolicy } from '@kubernetes/client-node'
import type { MissingRule, PolicyLimit, Protocol } from '../types.ts'
import { listing } from './fact.ts'
import type { Direction } from './policies.ts'
import {
  allows,
  asksForLabels,
  type Certainty,
  DOUBTS,
  type End,
  isolating,
  nearly,
  type PodEnd,
  rulesOf,
  type Way,
} from './policy-rules.ts'

/** Everything that the evaluation knows. */
export interface Scene {
  readonly source: PodEnd
  /** Addresses of the source, of its node where it uses the host network. */
  readonly sourceAddresses: readonly string[]
  /** The node of the source pod. */
  readonly sourceNode: string | null
  /** Policies of a namespace; null: could not be read. */
  readonly policiesIn: (namespace: string) => readonly V1NetworkPolicy[] | null
}

/** A way with what stands at its end. */
export interface EndedWay extends Way {
  readonly end: End
  /** The node of the end. */
  readonly node: string | null
  /** Of a ping: the TCP ports that are asked at the same address. */
  readonly tcpPorts?: readonly number[]
}

type Limit = Omit<PolicyLimit, 'addresses'>

/** What the policies say of one way; null: they allow it. */
export function limitOf(way: EndedWay, scene: Scene): Limit | null {
  const sides = [egress(way, scene), ingress(way, scene)].filter((side) => side !== null)
  const denied = sides.filter(({ verdict }) => verdict === 'denied')
  const found = denied.length > 0 ? denied : sides
  const [first] = found
  if (!first) return null
  return {
    verdict: first.verdict,
    protocol: way.protocol,
    port: way.port,
    why: found.map(({ why }) => why).join('; '),
    varies: way.port === null || (way.end.kind === 'node' && way.end.here),
    missing: found.flatMap(({ missing }) => missing ?? []),
  }
}

interface Side {
  readonly verdict: 'denied' | 'unsure'
  readonly why: string
  readonly missing?: MissingRule
}

function egress(way: EndedWay, { source, policiesIn }: Scene): Side | null {
  const other = { other: way.end, otherAddress: way.address, destination: way.end }
  return sideOf('Egress', source, other, way, policiesIn(source.namespace))
}

function ingress(way: EndedWay, { source, sourceAddresses, sourceNode, policiesIn }: Scene): Side | null {
  const { end, node, address } = way
  if (end.kind !== 'pod' || end.hostNetwork) return null
  // a pod cannot keep its own node out (the API's documentation): the source is that node
  if (source.hostNetwork && node !== null && node === sourceNode) return null
  const own = sourceAddresses.find((one) => one.includes(':') === address.includes(':')) ?? null
  const other = { other: source, otherAddress: source.hostNetwork ? null : own, destination: end }
  return sideOf('Ingress', end, other, way, policiesIn(end.namespace))
}

interface Others {
  readonly other: End
  readonly otherAddress: string | null
  readonly destination: End
}

/** One direction: the policies that isolate `pod`, and whether they let the way to or from `other` pass. */
function sideOf(
  direction: Direction,
  pod: PodEnd,
  others: Others,
  way: EndedWay,
  policies: readonly V1NetworkPolicy[] | null,
): Side | null {
  if (pod.hostNetwork) return null
  if (policies === null)
    return { verdict: 'unsure', why: `the NetworkPolicies of namespace ${pod.namespace} could not be read` }
  const { sure, maybe } = isolating(pod, policies, direction)
  const asked = { direction, way, ...others }
  const certainty = verdictOf(sure, maybe, asked)
  if (certainty === true) return null
  const all = [...sure, ...maybe]
  const names = all.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`).sort()
  const word = direction.toLowerCase()
  // who receives may be one of many, of which each would be a sentence of its own
  const selected = direction === 'Egress' ? `pod ${pod.namespace}/${pod.name}` : 'the receiving pod'
  const who = `NetworkPolic${names.length === 1 ? 'y' : 'ies'} ${listing(names)} select${names.length === 1 ? 's' : ''} ${selected} for ${word}`
  const peer =
    direction === 'Egress'
      ? `to ${endName(way.end, way.address)}`
      : `from ${endName(others.other, others.otherAddress)}`
  if (certainty !== false)
    return {
      verdict: 'unsure',
      why: `${who}, and of ${protocolText(way)} ${peer} nothing sure can be said: ${certainty.doubt}`,
    }
  const near = nearly(sure, asked)
  const only = near.length > 0 ? ` (only ${listing(near)})` : ''
  return {
    verdict: 'denied',
    why: `${who}, and no rule allows ${protocolText(way)} ${peer}${only}`,
    missing: missingRule(direction, sure, way, others),
  }
}

/** Whether a policy isolates may be in doubt: then so is a denial. An allowance of one that may isolate is no certain one. */
function verdictOf(
  sure: readonly V1NetworkPolicy[],
  maybe: readonly V1NetworkPolicy[],
  asked: Parameters<typeof allows>[1],
): Certainty {
  if (sure.length === 0 && maybe.length === 0) return true
  const certain = sure.length > 0 ? followingTcp(sure, asked) : false
  if (certain === true || maybe.length === 0) return certain
  return { doubt: DOUBTS.labels }
}

/** Ping where a rule allows ports only: denied where every TCP port that is asked there is denied too, else in doubt. */
function followingTcp(policies: readonly V1NetworkPolicy[], asked: Parameters<typeof allows>[1]): Certainty {
  const own = allows(policies, asked)
  const { tcpPorts = [] } = asked.way as EndedWay
  if (own === true || own === false || asked.way.port !== null || tcpPorts.length === 0) return own
  const tcp = tcpPorts.map((port) => allows(policies, { ...asked, way: { ...asked.way, protocol: 'tcp', port } }))
  return tcp.every((one) => one === false) ? false : own
}

const protocolText = ({ protocol, port }: Way): string => (port === null ? 'ICMP' : `${protocol.toUpperCase()} ${port}`)

/** Labels that a controller sets on each pod, or each generation of pods, and that select too few of them. */
const PASSING =
  /^(pod-template-hash|pod-template-generation|rollouts-pod-template-hash|controller-revision-hash|controller-uid|job-name|apps\.kubernetes\.io\/pod-index|statefulset\.kubernetes\.io\/pod-name|batch\.kubernetes\.io\/.*)$/

const NAMING = ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'k8s-app', 'app']

/** The labels by which a rule would select such a pod: those that name the application, else all that last. */
export function lastingLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const lasting = Object.entries(labels).filter(([key]) => !PASSING.test(key))
  const naming = lasting.filter(([key]) => NAMING.includes(key))
  return Object.fromEntries((naming.length > 0 ? naming : lasting).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const byLabels = ({ labels, hostNetwork }: PodEnd) => (hostNetwork || labels === null ? {} : lastingLabels(labels))
const labelText = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

function endName(end: End, address: string | null): string {
  if (end.kind !== 'pod') return end.kind === 'node' ? `node address ${address}` : `${address}`
  const labels = labelText(byLabels(end))
  if (labels === '') return `pod ${end.namespace}/${end.name}`
  return `pods ${labels} of namespace ${end.namespace}`
}

function missingRule(
  direction: Direction,
  policies: readonly V1NetworkPolicy[],
  way: EndedWay,
  { other, otherAddress }: Others,
): MissingRule {
  const [best] = policies.toSorted(
    (a, b) => precision(b) - precision(a) || (a.metadata?.name ?? '').localeCompare(b.metadata?.name ?? ''),
  )
  const namespace = best?.metadata?.namespace ?? ''
  const ports =
    way.port === null
      ? (way.tcpPorts ?? []).map((port) => ({ protocol: 'TCP', port }))
      : [{ protocol: way.protocol.toUpperCase(), port: way.port }]
  return {
    direction: direction === 'Egress' ? 'egress' : 'ingress',
    namespace,
    policy: best?.metadata?.name ?? '',
    hasRules: best !== undefined && rulesOf(best, direction).length > 0,
    peer: peerOf(other, otherAddress, namespace),
    ports,
  }
}

/** A rule is best added to the policy that selects the fewest pods: the one that asks most of them. */
function precision({ spec }: V1NetworkPolicy): number {
  const { matchLabels = {}, matchExpressions = [] } = spec?.podSelector ?? {}
  return asksForLabels(spec?.podSelector) ? Object.keys(matchLabels).length + matchExpressions.length : 0
}

function peerOf(other: End, address: string | null, namespace: string): MissingRule['peer'] {
  const labels = other.kind === 'pod' ? byLabels(other) : {}
  if (other.kind !== 'pod' || other.hostNetwork || Object.keys(labels).length === 0) {
    if (other.kind === 'pod' && !other.hostNetwork) return { namespaceSelector: named(other.namespace) }
    return { ipBlock: { cidr: `${address}/${address?.includes(':') ? 128 : 32}` } }
  }
  const pods = { podSelector: { matchLabels: labels } }
  return other.namespace === namespace ? pods : { namespaceSelector: named(other.namespace), ...pods }
}

const named = (namespace: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': namespace } })

/** The same limit of many addresses is said once. */
export function limitsOf(ways: readonly EndedWay[], scene: Scene): PolicyLimit[] {
  const found = new Map<string, { limit: Limit; addresses: Set<string> }>()
  for (const way of ways) {
    const limit = limitOf(way, scene)
    if (limit === null) continue
    const key = JSON.stringify(limit)
    const group = found.get(key) ?? { limit, addresses: new Set<string>() }
    group.addresses.add(way.address)
    found.set(key, group)
  }
  return [...found.values()].map(({ limit, addresses }) => ({ ...limit, addresses: [...addresses] }))
}

/** A virtual address, with the ways to those behind it: packets are translated before a policy sees them. */
export interface VirtualWay {
  readonly address: string
  readonly protocol: Protocol
  readonly port: number
  readonly backends: readonly EndedWay[]
}

/** What is said of a virtual address: denied when all its backends are, partly when some are. */
export function virtualLimit({ address, protocol, port, backends }: VirtualWay, scene: Scene): PolicyLimit | null {
  const limits = limitsOf(backends, scene)
  const denied = limits.filter(({ verdict }) => verdict === 'denied')
  const told = denied.length > 0 ? denied : limits
  if (told.length === 0) return null
  const count = denied.reduce((sum, { addresses }) => sum + addresses.length, 0)
  const all = new Set(backends.map((backend) => backend.address)).size
  const whys = [...new Set(told.map(({ why }) => why))]
  const some = count > 0 && count < all ? `of ${count} of its ${all} backends: ` : ''
  return {
    verdict: count === 0 ? 'unsure' : count === all ? 'denied' : 'partly',
    addresses: [address],
    protocol,
    port,
    why: `${some}${whys.slice(0, MOST_WHYS).join('; ')}${whys.length > MOST_WHYS ? `; and ${whys.length - MOST_WHYS} more` : ''}`,
    varies: told.some(({ varies }) => varies),
    missing: distinct(told.flatMap(({ missing }) => missing)),
  }
}

const MOST_WHYS = 3

const distinct = (rules: readonly MissingRule[]): MissingRule[] => [
  ...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values(),
]
