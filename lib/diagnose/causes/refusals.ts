/** Packets that somebody refuses: with an ICMP error, or with a reset. */
import type { Station } from '../../state.ts'
import type { Around, Draft } from '../cause.ts'
import { askingSide, called, nodeOf, podFlags, wire } from '../names.ts'
import type { Branch } from '../trace.ts'
import { unresolved } from './neighbours.ts'
import { lostOnNode } from './node.ts'
import { byFilter, certainReject } from './rules.ts'
import { serviceUntranslated, untranslated } from './services.ts'

/** An ICMP error about them was heard. */
export function refusedByError(branch: Branch, around: Around): Draft {
  const { flow, last, destination } = branch
  const { sides } = around
  const from = last?.source ?? ''
  // what did not come in from anywhere was said here
  const local = !flow.stations.some(({ kind, side, outgoing }) => kind === 'error' && side === 'node' && !outgoing)
  const filter = certainReject(branch, ({ of }) => of === 'probe')
  if (local && filter) return byFilter(filter, branch, around)
  const route = flow.routes.node[destination] ?? flow.routes.own
  if (local && route && !route.ok) return lostOnNode(branch, around)
  const hop = route && NO_ANSWER.has(last?.refusal ?? '') ? { ...route, address: route.gateway ?? destination } : null
  if (local && hop)
    return unresolved({ ...hop, device: hop.device ?? '', state: 'FAILED' }, `node ${around.names.node}`, around)
  if (local && !sides.fromNode) return nodeRefuses(last?.refusal ?? 'an ICMP error', branch, around)
  if (untranslated(branch)) return serviceUntranslated(branch, around)
  const tunnel = flow.stations.find(
    (one) =>
      one.kind === 'error' &&
      one.outer === null &&
      flow.stations.some((probe) => probe.outer?.destination === one.source),
  )
  if (tunnel) return tunnelRefused(tunnel, branch, around)
  return refusedBeyond(from, last?.refusal ?? 'an ICMP error', branch, around)
}

/** What a kernel itself says of packets whose next hop does not answer for its hardware address (arp_error_report, ndisc_error_report). */
const NO_ANSWER: ReadonlySet<string> = new Set(['host unreachable', 'address unreachable'])

/** It was answered with a reset: by whom, the node's interfaces tell. */
export function refused(branch: Branch, around: Around): Draft {
  const { flow, destination } = branch
  const { names } = around
  const resets = flow.stations.filter(({ refusal }) => refusal === 'reset')
  const cameIn = resets.some(({ side, outgoing }) => side === 'node' && !outgoing)
  const filter = certainReject(branch, ({ side }) => !cameIn || side === 'target')
  if (filter) return byFilter(filter, branch, around)
  if (!cameIn && around.sides.states.node) return nodeRefuses('reset', branch, around)
  const target = names.who.get(destination)
  return {
    code: 'NOTHING_LISTENING',
    key: `NOTHING_LISTENING ${branch.destinationPort}`,
    cause: `${called(destination, names)} refuses ${wire({ ...flow.target, port: branch.destinationPort })}: it can be reached, and nothing listens there.`,
    confidence: cameIn || around.sides.fromNode ? 'proven' : 'likely',
    remedy: `See what it listens on: \`kubectl exec ${podFlags(target?.name)} -- ss -ltn\`; compare with the targetPort of the Service and the container's port.`,
    hides: null,
  }
}

/** The other node does not take the tunnel's packets: it has no such tunnel, or a rule against them. */
export function tunnelRefused({ source, refusal }: Station, { destination }: Branch, { names }: Around): Draft {
  const there = nodeOf(destination, names) ?? source
  return {
    code: 'TUNNEL_REFUSED',
    key: `TUNNEL ${there}`,
    cause: `Node ${there} (${source}) refuses the tunnel packets of node ${names.node}: ${refusal ?? 'an ICMP error'}.`,
    confidence: 'proven',
    remedy:
      refusal === 'port unreachable'
        ? `See on ${there} whether its tunnel has the same port and id: \`ip -d link show type vxlan\`; restart the CNI agent there.`
        : `Look at ${source}: its firewall rules (\`nft list ruleset\`, \`iptables-save\`) against the tunnel's packets.`,
    hides: `what the pods on node ${there} are like`,
  }
}

/** Somebody on the way says so. */
export function refusedBeyond(from: string, said: string, { destination }: Branch, { names }: Around): Draft {
  return {
    code: 'REFUSED_BEYOND',
    key: `REFUSED_BEYOND ${from} ${said}`,
    cause: `${called(from, names)} refuses packets to ${called(destination, names)}: ${said}.`,
    confidence: 'proven',
    remedy: `Look at ${from}: its firewall rules (\`nft list ruleset\`, \`iptables-save\`) and its routes to ${destination}.`,
    hides: null,
  }
}

/** What refuses did not come in from anywhere: the node itself says it. */
function nodeRefuses(said: string, { destination }: Branch, { names, place }: Around): Draft {
  return {
    code: 'FIREWALL_REJECTS',
    key: `NODE_REFUSES ${said}`,
    cause: `Node ${names.node} itself refuses packets of ${askingSide(place, names)} to ${called(destination, names)}: ${said}.`,
    confidence: 'proven',
    remedy: `Look for the rule on ${names.node}: \`nft list ruleset | grep -i reject\`, \`iptables-save | grep -i REJECT\`.`,
    hides: 'what lies beyond that rule',
  }
}
