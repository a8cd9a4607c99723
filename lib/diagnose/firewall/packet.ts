/** A packet as the packet filter sees it, and how much of it is known. Pure. */
import type { FirewallStep } from '../../state.ts'
import type { Family, Protocol } from '../../types.ts'

/** What is left out is not known: rules that ask for it may match, or not. */
export interface FirewallPacket {
  readonly source?: string | undefined
  readonly destination?: string | undefined
  readonly family: Family
  readonly protocol: Protocol
  readonly sourcePort?: number | undefined
  readonly destinationPort?: number | undefined
  readonly iif?: string | undefined
  readonly oif?: string | undefined
  /** 0 for what comes from another namespace, and from a socket without SO_MARK. */
  readonly mark?: number | undefined
  readonly ctState?: 'new' | 'established' | 'related' | 'invalid' | 'untracked' | undefined
  /** Whether conntrack has translated its destination or its source. */
  readonly dnat?: boolean | undefined
  readonly snat?: boolean | undefined
  /** Bytes, with the IP header. */
  readonly length?: number | undefined
  readonly icmpType?: number | undefined
  /** "syn", "ack", ...: those that are set. */
  readonly tcpFlags?: readonly string[] | undefined
  /** Every address and prefix that is of type local in this namespace's routing tables. */
  readonly localAddresses?: readonly string[] | undefined
}

/** undefined: not known. null: there is none at this hook. */
export interface View {
  readonly family: Family
  readonly protocol: number
  readonly source: number | bigint | undefined
  readonly destination: number | bigint | undefined
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
  readonly iif: string | null | undefined
  readonly oif: string | null | undefined
  /** Bits of the mark, and which of them are known. */
  readonly mark: number
  readonly markKnown: number
  readonly ctState: string | undefined
  readonly dnat: boolean | undefined
  readonly snat: boolean | undefined
  readonly length: number | undefined
  readonly icmpType: number | undefined
  readonly tcpFlags: readonly string[] | undefined
  /** Whether an address is local here. */
  readonly local: ((address: number | bigint) => boolean) | undefined
}

/** IANA's numbers of those protocols that rules name. */
export const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{ icmp: 1, igmp: 2, ipencap: 4, ipip: 4, tcp: 6, udp: 17, dccp: 33, ipv6: 41, gre: 47, esp: 50, 'ipv6-esp': 50 },
  ...{ ah: 51, 'ipv6-auth': 51, 'ipv6-icmp': 58, icmpv6: 58, ospf: 89, ipcomp: 108, comp: 108, vrrp: 112, pim: 103 },
  ...{ sctp: 132, udplite: 136, mh: 135, 'ipv6-mh': 135, mobility: 135 },
}

/** The number that an address is; null when the text is none. */
export function addressNumber(text: string): number | bigint | null {
  return text.includes(':') ? ipv6Number(text) : ipv4Number(text)
}

function ipv4Number(text: string): number | null {
  const bytes = text.split('.').map(Number)
  const valid = bytes.length === 4 && bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)
  return valid ? bytes.reduce((sum, byte) => sum * 256 + byte, 0) : null
}

function ipv6Number(text: string): bigint | null {
  const [plain = ''] = text.split('%')
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  const last = dotted ? ipv4Number(dotted[2] ?? '') : null
  const whole = last === null ? plain : `${dotted?.[1]}${(last >>> 16).toString(16)}:${(last % 65536).toString(16)}`
  const [head = [], tail, ...more] = whole.split('::').map((half) => half.split(':').filter(Boolean))
  if (!/^[0-9a-f:]*[0-9a-f]$|^[0-9a-f:]*::$/i.test(whole) || /:::|^:[^:]/.test(whole)) return null
  const zeros = 8 - head.length - (tail?.length ?? 0)
  if (more.length > 0 || zeros < 0 || (tail === undefined && zeros > 0)) return null
  const groups = [...head, ...Array<string>(zeros).fill('0'), ...(tail ?? [])]
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null
  return groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n)
}

/** RFC 5952. */
export function addressText(address: number | bigint): string {
  if (typeof address === 'number') return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
  const groups = Array.from({ length: 8 }, (_, i) => ((address >> BigInt(112 - 16 * i)) & 0xffffn).toString(16))
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].map(([run]) => run)
  const [longest] = runs.sort((a, b) => b.length - a.length)
  if (longest === undefined) return groups.join(':')
  const text = groups.join(':')
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f:]0(?![0-9a-f]))`))
  return `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}`
}

/** First and last address of "a", "a/len" or "a-b"; null when it is none of them. */
export function addressRange(text: string): readonly [number | bigint, number | bigint] | null {
  const [first = '', second] = text.split('-')
  if (second !== undefined) {
    const [from, to] = [addressNumber(first), addressNumber(second)]
    return from === null || to === null ? null : [from, to]
  }
  const [address = '', length] = first.split('/')
  const value = addressNumber(address)
  if (value === null || (length !== undefined && !/^\d+$/.test(length))) return null
  if (typeof value === 'bigint') {
    const rest = (1n << BigInt(128 - Number(length ?? 128))) - 1n
    return [value & ~rest, (value & ~rest) + rest]
  }
  const size = 2 ** (32 - Number(length ?? 32))
  return [value - (value % size), value - (value % size) + size - 1]
}

/** The packet at a hook. An interface that a hook does not have is none; what a hook passes on is as told. */
export function viewAt(packet: FirewallPacket, hook: string): View {
  const arrives = hook === 'prerouting' || hook === 'input' || hook === 'ingress'
  const sent = hook === 'output'
  const icmp = packet.family === 6 ? 58 : 1
  const ranges = packet.localAddresses?.map(addressRange).filter((range) => range !== null)
  return {
    family: packet.family,
    protocol: packet.protocol === 'icmp' ? icmp : (PROTOCOLS[packet.protocol] ?? -1),
    source: addressNumber(packet.source ?? '') ?? undefined,
    destination: addressNumber(packet.destination ?? '') ?? undefined,
    sourcePort: packet.sourcePort,
    destinationPort: packet.destinationPort,
    // Whether a packet's first interface is known after routing differs between kernels (ip_output).
    iif: sent ? null : hook === 'postrouting' ? undefined : packet.iif,
    oif: arrives ? null : packet.oif,
    mark: packet.mark ?? 0,
    markKnown: packet.mark === undefined ? 0 : 0xffffffff,
    ctState: packet.ctState,
    dnat: packet.dnat,
    snat: packet.snat,
    length: packet.length,
    icmpType: packet.icmpType,
    tcpFlags: packet.tcpFlags,
    local:
      ranges &&
      ((address) => ranges.some(([from, to]) => typeof from === typeof address && from <= address && address <= to)),
  }
}

/** What is known of the packet if it is one of both. */
export function join(a: View, b: View): View {
  if (a === b) return a
  const same = <K extends keyof View>(key: K) => (a[key] === b[key] ? a[key] : undefined) as View[K]
  return {
    ...a,
    source: same('source'),
    destination: same('destination'),
    sourcePort: same('sourcePort'),
    destinationPort: same('destinationPort'),
    ctState: same('ctState'),
    dnat: same('dnat'),
    snat: same('snat'),
    mark: a.mark,
    markKnown: a.markKnown & b.markKnown & ~(a.mark ^ b.mark),
  }
}

export function withMark(view: View, change: Extract<FirewallStep, { kind: 'mark' }>['change']): View {
  if (!change) return { ...view, markKnown: 0 }
  return { ...view, mark: (view.mark & change.and) ^ change.xor, markKnown: view.markKnown | ~change.and }
}

/** A field that was written over with something that is not known. */
export function overwritten(view: View, field: string): View {
  if (/ saddr$/.test(field)) return { ...view, source: undefined }
  if (/ daddr$/.test(field)) return { ...view, destination: undefined }
  if (/ sport$/.test(field)) return { ...view, sourcePort: undefined }
  if (/ dport$/.test(field)) return { ...view, destinationPort: undefined }
  return view
}
