/** How far the packets of a flow came, by what the taps saw: pure. */
import type { FlowSeen, NamespaceState, Observed, Side, Station, Windows } from '../state.ts'

/**
 * The last point where a flow's packets, or their answers, were seen.
 * not-sent     the asking side's own kernel refused, or nothing left its interface
 * first-hop    left the pod's interface and did not come in on the node
 * on-node      came in on the node and did not leave it
 * tunnel       went into a tunnel's interface, but no tunnel packet left
 * beyond       left the node, and nothing came back
 * target       handed to the pod on this node, and nothing came back
 * error        an ICMP error came back
 * answer-node  an answer came into the node and did not go on to the pod
 * answer-pod   an answer came in on the asking side's interface, and the asker did not get it
 * refused      every answer is a refusal
 * answered     the asker was answered
 * unseen       nothing could be watched
 */
export type Stage =
  | 'not-sent'
  | 'first-hop'
  | 'on-node'
  | 'tunnel'
  | 'beyond'
  | 'target'
  | 'error'
  | 'answer-node'
  | 'answer-pod'
  | 'refused'
  | 'answered'
  | 'unseen'

/** A flow's packets to one destination: behind a Service's address each backend is a branch of its own. */
export interface Branch {
  readonly flow: FlowSeen
  /** The replay that it was seen in. */
  readonly observed: Observed
  /** Where the packets were bound for in the end, as far as they were seen. */
  readonly destination: string
  readonly destinationPort: number
  readonly stage: Stage
  /** The station that decides: the last of the probes, or of the answers. */
  readonly last: Station | null
  /** Seen there with each probe of both windows, and never in the empty one. */
  readonly followed: boolean
}

/** Probes of a flow to a virtual address spread: each branch gets a share. A share of so many is still a pattern. */
const FEW = 2

/** What is known of each side, and whether the asking side is the node's own namespace. */
export interface Sides {
  readonly states: Partial<Record<Side, NamespaceState>>
  readonly fromNode: boolean
  /** Addresses of the node itself. */
  readonly nodeAddresses: readonly string[]
}

/** The branches of a flow that were not answered well. */
export function branchesOf(flow: FlowSeen, observed: Observed, sides: Sides): readonly Branch[] {
  const asked = flow.target.address
  const onNode = flow.stations.filter(({ kind, side }) => kind === 'probe' && side === nodeSide(sides))
  const translated = [...new Set(onNode.map(({ destination }) => destination))].filter((one) => one !== asked)
  // a part may have left the node as it was asked
  const untouched = onNode.some((one) => one.outgoing && one.destination === asked && !isPodSide(one.device, sides))
  const ends = translated.length === 0 ? [asked] : untouched ? [...translated, asked] : translated
  return ends
    .map((destination) => ({ ...branch(flow, destination, sides), observed }))
    .filter(({ stage }) => stage !== 'answered')
}

export const nodeSide = ({ fromNode }: Sides): Side => (fromNode ? 'own' : 'node')
export const nodeStateOf = (sides: Sides): NamespaceState | undefined => sides.states[nodeSide(sides)]

/** An interface of the node that leads to pods: a veth pair's end, or the bridge that such are ports of; never an uplink. */
export function isPodSide(device: string, sides: Sides): boolean {
  const state = nodeStateOf(sides)
  if (!state || isUplink(device, state, sides)) return false
  const link = state.links.find(({ name }) => name === device)
  if (link?.kind === 'veth') return true
  return link?.kind === 'bridge' && state.links.some(({ master, kind }) => master === link.name && kind === 'veth')
}

/** It holds an address of the Node object, or the default route leaves by it: nodes in containers have veth uplinks. */
const isUplink = (device: string, state: NamespaceState, { nodeAddresses }: Sides): boolean =>
  state.addresses.some((one) => one.device === device && nodeAddresses.includes(one.address)) ||
  state.routes.some((route) => route.destination === 'default' && route.device === device && route.type === 'unicast')

function branch(flow: FlowSeen, destination: string, sides: Sides): Omit<Branch, 'observed'> {
  const asked = flow.target.address
  const probes = flow.stations.filter(
    (one) =>
      one.kind === 'probe' && [destination, asked].includes(one.destination) && !elsewhere(one, destination, sides),
  )
  const answers = flow.stations.filter(({ kind, source }) => kind === 'answer' && [destination, asked].includes(source))
  // what the asking side's own kernel says of a packet that it did not send is no answer from the way
  const errors = flow.stations.filter(({ kind, source }) => kind === 'error' && source !== flow.source)
  const { stage, last } = stageOf(flow, destination, { probes, answers, errors }, sides)
  return {
    ...{ flow, destination, stage, last },
    destinationPort:
      probes.findLast((one) => one.destination === destination)?.destinationPort ?? flow.target.port ?? 0,
    followed: last !== null && follows(last.seen, destination === asked ? flow.sent : [FEW, 0, FEW]),
  }
}

/** A translated branch shares the way up to the translation; what left the node untranslated is no part of it. */
const elsewhere = (one: Station, destination: string, sides: Sides): boolean =>
  one.destination !== destination && one.side === nodeSide(sides) && one.outgoing

/** Moved with every probe, and rested in the empty window. */
export const follows = (seen: Windows, sent: Windows): boolean =>
  seen[0] >= sent[0] && seen[1] <= 1 && seen[2] >= sent[2] && seen[0] > 0

interface Parts {
  readonly probes: readonly Station[]
  readonly answers: readonly Station[]
  readonly errors: readonly Station[]
}

function stageOf(
  flow: FlowSeen,
  destination: string,
  { probes, answers, errors }: Parts,
  sides: Sides,
): Pick<Branch, 'stage' | 'last'> {
  const asked = flow.target.address
  const at = (list: readonly Station[], side: Side, outgoing: boolean) =>
    list.filter((one) => one.side === side && one.outgoing === outgoing)
  const home = at(answers, 'own', false)
  const fromThere = answers.filter(({ side, source }) => side !== 'own' && source === destination)
  const wanted = sides.fromNode ? destination : asked
  const came = home.filter(({ source }) => source === wanted)
  // other backends may answer well, and this one without its address translated back
  const strange = destination === asked || sides.fromNode ? [] : home.filter(({ source }) => source === destination)
  if (strange.length > 0) return { stage: 'answer-pod', last: strange.at(-1) ?? null }
  // what the node itself answers bears the asked address before any tap sees it
  const ofNode = nodeStateOf(sides)?.addresses.some(({ address }) => address === destination) ?? false
  if (came.length > 0 && (destination === asked || sides.fromNode || ofNode || fromThere.length > 0)) {
    const told = fromThere.length > 0 ? fromThere : came
    const refused = told.every(({ refusal }) => refusal !== null)
    const stage = refused ? 'refused' : flow.answered > 0 ? 'answered' : 'answer-pod'
    return { stage, last: came.at(-1) ?? null }
  }
  if (fromThere.length > 0) return { stage: 'answer-node', last: fromThere.at(-1) ?? null }
  if (errors.length > 0) return { stage: 'error', last: errors.at(-1) ?? null }
  const last = probes.at(-1) ?? null
  if (at(probes, 'target', false).length > 0) return { stage: 'target', last }
  const left = at(probes, nodeSide(sides), true)
  if (left.length > 0) return { stage: leavingStage(left, sides), last }
  if (flow.answered > 0 && probes.length === 0) return { stage: 'unseen', last }
  if (sides.fromNode) return { stage: flow.routes.own === null ? 'unseen' : 'not-sent', last }
  if (at(probes, 'node', false).length > 0) return { stage: 'on-node', last }
  const sent = at(probes, 'own', true).some(({ device }) => device !== 'lo')
  if (sent) return { stage: sides.states.node ? 'first-hop' : 'unseen', last }
  return { stage: flow.routes.own === null && flow.refused === null ? 'unseen' : 'not-sent', last }
}

function leavingStage(left: readonly Station[], sides: Sides): Stage {
  if (left.some(({ outer }) => outer !== null)) return 'beyond'
  const away = left.filter(({ device }) => !isPodSide(device, sides))
  if (away.length === 0) return 'target'
  const links = nodeStateOf(sides)?.links ?? []
  const inTunnel = away.every(({ device }) => links.find(({ name }) => name === device)?.vxlan)
  return inTunnel ? 'tunnel' : 'beyond'
}
