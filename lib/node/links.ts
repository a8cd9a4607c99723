/** Links and addresses of this network namespace, read with `ip -j`. */
import type { Family, Outcome } from '../types.ts'
import { flag, type Json, number, object, objects, readIp, text, texts } from './ip.ts'

export interface Link {
  readonly name: string
  readonly index: number
  /** Bytes. */
  readonly mtu: number
  /** veth, vxlan, bridge, ...; null for a physical device and loopback. */
  readonly kind: string | null
  /** Interface index of the other end (veth) or of the lower device (vlan, macvlan, ipvlan). */
  readonly peerIndex: number | null
  /** Name of that interface when it is in this namespace too. */
  readonly peerName: string | null
  /** UP, DOWN, LOWERLAYERDOWN, UNKNOWN, ... (RFC 2863 as in Linux). */
  readonly operstate: string
  /** As `ip link` prints them: UP, LOWER_UP, NOARP, POINTOPOINT, LOOPBACK, NO-CARRIER, ... */
  readonly flags: readonly string[]
  /** ether, loopback, none, ipip, ... */
  readonly linkType: string
  /** Link layer address; null when the device has none. */
  readonly mac: string | null
  /** What a tunnel's packets travel in; null for what is no tunnel, or does not say. */
  readonly outer: { readonly family: Family; readonly device: string | null } | null
}

export interface LocalAddress {
  readonly address: string
  readonly family: Family
  readonly device: string
  readonly prefixLength: number
  /** global, link, host, site */
  readonly scope: string
  /** IPv6 only: duplicate address detection found another owner (RFC 4862): the kernel does not use the address. */
  readonly dadFailed: boolean
  /** IPv6 only: duplicate address detection has not ended. */
  readonly tentative: boolean
  /** It runs out unless renewed: a router advertised it, or DHCP gave it. */
  readonly dynamic: boolean
}

/** All links. Codes: TOOL_MISSING, TOOL_FAILED. */
export async function readLinks(): Promise<Outcome<readonly Link[]>> {
  const read = await readIp(['-d', 'link', 'show'])
  return read.ok ? { ok: true, value: read.value.flatMap(parseLink), evidence: [] } : read
}

/** One link by name. Codes: LINK_MISSING, TOOL_MISSING, TOOL_FAILED. */
export async function readLink(name: string): Promise<Outcome<Link>> {
  const links = await readLinks()
  return links.ok ? linkNamed(links.value, name) : links
}

/** The same among links that were read already. */
export function linkNamed(links: readonly Link[], name: string): Outcome<Link> {
  const value = links.find((link) => link.name === name)
  if (value) return { ok: true, value, evidence: [] }
  return { ok: false, code: 'LINK_MISSING', detail: `There is no interface ${name} here.`, evidence: [] }
}

/** Addresses of this namespace, loopback's too. Codes: TOOL_MISSING, TOOL_FAILED. */
export async function localAddresses(): Promise<Outcome<readonly LocalAddress[]>> {
  const read = await readIp(['address', 'show'])
  return read.ok ? { ok: true, value: read.value.flatMap(parseAddresses), evidence: [] } : read
}

/** Links without neighbours to resolve: tunnels, point-to-point links, loopback, devices with ARP switched off. */
export function needsNoNeighbour(link: Link): boolean {
  return link.flags.some((flag) => flag === 'NOARP' || flag === 'POINTOPOINT' || flag === 'LOOPBACK')
}

/** Reads one object of `ip -j -d link`; empty when it is not a link (iproute2 prints `{}` for what it filters out). */
export function parseLink(link: Json): readonly Link[] {
  const name = text(link, 'ifname')
  const index = number(link, 'ifindex')
  const mtu = number(link, 'mtu')
  if (name === null || index === null || mtu === null) return []
  return [
    {
      name,
      index,
      mtu,
      kind: text(object(link, 'linkinfo'), 'info_kind'),
      peerIndex: number(link, 'link_index'),
      peerName: text(link, 'link'),
      operstate: text(link, 'operstate') ?? 'UNKNOWN',
      flags: texts(link, 'flags'),
      linkType: text(link, 'link_type') ?? 'none',
      mac: text(link, 'address'),
      outer: outerOf(object(object(link, 'linkinfo'), 'info_data')),
    },
  ]
}

/** vxlan, geneve, gre, ipip: `local` or `remote` (IPv6: with a 6 behind, in vxlan and geneve), and `link`, the lower device. */
function outerOf(data: Json): Link['outer'] {
  const ends = [text(data, 'local'), text(data, 'remote')].filter((end) => end !== null && end !== 'any')
  const six = text(data, 'local6') ?? text(data, 'remote6') ?? ends.find((end) => end?.includes(':'))
  if (six === undefined && ends.length === 0) return null
  return { family: six === undefined ? 4 : 6, device: text(data, 'link') }
}

/** Reads one object of `ip -j address`. */
export function parseAddresses(link: Json): readonly LocalAddress[] {
  const device = text(link, 'ifname')
  if (device === null) return []
  return objects(link, 'addr_info').flatMap((info) => {
    const address = text(info, 'local')
    if (address === null) return []
    return [
      {
        address,
        family: text(info, 'family') === 'inet6' ? 6 : 4,
        device,
        prefixLength: number(info, 'prefixlen') ?? 0,
        scope: text(info, 'scope') ?? 'global',
        dadFailed: flag(info, 'dadfailed'),
        tentative: flag(info, 'tentative'),
        dynamic: flag(info, 'dynamic'),
      },
    ]
  })
}
