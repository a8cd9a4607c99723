/** Which rules on the way of a flow end its packets, as the rules were read: pure. */
import { describe, dropsFor, type FirewallPacket, type PathStep } from '../diagnose/firewall.ts'
import type { FilterSeen, FirewallState, NamespaceState, RouteSaid, Side, Station } from '../state.ts'
import type { Family, Target } from '../types.ts'

/** What is known of a flow when its rules are asked. */
export interface Way {
  readonly target: Target
  readonly source: string | null
  /** One of its source ports or ICMP ids. */
  readonly key: number | undefined
  readonly stations: readonly Station[]
  /** The node's routes by destination; what is asked from the node itself has none. */
  readonly routes: Readonly<Record<string, RouteSaid>>
  /** The node's interface that the pod's packets come in by: the bridge, or the veth itself. */
  readonly entrance: string | null
  /** The port of the bridge that they come in by. */
  readonly port: string | null
  readonly fromNode: boolean
}

type Sided<T> = Readonly<Partial<Record<Side, T>>>

/** Rules that drop or reject the flow's packets, its answers, or the tunnel packets of either. */
export function filtersOf(way: Way, firewalls: Sided<FirewallState>, states: Sided<NamespaceState>): FilterSeen[] {
  const asked = way.target.address
  const node: Side = way.fromNode ? 'own' : 'node'
  const translated = way.stations
    .filter(({ kind, side }) => kind === 'probe' && side === node)
    .map(({ destination, destinationPort }) => ({ destination, destinationPort }))
  const seen = [...new Map(translated.map((one) => [one.destination, one])).values()]
  const behind = seen.filter(({ destination }) => destination !== asked)
  const destinations = behind.length > 0 ? behind : seen
  if (destinations.length === 0) destinations.push({ destination: asked, destinationPort: way.target.port ?? 0 })
  const ask = (
    side: Side,
    of: FilterSeen['of'],
    destination: string,
    packet: FirewallPacket,
    path: readonly PathStep[],
  ) => {
    const state = firewalls[side]
    if (!state) return []
    // Its first hook sees no mark yet; at a later one rules before may have set it.
    const mark = ['ingress', 'prerouting', 'output'].includes(path[0]?.hook ?? '') ? 0 : undefined
    return dropsFor(state, { ...packet, localAddresses: localAddresses(states[side]), mark }, path).map(
      (found): FilterSeen => {
        const { show, remove } = describe(found)
        const { verdict, rule, hook, certain } = found
        return {
          ...{ side, hook, of, destination, certain, rule, show, remove },
          verdict: verdict === 'reject' ? 'reject' : 'drop',
          chain: `chain ${found.family} ${found.table} ${found.chain}`,
        }
      },
    )
  }
  const probe = probeOf(way)
  const device = (side: Side, outgoing: boolean) =>
    way.stations.find((one) => one.side === side && one.kind === 'probe' && one.outgoing === outgoing)?.device
  const ownDevice = device('own', true) ?? way.routes[asked]?.device ?? undefined
  return [
    ...ask('own', 'probe', asked, probe, outBy(ownDevice)),
    ...ask('own', 'answer', asked, answerOf(probe), inBy(ownDevice)),
    ...(way.fromNode ? [] : destinations.flatMap((one) => onNode(way, probe, one, ask))),
    ...destinations.flatMap(({ destination, destinationPort }) => [
      ...ask('target', 'probe', destination, { ...probe, destination, destinationPort }, inBy('eth0')),
      ...ask('target', 'answer', destination, answerOf({ ...probe, destination, destinationPort }), outBy('eth0')),
    ]),
    ...tunnelsOf(way, states[node]).flatMap(({ destination, local, remote, port, device: uplink }) => {
      // each way has source ports of its own: conntrack never sees an answer, so every one of them is new
      const outer = {
        ...{ source: local, destination: remote, family: familyOf(local), protocol: 'udp' as const },
        ctState: 'new' as const,
      }
      const back = { ...outer, source: remote, destination: local }
      return [
        ...ask(node, 'tunnel out', destination, { ...outer, destinationPort: port }, outBy(uplink)),
        ...ask(node, 'tunnel in', destination, { ...back, destinationPort: port }, inBy(uplink)),
      ]
    }),
  ]
}

type Ask = (
  side: Side,
  of: FilterSeen['of'],
  destination: string,
  packet: FirewallPacket,
  path: readonly PathStep[],
) => FilterSeen[]

/** On the node: what the bridge does with it, and what routing does, before and behind address translation. */
function onNode(
  way: Way,
  probe: FirewallPacket,
  { destination, destinationPort }: { destination: string; destinationPort: number },
  ask: Ask,
): FilterSeen[] {
  const route = way.routes[destination]
  const out = route?.device ?? undefined
  const entrance = way.entrance ?? undefined
  const inbound = { ...probe, ...comingBy(entrance) }
  const behind = { ...probe, destination, destinationPort, dnat: true }
  const answer = answerOf({ ...probe, destination, destinationPort })
  const bridged = way.port !== null
  const sameBridge = bridged && out === entrance
  const local = out === 'lo'
  const onward: readonly PathStep[] = local
    ? [{ hook: 'input', ...comingBy(entrance) }]
    : [
        { hook: 'forward', ...comingBy(entrance), ...(out ? { oif: out } : {}) },
        leaving({ hook: 'postrouting' }, out),
        leaving(EGRESS, out),
      ]
  const bridge: readonly PathStep[] = bridged
    ? [
        { family: 'bridge', hook: 'prerouting', ...comingBy(way.port ?? undefined) },
        sameBridge
          ? { family: 'bridge', hook: 'forward', ...comingBy(way.port ?? undefined) }
          : { family: 'bridge', hook: 'input', ...comingBy(way.port ?? undefined) },
      ]
    : []
  return [
    // at its interfaces: what is translated has its asked address there
    ...ask('node', 'probe', destination, probe, [{ ...INGRESS, ...comingBy(way.port ?? entrance) }]),
    ...ask('node', 'answer', destination, answer, [{ ...INGRESS, ...comingBy(out) }]),
    ...ask('node', 'answer', destination, answerOf(probe), [leaving(EGRESS, way.port ?? entrance)]),
    ...ask('node', 'probe', destination, { ...probe, destination, destinationPort }, bridge),
    // what was not translated yet may be, before it is routed: the rules behind see it as it is then
    ...(destination === way.target.address
      ? ask('node', 'probe', destination, inbound, [{ hook: 'prerouting', ...comingBy(entrance) }, ...onward])
      : [
          ...ask('node', 'probe', destination, inbound, [{ hook: 'prerouting', ...comingBy(entrance) }]),
          ...ask('node', 'probe', destination, behind, onward),
        ]),
    ...ask(
      'node',
      'answer',
      destination,
      answer,
      local
        ? [leaving({ hook: 'output' }, entrance), leaving({ hook: 'postrouting' }, entrance)]
        : [
            { hook: 'prerouting', ...comingBy(out) },
            { hook: 'forward', ...comingBy(out), ...(entrance ? { oif: entrance } : {}) },
            leaving({ hook: 'postrouting' }, entrance),
          ],
    ),
  ]
}

/** The hooks of interfaces, which packets meet before and behind all others. */
const INGRESS: PathStep = { family: 'netdev', hook: 'ingress' }
const EGRESS: PathStep = { family: 'netdev', hook: 'egress' }

const inBy = (device: string | undefined): readonly PathStep[] =>
  [INGRESS, { hook: 'prerouting' } as const, { hook: 'input' } as const].map((step) => ({
    ...step,
    ...comingBy(device),
  }))
const outBy = (device: string | undefined): readonly PathStep[] =>
  [{ hook: 'output' } as const, { hook: 'postrouting' } as const, EGRESS].map((step) => leaving(step, device))

const comingBy = (device: string | undefined) => (device === undefined ? {} : { iif: device })
const leaving = (step: PathStep, device: string | undefined): PathStep =>
  device === undefined ? step : { ...step, oif: device }
const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)

const ECHO_REQUEST = { 4: 8, 6: 128 } as const
const ECHO_REPLY = { 4: 0, 6: 129 } as const

function probeOf({ target, source, key, stations }: Way): FirewallPacket {
  const protocol = target.protocol ?? 'icmp'
  const from = stations.find(({ kind }) => kind === 'probe')?.source ?? source ?? undefined
  const ports =
    protocol === 'icmp'
      ? { icmpType: ECHO_REQUEST[target.family] }
      : {
          ...(key === undefined ? {} : { sourcePort: key }),
          ...(target.port === undefined ? {} : { destinationPort: target.port }),
        }
  return {
    ...(from === undefined ? {} : { source: from }),
    ...{ destination: target.address, family: target.family, protocol, ctState: 'new' as const },
    ...ports,
    ...(protocol === 'tcp' ? { tcpFlags: ['syn'] } : {}),
  }
}

/** The answer to a packet: it belongs to a connection that is known by then. */
function answerOf({
  source,
  destination,
  sourcePort,
  destinationPort,
  icmpType,
  ...rest
}: FirewallPacket): FirewallPacket {
  const { tcpFlags, dnat: _, ...same } = rest
  return {
    ...same,
    ...(destination === undefined ? {} : { source: destination }),
    ...(source === undefined ? {} : { destination: source }),
    ...(destinationPort === undefined ? {} : { sourcePort: destinationPort }),
    ...(sourcePort === undefined ? {} : { destinationPort: sourcePort }),
    ...(icmpType === undefined ? {} : { icmpType: ECHO_REPLY[rest.family] }),
    ...(tcpFlags ? { tcpFlags: ['syn', 'ack'] } : {}),
    ctState: 'established',
  }
}

/** Every address that is the namespace's own; undefined: not known. */
const localAddresses = (state: NamespaceState | undefined): readonly string[] | undefined =>
  state?.routes.filter(({ type, table }) => type === 'local' && table === 'local').map(({ destination }) => destination)

interface Tunnel {
  readonly destination: string
  readonly local: string
  readonly remote: string
  readonly port: number
  readonly device: string | undefined
}

/** The tunnel packets of the flow: as they were seen, or, where none left, as the tunnel's entries would make them. */
function tunnelsOf({ stations, routes, target }: Way, state: NamespaceState | undefined): Tunnel[] {
  const seen = stations.flatMap(({ kind, outgoing, outer, destination, device }): Tunnel[] =>
    kind === 'probe' && outgoing && outer && outer.port !== null
      ? [{ destination, local: outer.source, remote: outer.destination, port: outer.port, device }]
      : [],
  )
  if (seen.length > 0) return [...new Map(seen.map((one) => [`${one.destination} ${one.remote}`, one])).values()]
  return Object.entries({ ...routes }).flatMap(([destination, route]) => {
    const vxlan = state?.links.find(({ name }) => name === route.device)?.vxlan
    const hop = route.gateway ?? destination
    const mac = state?.neighbours.find((one) => one.address === hop && one.device === route.device)?.mac
    const remote = state?.fdb.find((one) => one.device === route.device && one.mac === mac)?.destination
    if (!vxlan?.local || !remote) return []
    return [
      {
        destination: destination || target.address,
        local: vxlan.local,
        remote,
        port: vxlan.port,
        device: vxlan.device ?? undefined,
      },
    ]
  })
}
