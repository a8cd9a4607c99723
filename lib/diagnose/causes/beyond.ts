/** Packets that leave the node, or are handed to the target, and that nobody answers. */
import type { Family } from '../../types.ts'
import type { Around, Draft } from '../cause.ts'
import { askingSide, called, nodeOf, podFlags, wire } from '../names.ts'
import { type Branch, nodeSide, nodeStateOf } from '../trace.ts'
import { refusedBeyond, tunnelRefused } from './refusals.ts'
import { byFilter, COMING, filterAt, LEAVING } from './rules.ts'
import { serviceUntranslated, untranslated } from './services.ts'

/** Packets left the node, and nothing came back. */
export function beyond(branch: Branch, around: Around): Draft {
  const { names, sides } = around
  const { flow, destination, last } = branch
  const family = flow.target.family
  const incoming = filterAt(branch, nodeSide(sides), COMING, 'tunnel in')
  if (incoming?.certain && last?.outer) return byFilter(incoming, branch, around)
  const outgoing = filterAt(branch, nodeSide(sides), LEAVING, 'probe')
  if (outgoing?.certain) return byFilter(outgoing, branch, around)
  const there = nodeOf(destination, names)
  const others = (around.answering.get(destination) ?? []).filter((how) => how !== wire(flow.target))
  if (others.length > 0) {
    return {
      code: 'FILTERED_BEYOND',
      key: `FILTERED_BEYOND ${wire(flow.target)} ${there ?? destination}`,
      cause: `${called(destination, names)} answers ${others.join(', ')} but not ${wire(flow.target)}: beyond node ${names.node} something drops just that.`,
      confidence: 'likely',
      remedy: `Look for a NetworkPolicy that selects the target, a firewall on ${there ? `node ${there}` : 'its host'}, and at the process behind the port: \`ss -ltn\` there shows a full backlog.`,
      hides: null,
    }
  }
  if (untranslated(branch)) return serviceUntranslated(branch, around)
  const heard = around.refusals.get(destination)
  if (heard) return { ...refusedBeyond(heard.from, heard.said, branch, around), confidence: 'likely' }
  return unansweredBeyond(branch, around, there, family)
}

function unansweredBeyond(branch: Branch, around: Around, there: string | null, family: Family): Draft {
  const { names, nodesAnswering, nodeAddressesAnswering } = around
  const { destination, last } = branch
  const sent = branch.last ? branch.last.seen[0] + branch.last.seen[2] : 0
  const outer = last?.outer ?? null
  const met = outer ? around.errors.filter((one) => one.source === outer.destination && one.outer === null) : []
  if (met[0]) return tunnelRefused(met[0], branch, around)
  const behind = around.errors.find(
    (one) => outer && one.outer?.source === outer.destination && one.source.includes(':') === (family === 6),
  )
  if (behind)
    return {
      ...refusedBeyond(behind.source, behind.refusal ?? 'an ICMP error', branch, around),
      confidence: 'likely',
    }
  if (there !== null && nodesAnswering.has(`${there} ${family}`)) {
    return {
      code: 'POD_UNANSWERED',
      key: `POD_UNANSWERED ${names.who.get(destination)?.name ?? destination}`,
      cause: `${called(destination, names)} on node ${there} does not answer, while others on that node do: ${sent} packets left node ${names.node}, nothing came back.`,
      confidence: 'likely',
      remedy: `Look at that pod's half of the path: run the suite on node ${there} with SRC_POD=${names.who.get(destination)?.name ?? destination}, and look at the policies that select it: \`kubectl get networkpolicy -A\`.`,
      hides: null,
    }
  }
  if (outer !== null) {
    const node = there ?? outer.destination
    const kind =
      outer.port === null ? 'IP in IP' : `UDP ${outer.port}${TUNNELS[outer.port] ? ` (${TUNNELS[outer.port]})` : ''}`
    const alive = nodeAddressesAnswering.has(outer.destination)
    const itself = alive ? `node ${node} itself answers` : `node ${node} itself was not heard either`
    return {
      code: alive ? 'TUNNEL_UNANSWERED' : 'NODE_UNREACHABLE',
      key: `TUNNEL ${node}`,
      cause: `Packets from node ${names.node} to node ${node} on ${kind} leave ${names.node} and nothing comes back: ${sent} sent, 0 answered; ${itself}.`,
      confidence: 'likely',
      remedy: alive
        ? `Open ${kind} between the nodes, both ways, in every firewall and security group; see on ${node} whether they arrive: \`tcpdump -ni any host ${outer.source} and ${outer.port === null ? 'proto 4' : `udp port ${outer.port}`}\`.`
        : `See whether node ${node} runs and what lies between: \`kubectl get node ${node} -o wide\`, \`ping ${outer.destination}\`.`,
      hides: `what the pods on node ${node} are like`,
    }
  }
  const hop = branch.flow.routes.node[destination]?.gateway ?? branch.flow.routes.own?.gateway ?? destination
  const fixed = nodeStateOf(around.sides)?.neighbours.find(
    ({ address, device, state }) => address === hop && device === last?.device && state === 'PERMANENT',
  )
  if (fixed) {
    return {
      code: 'NEIGHBOUR_UNRESOLVED',
      key: `NEIGHBOUR node ${fixed.address} fixed`,
      cause: `Packets from ${askingSide(around.place, names)} to ${called(destination, names)} leave node ${names.node} by ${fixed.device} for the hardware address ${fixed.mac}, which a permanent neighbour entry gives to ${fixed.address}, and nothing comes back.`,
      confidence: 'likely',
      remedy: `Delete the entry, the kernel asks anew: \`ip neigh del ${fixed.address} dev ${fixed.device}\`; find out who set it.`,
      hides: null,
    }
  }
  return {
    code: 'LEFT_NODE_UNANSWERED',
    key: `LEFT_NODE_UNANSWERED ${there ?? names.who.get(destination)?.role ?? destination}`,
    cause: `Packets from ${askingSide(around.place, names)} to ${called(destination, names)} leave node ${names.node} by ${last?.device} and nothing comes back: ${sent} sent, 0 answered.`,
    confidence: 'likely',
    remedy: `Look beyond this node: \`traceroute -n ${destination}\` from it, the routers' and cloud's rules for ${last?.source ?? 'its address'}, and whether ${destination} has a way back to it.`,
    hides: null,
  }
}

const TUNNELS: Readonly<Record<number, string>> = { 8472: 'VXLAN', 4789: 'VXLAN', 4790: 'VXLAN', 6081: 'Geneve' }

/** Packets were handed to the target, which answered none. */
export function targetSilent(branch: Branch, around: Around): Draft {
  const { destination, last } = branch
  const { names } = around
  const filter = filterAt(branch, 'target', COMING, 'probe') ?? filterAt(branch, 'target', LEAVING, 'answer')
  if (filter) return byFilter(filter, branch, around)
  const link = nodeStateOf(around.sides)?.links.find(({ name }) => name === last?.device)
  const unreadable = link?.kind === 'veth' && !link.flags.includes('LOWER_UP') ? `; ${link.name} has no carrier` : ''
  if (branch.destinationPort === DNS_PORT && last?.side === 'target') {
    return {
      code: 'DNS_UPSTREAM_BROKEN',
      key: `DNS_UPSTREAM_BROKEN ${destination}`,
      cause: `${called(destination, names)} gets the questions and does not answer them in time: it waits for its own upstream, or hangs.`,
      confidence: 'likely',
      remedy: `Read its log: \`kubectl logs ${podFlags(names.who.get(destination)?.name)}\`; and see where it forwards to: \`kubectl get configmap coredns -n kube-system -o yaml\`.`,
      hides: null,
    }
  }
  return {
    code: 'TARGET_SILENT',
    key: `TARGET_SILENT ${names.who.get(destination)?.name ?? destination}`,
    cause: `Packets to ${called(destination, names)} are handed to it by ${last?.device} and nothing comes back${unreadable}.`,
    confidence: 'likely',
    remedy: `Look inside that pod: its addresses and routes, \`nft list ruleset\` there, and whether its process runs: \`kubectl get pod -o wide ${podFlags(names.who.get(destination)?.name)}\`.`,
    hides: null,
  }
}

const DNS_PORT = 53
