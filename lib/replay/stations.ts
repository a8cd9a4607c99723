/** From what the taps saw to the stations of each flow: pure. */
import { isVirtual } from '../diagnose/names.ts'
import { canonicalAddress } from '../packet/address.ts'
import { ACK, type SeenPacket } from '../packet/frame.ts'
import type { Sighting } from '../probe/watch.ts'
import type { Side, Station } from '../state.ts'
import type { Target } from '../types.ts'

/** What one side's tap saw in each window, with the names of that side's interfaces. */
export interface Watched {
  readonly side: Side
  readonly names: ReadonlyMap<number, string>
  /** Interfaces, by index, that take only what is for them: a pod's, which are no ports of a bridge. */
  readonly ends: ReadonlySet<number>
  readonly windows: readonly (readonly Sighting[])[]
}

/** A flow by what is sure about its packets: protocol and the asking side's ports or ICMP ids. */
export interface FlowKeys {
  readonly target: Target
  readonly keys: ReadonlySet<number>
  /** Ports that other flows have too: the kernel gives one out again as long as the other end differs. */
  readonly shared: ReadonlySet<number>
}

/** The flows, each with what of its keys another flow of its protocol uses too. Pure. */
export function withShared(flows: readonly Omit<FlowKeys, 'shared'>[]): readonly FlowKeys[] {
  const isShared = (own: Omit<FlowKeys, 'shared'>, key: number) =>
    flows.some((one) => one !== own && one.target.protocol === own.target.protocol && one.keys.has(key))
  return flows.map((flow) => ({ ...flow, shared: new Set([...flow.keys].filter((key) => isShared(flow, key))) }))
}

type Kind = Station['kind']

/**
 * Which packets of a flow a packet is. By its mark, where the asking side's own tap has seen the flow's packets leave: neither
 * translation nor masquerading changes that. Else by its ports or ids.
 */
export function kindOf(packet: SeenPacket, flow: FlowKeys, marks: ReadonlySet<string>): Kind | null {
  const { quoted, protocol } = packet
  if (quoted) return byMark(quoted, marks) === 'probe' || byKey(quoted, flow) === 'probe' ? 'error' : null
  if (protocol !== (flow.target.protocol ?? 'icmp')) return null
  return marks.size > 0 ? byMark(packet, marks) : byKey(packet, flow)
}

function byMark(packet: SeenPacket, marks: ReadonlySet<string>): Kind | null {
  if (packet.mark === null || !marks.has(packet.mark)) return null
  return isAnswer(packet) ? 'answer' : 'probe'
}

const isAnswer = ({ icmp, flags, family }: SeenPacket): boolean =>
  icmp === null ? (flags & ACK) !== 0 : icmp.type === (family === 4 ? 0 : 129)

/**
 * By the source port, which address translation keeps unless it is taken, and by the address: only what is asked by a Service's
 * address goes on with another one. An echo shares its id with those to other targets.
 */
function byKey(packet: SeenPacket, { target, keys, shared }: FlowKeys): Kind | null {
  const { protocol, sourcePort, destinationPort, icmp } = packet
  const wanted = target.protocol ?? 'icmp'
  if (protocol !== wanted) return null
  const address = canonicalAddress(target.address)
  if (wanted === 'icmp') {
    if (!keys.has(sourcePort) || icmp === null) return null
    const request = icmp.type === (target.family === 4 ? 8 : 128)
    if (request) return packet.destination === address ? 'probe' : null
    return packet.source === address ? 'answer' : null
  }
  const isOf = (key: number, other: string) =>
    keys.has(key) && (other === address || (isTranslated(target) && !shared.has(key)))
  if (isOf(sourcePort, packet.destination)) return 'probe'
  return isOf(destinationPort, packet.source) ? 'answer' : null
}

/** Marks of the flow's packets as they left the asking side. */
function marksOf(flow: FlowKeys, watched: readonly Watched[]): ReadonlySet<string> {
  const address = canonicalAddress(flow.target.address)
  const left = watched
    .filter(({ side }) => side === 'own')
    .flatMap(({ windows }) => windows.flat())
    .filter(({ outgoing, packet }) => outgoing && packet.destination === address && byKey(packet, flow) === 'probe')
  return new Set(left.flatMap(({ packet }) => (packet.mark === null || isAnswer(packet) ? [] : [packet.mark])))
}

/** Packets to it go on with a backend's address. */
export const isTranslated = ({ role }: Target): boolean => isVirtual(role) || /node port|load balancer/.test(role)

/** Every place where packets of the flow were seen, in the order of the first sighting of each side. */
export function stationsOf(flow: FlowKeys, watched: readonly Watched[]): readonly Station[] {
  const marks = marksOf(flow, watched)
  return watched.flatMap(({ side, names, ends, windows }) => {
    const found = new Map<string, { station: Omit<Station, 'seen'>; seen: number[] }>()
    windows.forEach((window, index) => {
      for (const { interfaceIndex, outgoing, forAnother, packet } of window) {
        // the kernel behind it never sees what a bridge has flooded to it
        if (forAnother && ends.has(interfaceIndex)) continue
        const kind = kindOf(packet, flow, marks)
        if (kind === null) continue
        const station = {
          ...{ side, device: names.get(interfaceIndex) ?? `interface ${interfaceIndex}`, outgoing, kind },
          ...{ source: packet.source, destination: packet.destination, destinationPort: packet.destinationPort },
          outer: packet.outer,
          refusal: refusalOf(packet, kind),
        }
        const key = JSON.stringify([
          ...[station.device, outgoing, kind, station.source, station.destination, station.refusal],
          station.outer?.destination,
        ])
        const known = found.get(key) ?? { station, seen: [0, 0, 0] }
        known.seen[index] = (known.seen[index] ?? 0) + 1
        found.set(key, known)
      }
    })
    return [...found.values()].map(({ station, seen }) => ({ ...station, seen: [seen[0], seen[1], seen[2]] as never }))
  })
}

const RST = 0x04

function refusalOf(packet: SeenPacket, kind: Kind): string | null {
  if (kind === 'answer') return packet.protocol === 'tcp' && (packet.flags & RST) !== 0 ? 'reset' : null
  if (kind !== 'error' || !packet.icmp) return null
  const { type, code } = packet.icmp
  const known = packet.family === 6 ? ICMP6[`${type}/${code}`] : type === 3 ? UNREACHABLE_4[code] : undefined
  return known ?? `ICMP type ${type} code ${code}`
}

/** Destination unreachable by code (RFC 792, RFC 1812). */
const UNREACHABLE_4: Readonly<Record<number, string>> = {
  0: 'net unreachable',
  1: 'host unreachable',
  2: 'protocol unreachable',
  3: 'port unreachable',
  4: 'fragmentation needed',
  9: 'net administratively prohibited',
  10: 'host administratively prohibited',
  13: 'administratively prohibited',
}

/** ICMPv6 (RFC 4443). */
const ICMP6: Readonly<Record<string, string>> = {
  '1/0': 'no route',
  '1/1': 'administratively prohibited',
  '1/2': 'beyond scope',
  '1/3': 'address unreachable',
  '1/4': 'port unreachable',
  '1/5': 'source address failed policy',
  '1/6': 'reject route',
  '2/0': 'packet too big',
  '3/0': 'hop limit exceeded',
}
