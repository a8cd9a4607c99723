/** From where a flow's packets end to why they do: pure. The state must agree with what was seen; else the cause is only likely. */
import type { FilterSeen, NamespaceState, NeighbourState, Side, Station } from '../state.ts'
import type { Code, Evidence, Family, Place } from '../types.ts'
import { follow, movedEvidence } from './counters.ts'
import { askingSide, called, type Names, nodeOf, wire } from './names.ts'
import { refusing } from './refusing.ts'
import { type Branch, isPodSide, nodeSide, nodeStateOf, type Sides } from './trace.ts'

/** One cause of one branch. Branches with the same key have the same cause. */
export interface Cause {
  readonly code: Code
  readonly key: string
  readonly cause: string
  readonly confidence: 'proven' | 'likely'
  readonly remedy: string
  readonly evidence: readonly Evidence[]
  readonly hides: string | null
}

/** What is known beside a branch. */
export interface Around {
  readonly place: Place
  readonly sides: Sides
  readonly names: Names
  /** Addresses that answered something, and how: "tcp 8080". */
  readonly answering: ReadonlyMap<string, readonly string[]>
  /** ICMP errors that checks heard about an address, who sent them and in which words: they are rate-limited, so asking again may meet silence. */
  readonly refusals: ReadonlyMap<string, { readonly from: string; readonly said: string }>
  /** ICMP errors about any of the packets that were sent when failures were asked again. */
  readonly errors: readonly Station[]
  /** Nodes, by name and family, some pod of which answered. */
  readonly nodesAnswering: ReadonlySet<string>
  /** Node addresses that answered. */
  readonly nodeAddressesAnswering: ReadonlySet<string>
}

type Draft = Omit<Cause, 'evidence'> & { readonly more?: readonly Evidence[] }

/** The cause of a branch that ended. */
export function causeOf(branch: Branch, around: Around): Cause {
  const { more = [], ...draft } = BY_STAGE[branch.stage](branch, around)
  // ICMP errors are rate-limited: that there is one about these packets is enough
  const confidence = branch.followed || branch.stage === 'error' ? draft.confidence : 'likely'
  return {
    ...draft,
    confidence,
    evidence: [...more, ...movedEvidence(branch.observed, branch.flow.sent), seenTable(branch, around)],
  }
}

const BY_STAGE: Record<Branch['stage'], (branch: Branch, around: Around) => Draft> = {
  'not-sent': notSent,
  'first-hop': lostAtFirstHop,
  'on-node': lostOnNode,
  tunnel: tunnelSendsNothing,
  beyond,
  target: targetSilent,
  error: refusedByError,
  'answer-node': answerLostOnNode,
  'answer-pod': answerLostInPod,
  refused,
  answered: unseen,
  unseen,
}

function notSent(branch: Branch, around: Around): Draft {
  const { flow } = branch
  const { place, names, sides } = around
  const where = askingSide(place, names)
  const side = 'own'
  const filter = filterAt(branch, side, LEAVING, 'probe')
  if (filter?.certain) return byFilter(filter, branch, around)
  const own = flow.routes.own
  if (own && !own.ok) {
    return {
      code: 'ROUTE_REFUSES',
      key: `ROUTE_REFUSES ${place} ${flow.target.family} ${own.said}`,
      cause: `In ${where} the kernel refuses to send to ${called(flow.target.address, names)}: ${own.said}.`,
      confidence: 'proven',
      remedy: routeRemedy(own.said, where, sides.states.own, {
        ...{ family: flow.target.family, source: flow.source, destination: flow.target.address },
      }),
      hides: `what lies beyond ${where}`,
    }
  }
  const device = own?.device ?? null
  const hop = own?.gateway ?? flow.target.address
  const entry = unresolvedEntry(neighboursOf(branch, 'own', sides), hop, device)
  if (entry) return { ...unresolved(entry, where, around), hides: `what lies beyond ${where}` }
  if (filter) return byFilter(filter, branch, around)
  return {
    code: 'LOST_IN_POD',
    key: `LOST_IN_POD ${place} ${device}`,
    cause: `In ${where} packets to ${called(flow.target.address, names)} do not leave by ${device ?? 'any interface'}, though the route and the next hop are sound${flow.refused ? ` (the kernel says ${flow.refused})` : ''}.`,
    confidence: 'proven',
    remedy: `Look at what drops packets inside ${where}: \`nft list ruleset\`, \`tc filter show dev ${device ?? 'eth0'} egress\`, eBPF programs of its cgroup (\`bpftool cgroup tree\`).`,
    hides: `what lies beyond ${where}`,
  }
}

/** The entries just after the packets were sent: what the state of the namespace holds may have been read before any packet. */
const neighboursOf = ({ observed }: Branch, side: Side, { states }: Sides): readonly NeighbourState[] =>
  observed.neighbours[side] ?? states[side]?.neighbours ?? []

/** The next hop's entry, when asking for its hardware address failed. */
const unresolvedEntry = (
  neighbours: readonly NeighbourState[],
  hop: string | null,
  device: string | null | undefined,
): NeighbourState | undefined =>
  neighbours.find((one) => one.address === hop && one.device === device && ['FAILED', 'INCOMPLETE'].includes(one.state))

function unresolved(
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

function lostAtFirstHop(branch: Branch, around: Around): Draft {
  const { names, sides } = around
  const own = sides.states.own?.links.find(({ name }) => name === branch.last?.device)
  const peer = sides.states.node?.links.find(
    ({ index, peerIndex }) => index === own?.peerIndex && peerIndex === own?.index,
  )
  const what = peer
    ? peer.flags.includes('UP')
      ? `${peer.name} is there${peer.master ? `, a port of ${peer.master}` : ''}`
      : `${peer.name} is down`
    : 'it is not among the interfaces of the node'
  return {
    code: 'LOST_AT_VETH',
    key: `LOST_AT_VETH ${own?.name}`,
    cause: `Packets leave ${own?.name ?? 'the interface'} of pod ${names.pod} and do not come in on node ${names.node}: of its peer there, ${what}.`,
    confidence: peer?.flags.includes('UP') ? 'likely' : 'proven',
    remedy:
      peer && !peer.flags.includes('UP')
        ? `Set it up on the node: \`ip link set ${peer.name} up\`.`
        : 'Delete the pod, so that the CNI plug-in makes its interface anew; read the log of the CNI agent on this node.',
    hides: `what lies beyond the pod's interface`,
  }
}

/** The kernel counts what it drops for its source, which has no way back by the interface that it came in by. */
function reversePath(branch: Branch, { names, sides }: Around): Draft | null {
  const { flow, last, observed } = branch
  const side = sides.fromNode ? 'own' : 'node'
  if (flow.target.family !== 4 || !follow(observed, side, 'TcpExt.IPReversePathFilter', flow.sent)) return null
  const device = last?.device ?? 'all'
  return {
    code: 'RP_FILTER',
    key: `RP_FILTER ${device}`,
    cause: `On node ${names.node} the reverse path filter drops packets of ${last?.source ?? flow.source} that come in on ${device}: their way back is another interface (TcpExt.IPReversePathFilter follows the probes).`,
    confidence: 'proven',
    remedy: `Loosen the filter: \`sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.${device}.rp_filter=2\`; or put the route to ${last?.source ?? flow.source} right: \`ip route get ${last?.source ?? flow.source}\`.`,
    hides: null,
  }
}

function lostOnNode(branch: Branch, around: Around): Draft {
  const { flow } = branch
  const { names } = around
  const node = `node ${names.node}`
  const reverse = reversePath(branch, around)
  if (reverse) return reverse
  const filter = filterAt(branch, 'node', THROUGH, 'probe')
  if (filter?.certain) return byFilter(filter, branch, around)
  const route = flow.routes.node[branch.destination]
  if (route && !route.ok) {
    return {
      code: 'ROUTE_REFUSES',
      key: `ROUTE_REFUSES node ${flow.target.family} ${route.said}`,
      cause: `On ${node} the kernel refuses to route packets from ${branch.last?.device ?? 'the pod'} to ${called(branch.destination, names)}: ${route.said}.`,
      confidence: 'proven',
      remedy: routeRemedy(route.said, node, nodeStateOf(around.sides), {
        ...{ family: flow.target.family, source: flow.source, destination: branch.destination },
      }),
      hides: `what lies beyond ${node}`,
    }
  }
  const hop = route ? (route.gateway ?? branch.destination) : null
  const entry = unresolvedEntry(neighboursOf(branch, nodeSide(around.sides), around.sides), hop, route?.device)
  if (entry) return unresolved(entry, node, around)
  // whom the node itself answers: the answers are what is lost
  const wrong = isOwnOfNode(branch.destination, around.sides) ? wrongEntryForPod(branch, around) : null
  if (wrong) return wrong
  const answers = isOwnOfNode(branch.destination, around.sides)
    ? filterAt(branch, 'node', LEAVING, 'answer')
    : undefined
  if (answers?.certain) return byFilter(answers, branch, around)
  if (filter) return byFilter(filter, branch, around)
  return {
    code: 'LOST_ON_NODE',
    key: `LOST_ON_NODE ${branch.last?.device} ${flow.target.family}`,
    cause: `Packets from ${askingSide(around.place, names)} to ${called(branch.destination, names)} come in on ${branch.last?.device} of ${node} and do not leave it.`,
    confidence: 'proven',
    remedy: `Follow them on ${names.node}: \`tcpdump -ni any host ${branch.destination}\`; look at \`nft list ruleset\`, \`bpftool net\` and \`nstat -az\`.`,
    hides: `what lies beyond ${node}`,
  }
}

const isOwnOfNode = (address: string, sides: Sides): boolean =>
  nodeStateOf(sides)?.addresses.some((one) => one.address === address) ?? false

function tunnelSendsNothing(branch: Branch, around: Around): Draft {
  const { names, sides } = around
  const device = branch.last?.device ?? 'the tunnel'
  const there = nodeOf(branch.destination, names)
  const out = filterAt(branch, 'node', LEAVING, 'tunnel out')
  if (out?.certain) return byFilter(out, branch, around)
  const state = nodeStateOf(sides)
  const hop = branch.flow.routes.node[branch.destination]?.gateway ?? branch.destination
  const entry = state?.neighbours.find((one) => one.address === hop && one.device === device)
  const fdb = state?.fdb.filter((one) => one.device === device && one.mac === entry?.mac) ?? []
  const why = !entry?.mac
    ? `the hardware address of ${hop} on ${device} is not known (neighbour entry: ${entry?.state ?? 'none'})`
    : fdb.length === 0
      ? `no forwarding entry of ${device} says which node has ${entry.mac}`
      : `the entry for ${entry.mac} leads to ${fdb.map(({ destination }) => destination).join(', ')}, and no packet leaves for it`
  return {
    code: 'TUNNEL_SENDS_NOTHING',
    key: `TUNNEL_SENDS_NOTHING ${there ?? hop} ${device} ${why}`,
    cause: `Packets for ${there ? `node ${there}` : called(branch.destination, names)} go into the tunnel ${device} of node ${names.node} and no tunnel packet leaves: ${why}.`,
    confidence: 'proven',
    remedy: `Restart the CNI agent on ${names.node}: it writes these entries. See them: \`ip neigh show dev ${device}\` and \`bridge fdb show dev ${device}\`.`,
    hides: there ? `whether node ${there} would answer` : null,
  }
}

function beyond(branch: Branch, around: Around): Draft {
  const { names, sides } = around
  const { flow, destination, last } = branch
  const family = flow.target.family
  const incoming = filterAt(branch, sides.fromNode ? 'own' : 'node', COMING, 'tunnel in')
  if (incoming?.certain && last?.outer) return byFilter(incoming, branch, around)
  const outgoing = filterAt(branch, sides.fromNode ? 'own' : 'node', LEAVING, 'probe')
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

/** A Service's address is nobody's: packets to it that leave the node as they are were not translated. */
const untranslated = ({ flow, destination }: Branch): boolean =>
  flow.target.address === destination && isVirtual(flow.target.role)

function serviceUntranslated({ destination, last }: Branch, { names, place }: Around): Draft {
  return {
    code: 'SERVICE_NOT_TRANSLATED',
    key: 'SERVICE_NOT_TRANSLATED',
    cause: `Packets from ${askingSide(place, names)} to the Service address ${called(destination, names)} leave node ${names.node} by ${last?.device} untranslated: no rule on this node knows it.`,
    confidence: 'proven',
    remedy: `Restart kube-proxy (or what replaces it) on ${names.node} and read its log; the rules: \`nft list map ip kube-proxy service-ips\` or \`iptables-save -t nat\`.`,
    hides: 'whether the endpoints of the Service would answer through it',
  }
}

export const isVirtual = (role: string): boolean =>
  /service|nameserver|ClusterIP/i.test(role) && !/endpoint|replica/i.test(role)

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

const DNS_PORT = 53

function targetSilent(branch: Branch, around: Around): Draft {
  const { destination, last } = branch
  const { names } = around
  const filter = filterAt(branch, 'target', COMING, 'probe') ?? filterAt(branch, 'target', LEAVING, 'answer')
  if (filter?.certain) return byFilter(filter, branch, around)
  const link = nodeStateOf(around.sides)?.links.find(({ name }) => name === last?.device)
  const unreadable = link?.kind === 'veth' && !link.flags.includes('LOWER_UP') ? `; ${link.name} has no carrier` : ''
  if (filter) return byFilter(filter, branch, around)
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

/** "-n default web" of "default/web". */
const podFlags = (name: string | undefined): string =>
  name?.includes('/') ? `-n ${name.replace('/', ' ')}` : (name ?? '')

function refusedByError(branch: Branch, around: Around): Draft {
  const { flow, last, destination } = branch
  const { sides } = around
  const from = last?.source ?? ''
  // what did not come in from anywhere was said here
  const local = !flow.stations.some(({ kind, side, outgoing }) => kind === 'error' && side === 'node' && !outgoing)
  const filter = flow.filters.find(
    ({ verdict, of, certain, destination: to }) =>
      verdict === 'reject' && of === 'probe' && certain && [destination, flow.target.address].includes(to),
  )
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

/** The other node does not take the tunnel's packets: it has no such tunnel, or a rule against them. */
function tunnelRefused({ source, refusal }: Station, { destination }: Branch, { names }: Around): Draft {
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
function refusedBeyond(from: string, said: string, { destination }: Branch, { names }: Around): Draft {
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

/** The node's neighbour entry of the pod, where answers for it cannot arrive by it. */
function wrongEntryForPod(branch: Branch, { sides, names }: Around): Draft | null {
  const { flow } = branch
  const macs = sides.states.own?.links.map(({ mac }) => mac) ?? []
  const entry = neighboursOf(branch, nodeSide(sides), sides).find(
    ({ address, state, mac }) =>
      address === flow.source &&
      (state === 'FAILED' || state === 'INCOMPLETE' || (state === 'PERMANENT' && !macs.includes(mac))),
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

function answerLostOnNode(branch: Branch, around: Around): Draft {
  const { flow, destination, last } = branch
  const { names } = around
  const reverse = reversePath(branch, around)
  if (reverse) return reverse
  const tunnel = last?.outer ? filterAt(branch, 'node', COMING, 'tunnel in') : undefined
  if (tunnel?.certain) return byFilter(tunnel, branch, around)
  const filter = filterAt(branch, 'node', THROUGH, 'answer')
  if (filter?.certain) return byFilter(filter, branch, around)
  // an answer of the node itself is not routed through it
  const back = isOwnOfNode(destination, around.sides) ? undefined : flow.routes.back[destination]
  const astray = back?.ok && back.device && !isPodSide(back.device, around.sides)
  if (back && (!back.ok || astray)) {
    return {
      code: 'ROUTE_REFUSES',
      key: `ROUTE_REFUSES back ${flow.target.family} ${back.said}`,
      cause: `On node ${names.node} the way back to pod ${names.pod} is wrong: ${back.ok ? `${back.said} leads to ${back.device}, not to the pod` : back.said}.`,
      confidence: 'proven',
      remedy: back.ok
        ? `Delete the route: \`ip route del ${back.said}\`.`
        : routeRemedy(back.said, `node ${names.node}`, nodeStateOf(around.sides), {
            ...{ family: flow.target.family, source: destination, destination: flow.source ?? '' },
          }),
      hides: null,
    }
  }
  const entry = wrongEntryForPod(branch, around)
  if (entry) return entry
  const doubtful = tunnel ?? filter
  if (doubtful) return byFilter(doubtful, branch, around)
  return {
    code: 'ANSWER_LOST_ON_NODE',
    key: `ANSWER_LOST_ON_NODE ${last?.device}`,
    cause: `Answers of ${called(destination, names)} come in on ${last?.device} of node ${names.node} and are not handed to pod ${names.pod}.`,
    confidence: 'proven',
    remedy: `Look on ${names.node} at rules for the way back, \`sysctl net.ipv4.conf.${last?.device}.rp_filter net.ipv4.conf.${last?.device}.forwarding\`, \`ip neigh\` and \`ip route get ${flow.source}\`.`,
    hides: null,
  }
}

function answerLostInPod(branch: Branch, around: Around): Draft {
  const { flow, last } = branch
  const { names, place } = around
  // a rule's reset to a connection that is not confirmed yet bears the endpoint's address: nobody is at fault for that
  const rejecting = last?.refusal === 'reset' ? certainReject(branch) : undefined
  if (rejecting) return byFilter(rejecting, branch, around)
  if (last && last.source !== flow.target.address) {
    return {
      code: 'ANSWER_NOT_TRANSLATED',
      key: `ANSWER_NOT_TRANSLATED ${flow.target.family}`,
      cause: `Answers to ${called(flow.target.address, names)} reach ${askingSide(place, names)} with the endpoint's own address ${last.source}: node ${names.node} does not translate them back.`,
      confidence: 'proven',
      remedy: `Let bridged packets pass netfilter on the node: \`${bridgeNetfilter(nodeStateOf(around.sides))}\`.`,
      hides: null,
    }
  }
  const filter = filterAt(branch, 'own', COMING, 'answer')
  if (filter) return byFilter(filter, branch, around)
  return {
    code: 'ANSWER_LOST_IN_POD',
    key: `ANSWER_LOST_IN_POD ${place} ${flow.target.family}`,
    cause: `Answers of ${called(branch.destination, names)} reach ${last?.device} of ${askingSide(place, names)}, but not the process that asked.`,
    confidence: 'proven',
    remedy: `Look at the rules there (\`nft list ruleset\`) and whether ${flow.source} is still an address of it (\`ip addr\`).`,
    hides: null,
  }
}

/** The settings exist only with their module. */
const bridgeNetfilter = (state: NamespaceState | undefined): string => {
  const loaded = state?.sysctls['bridge/bridge-nf-call-iptables'] !== undefined
  const set = 'sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1'
  return loaded ? set : `modprobe br_netfilter; ${set}`
}

/** A rule that refuses the branch's packets for sure. */
const certainReject = (
  { flow, destination }: Branch,
  which: (filter: FilterSeen) => boolean = () => true,
): FilterSeen | undefined =>
  flow.filters.find(
    (one) =>
      one.verdict === 'reject' &&
      one.certain &&
      [destination, flow.target.address].includes(one.destination) &&
      which(one),
  )

/** It was answered with a reset: by whom, the node's interfaces tell. */
function refused(branch: Branch, around: Around): Draft {
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

function unseen(branch: Branch, around: Around): Draft {
  const { flow } = branch
  return {
    code: 'LEFT_NODE_UNANSWERED',
    key: `UNSEEN ${flow.target.address}`,
    cause: `${called(flow.target.address, around.names)} does not answer ${wire(flow.target)}; where its packets end could not be watched.`,
    confidence: 'likely',
    remedy: `Watch by hand: \`tcpdump -ni any host ${flow.target.address}\` on the node.`,
    hides: null,
  }
}

/** Hooks that packets meet on their way in, out, and through. */
const COMING = ['ingress', 'prerouting', 'input']
const LEAVING = ['output', 'postrouting', 'egress']
const THROUGH = ['ingress', 'prerouting', 'input', 'forward', 'postrouting', 'egress']

/** The rule at one of those hooks for the branch's packets; a certain one goes before one that only may match. */
function filterAt(
  { flow, destination }: Branch,
  side: FilterSeen['side'],
  hooks: readonly string[],
  of: FilterSeen['of'],
): FilterSeen | undefined {
  const here = flow.filters.filter(
    (one) =>
      one.side === side &&
      hooks.includes(one.hook) &&
      one.of === of &&
      [destination, flow.target.address].includes(one.destination) &&
      // kube-proxy refuses much that is not asked: only what is sure says anything
      (one.certain || !/kube-proxy|KUBE-/.test(one.chain)),
  )
  return here.find(({ certain }) => certain) ?? here[0]
}

function byFilter(filter: FilterSeen, branch: Branch, around: Around): Draft {
  const { names, place } = around
  const where =
    filter.side === 'node' || around.sides.fromNode
      ? `node ${names.node}`
      : filter.side === 'own'
        ? `pod ${names.pod}`
        : called(branch.destination, names)
  const what =
    filter.of === 'answer'
      ? `answers of ${called(branch.destination, names)}`
      : filter.of === 'probe'
        ? `packets from ${askingSide(place, names)} to ${called(branch.destination, names)}`
        : 'tunnel packets'
  if (/kube-proxy|KUBE-/.test(filter.chain)) return byKubeProxy(filter, branch, around)
  const does = filter.verdict === 'drop' ? 'drops' : 'refuses'
  return {
    code: filter.verdict === 'drop' ? 'FIREWALL_DROPS' : 'FIREWALL_REJECTS',
    key: `FIREWALL ${filter.side} ${filter.chain} ${filter.rule}`,
    cause: `On ${where} the rule "${filter.rule}" in ${filter.chain} ${does} ${what}.`,
    confidence: filter.certain ? 'proven' : 'likely',
    remedy: filter.remove
      ? `Remove the rule, or let these packets pass before it: \`${filter.remove}\` on ${where}. Find out who made it, or it comes back: \`${filter.show}\`.`
      : `Change the rule where it is made; see it: \`${filter.show}\` on ${where}.`,
    hides: `what lies beyond that rule`,
  }
}

/** kube-proxy refuses, or drops, what it knows no endpoint for. */
function byKubeProxy({ rule, chain }: FilterSeen, { flow }: Branch, { names }: Around): Draft {
  return {
    code: 'SERVICE_WITHOUT_BACKENDS',
    key: `SERVICE_WITHOUT_BACKENDS ${flow.target.address}`,
    cause: `On node ${names.node} kube-proxy refuses the Service address ${called(flow.target.address, names)}: it knows no endpoint for it ("${rule}" in ${chain}).`,
    confidence: 'proven',
    remedy: `Compare with \`kubectl get endpointslices -A\`: if there are ready endpoints, restart kube-proxy on ${names.node} and read its log; if not, see why the pods are not Ready.`,
    hides: null,
  }
}

/** What to do about the kernel's refusal. `said`: its words, with the entry in brackets where it tells. */
function routeRemedy(
  said: string,
  where: string,
  state: NamespaceState | undefined,
  packet: Parameters<typeof refusing>[1],
): string {
  const ip = packet.family === 6 ? 'ip -6' : 'ip'
  const told = /\(((?:unreachable|prohibit|blackhole) [^)]*)\)/.exec(said)?.[1]
  const remove = refusing(state, packet)?.remove ?? (told ? `${ip} route del ${told}` : null)
  if (remove) return `Delete it in ${where}: \`${remove}\`; find out who set it, or it comes back.`
  return `Look in ${where} at \`${ip} route show table all\` and \`${ip} rule\`; routes to other nodes' pods are set by the CNI agent: restart it on this node.`
}

/** Where packets and answers of the flow were seen, in their order. */
function seenTable({ flow, destination }: Branch, { names }: Around): Evidence {
  const shown = flow.stations.filter(
    (one) =>
      one.destination === destination ||
      one.source === destination ||
      one.destination === flow.target.address ||
      one.source === flow.target.address ||
      one.kind === 'error',
  )
  const side = { own: 'asking side', node: `node ${names.node}`, target: 'target pod' }
  const row = (one: Station) => [
    side[one.side],
    `${one.outgoing ? 'out by' : 'in by'} ${one.device}`,
    `${one.kind}${one.refusal ? ` (${one.refusal})` : ''}: ${one.source} to ${one.destination}${one.outer ? `, in a tunnel packet to ${one.outer.destination}` : ''}`,
    one.seen.join(', '),
  ]
  return {
    kind: 'table',
    name: `${wire(flow.target)} of ${flow.target.address} asked again ${flow.sent.join(', ')} times: seen`,
    columns: ['where', 'interface', 'packet', 'times'],
    rows: shown.slice(0, 40).map(row),
  }
}
