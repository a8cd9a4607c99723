/** Next hops whose hardware address is not known, or known wrong. */
import { isUnresolved, type NeighbourState, type Side } from '../../state.ts'
import type { Around, Draft } from '../cause.ts'
import { type Branch, nodeSide, type Sides } from '../trace.ts'

/** The entries just after the packets were sent: what the state of the namespace holds may have been read before any packet. */
export const neighboursOf = ({ observed }: Branch, side: Side, { states }: Sides): readonly NeighbourState[] =>
  observed.neighbours[side] ?? states[side]?.neighbours ?? []

/** The next hop's entry, when asking for its hardware address failed. */
export const unresolvedEntry = (
  neighbours: readonly NeighbourState[],
  hop: string | null,
  device: string | null | undefined,
): NeighbourState | undefined =>
  neighbours.find((one) => one.address === hop && one.device === device && isUnresolved(one))

/** The next hop does not answer for its hardware address. */
export function unresolved(
  { address, device, state }: Pick<NeighbourState, 'address' | 'device' | 'state'>,
  where: string,
  { place }: Around,
): Draft {
  return {
    code: 'NEIGHBOUR_UNRESOLVED',
    key: `NEIGHBOUR ${place} ${where} ${device}`,
    cause: `In ${where} packets for the next hop ${address} on ${device} are not sent: it does not answer for its hardware address (neighbour entry ${state}).`,
    confidence: 'proven',
    remedy: `Find out why ${address} does not answer: the interface ${device} and what it is connected to (\`ip -d link\` on the node). The entry: \`ip neigh show ${address}\`.`,
    hides: null,
  }
}

/** The node's neighbour entry of the pod, where answers for it cannot arrive by it. */
export function wrongEntryForPod(branch: Branch, { sides, names }: Around): Draft | null {
  const { flow } = branch
  const macs = sides.states.own?.links.map(({ mac }) => mac) ?? []
  const entry = neighboursOf(branch, nodeSide(sides), sides).find(
    (one) =>
      one.address === flow.source && (isUnresolved(one) || (one.state === 'PERMANENT' && !macs.includes(one.mac))),
  )
  if (!entry) return null
  const wrong = entry.state === 'PERMANENT'
  return {
    code: 'NEIGHBOUR_UNRESOLVED',
    key: `NEIGHBOUR node ${entry.address}`,
    cause: wrong
      ? `On node ${names.node} a permanent neighbour entry says that ${entry.address} (pod ${names.pod}) has the hardware address ${entry.mac}; answers for it do not arrive.`
      : `On node ${names.node} the neighbour entry of ${entry.address} (pod ${names.pod}) is ${entry.state}: answers for it are not sent.`,
    confidence: wrong ? 'likely' : 'proven',
    remedy: `Delete the entry, the kernel asks anew: \`ip neigh del ${entry.address} dev ${entry.device}\`.`,
    hides: null,
  }
}
