/** Packets and answers that come in on the node and do not leave it. */
import type { Around, Draft } from '../cause.ts'
import { follow } from '../counters.ts'
import { askingSide, called, nodeOf } from '../names.ts'
import { type Branch, isPodSide, nodeSide, nodeStateOf, type Sides } from '../trace.ts'
import { neighboursOf, unresolved, unresolvedEntry, wrongEntryForPod } from './neighbours.ts'
import { routeRemedy } from './routes.ts'
import { byFilter, COMING, filterAt, LEAVING, THROUGH } from './rules.ts'

/** Packets of the pod came in on the node and left it by no interface. */
export function lostOnNode(branch: Branch, around: Around): Draft {
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

/** Answers came in on the node, and were not handed to the pod. */
export function answerLostOnNode(branch: Branch, around: Around): Draft {
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

/** Packets went into a tunnel's interface, and no tunnel packet left. */
export function tunnelSendsNothing(branch: Branch, around: Around): Draft {
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

/** The kernel counts what it drops for its source, which has no way back by the interface that it came in by. */
function reversePath(branch: Branch, { names, sides }: Around): Draft | null {
  const { flow, last, observed } = branch
  const side = nodeSide(sides)
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

const isOwnOfNode = (address: string, sides: Sides): boolean =>
  nodeStateOf(sides)?.addresses.some((one) => one.address === address) ?? false
