/** Packets that do not leave the asking side, or do not get from the pod to its node; answers that do not reach the process that asked. */
import type { NamespaceState } from '../../state.ts'
import type { Around, Draft } from '../cause.ts'
import { askingSide, called } from '../names.ts'
import { type Branch, nodeStateOf } from '../trace.ts'
import { neighboursOf, unresolved, unresolvedEntry } from './neighbours.ts'
import { routeRemedy } from './routes.ts'
import { byFilter, COMING, certainReject, filterAt, LEAVING } from './rules.ts'

/** They never left the interface of the asking side. */
export function notSent(branch: Branch, around: Around): Draft {
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

/** They left the pod's interface and did not come in on the node. */
export function lostAtFirstHop(branch: Branch, around: Around): Draft {
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

/** Answers came in on the pod's interface, and the process that asked heard none. */
export function answerLostInPod(branch: Branch, around: Around): Draft {
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
