/** What is known around a path MTU: the node's side of the path, counters that follow the probes, and what TCP meets. */
import { type Agent, agentIn } from '../agent/client.ts'
import { type Counters, readCounters } from '../node/counters.ts'
import { type Link, readLinks } from '../node/links.ts'
import { type PromisedMtu, routeTo } from '../node/routes.ts'
import {
  dropped,
  type FilteredErrors,
  followsEach,
  followsMost,
  fragmented,
  type Movement,
  type PathContext,
  passedOn,
  refusedAsTooBig,
  tunnelOf,
  watchWindows,
} from '../probe/pmtu/index.ts'
import { watchingAlone } from '../quiet.ts'
import type { Family, Outcome, Place, Plan, Target } from '../types.ts'
import { asksFromNode, nodeNetns } from './state.ts'

/** The node's side of a path: its links and the device of its own route to the target. */
export interface NodeSide {
  readonly links: readonly Link[]
  /** null: the node has no route either. */
  readonly device: string | null
}

/** Counters of the node's namespace (Vitest's main process lives in it); null when they cannot be read. */
export const readNodeCounters = (): Counters | null => readCounters(process.ppid)
const readOwnCounters = (): Counters | null => readCounters('thread-self')

/** What the node knows about the way to `address`; null when it cannot be asked: then the finding is only less concrete. */
export async function nodeSide(plan: Plan, place: Place, address: string): Promise<NodeSide | null> {
  const [links, route] = asksFromNode(plan, place)
    ? await Promise.all([readLinks(), routeTo(address)])
    : await Promise.all([orNull(node(plan).ask('readLinks')), orNull(node(plan).ask('routeTo', address))])
  if (!links?.ok) return null
  return { links: links.value, device: route?.ok ? route.value.device : null }
}

/** An agent in the node's namespace. */
const node = (plan: Plan): Agent => agentIn(nodeNetns(plan))

const orNull = <T>(asked: Promise<Outcome<T>>): Promise<Outcome<T> | null> => asked.catch(() => null)

/** The node's end of the link that the pod's packets leave by. */
export async function firstHop(
  plan: Plan,
  place: Place,
  { device }: PromisedMtu,
  side: NodeSide,
): Promise<PathContext['firstHop']> {
  if (asksFromNode(plan, place)) return null
  const own = await readLinks()
  const link = own.ok ? own.value.find(({ name }) => name === device) : undefined
  const peer = side.links.find(({ index, kind }) => index === link?.peerIndex && kind === 'veth')
  return link?.kind === 'veth' && peer ? { device: peer.name, mtu: peer.mtu } : null
}

/** The tunnel that the node sends the packets into. */
export const tunnelFrom = (side: NodeSide): PathContext['tunnel'] =>
  side.device === null ? null : tunnelOf(side.device, side.links)

/** Whether each packet of that size is cut in pieces by the node. */
export async function isCutByNode(target: Target, packetBytes: number): Promise<boolean> {
  const moved = await watchingAlone(() => watchWindows(target, packetBytes, { node: readNodeCounters }))
  return moved !== null && followsEach(moved.node, fragmented)
}

/** Whether the "too big" errors that packets of that size cause get lost on the way back, and where. */
export async function whereErrorsEnd(
  plan: Plan,
  place: Place,
  target: Target,
  packetBytes: number,
): Promise<FilteredErrors | null> {
  const onNode = asksFromNode(plan, place)
  const readers = { node: readNodeCounters, own: onNode ? readNodeCounters : readOwnCounters }
  const moved = await watchingAlone(() => watchWindows(target, packetBytes, readers))
  return moved && judgeErrors(onNode ? { node: moved.node } : moved, target.family)
}

/** `own`: the asking pod's counters; absent where the node itself asks. */
export function judgeErrors(
  moved: { readonly node: Movement; readonly own?: Movement },
  family: Family,
): FilteredErrors | null {
  const saidByNode = followsEach(moved.node, refusedAsTooBig(family))
  if (moved.own && followsMost(moved.own, dropped(family))) return { where: 'pod', saidByNode }
  // probes that the node itself drops are counted so too, but those it has not forwarded
  const arrived = followsMost(moved.node, dropped(family)) && (!moved.own || followsEach(moved.node, passedOn(family)))
  return saidByNode || arrived ? { where: 'node', saidByNode } : null
}
