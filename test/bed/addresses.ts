/**
 * The test bed's addresses: reserved for documentation (RFC 5737, RFC 3849) and benchmarking (RFC 2544), so that a
 * packet that escaped would reach nobody. Every list holds one entry per family in use, IPv4 first.
 */
import type { Family } from '../../lib/types.ts'

/** Address families of nodes, pods and services. */
export type Families = 'dual' | '4' | '6'

export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)

/** Prefix length of a host's address, in bits: the whole address. */
export const hostLength = (address: string): number => (familyOf(address) === 4 ? 32 : 128)

export interface AddressPlan {
  readonly families: Families
  /** Bytes: what VXLAN leaves of 1500, 50 less over IPv4 and 70 less over IPv6. */
  readonly podMtu: number
  /** Addresses of node i, i from 1. */
  node(i: number): readonly string[]
  /** The router's addresses on the nodes' network. */
  readonly nodeRouter: readonly string[]
  readonly outside: readonly string[]
  readonly outsideRouter: readonly string[]
  /** First address of node i's pod subnet, which is also its VXLAN endpoint's inner address. */
  podSubnetBase(i: number): readonly string[]
  podSubnet(i: number): readonly string[]
  readonly podCidrs: readonly string[]
  readonly serviceCidrs: readonly string[]
  /** ClusterIPs of default/kubernetes, and of the cluster's DNS. */
  readonly apiService: readonly string[]
  readonly dnsService: readonly string[]
}

/** Prefix length of the nodes' and the outside host's networks. */
export const linkLength = (address: string): number => (familyOf(address) === 4 ? 24 : 64)

export function addressPlan(families: Families): AddressPlan {
  const each = (v4: string, v6: string) => [...(families === '6' ? [] : [v4]), ...(families === '4' ? [] : [v6])]
  return {
    families,
    podMtu: families === '6' ? 1430 : 1450,
    node: (i) => each(`198.51.100.${i}`, `2001:db8:51::${i}`),
    nodeRouter: each('198.51.100.254', '2001:db8:51::fe'),
    outside: each('203.0.113.9', '2001:db8:113::9'),
    outsideRouter: each('203.0.113.1', '2001:db8:113::1'),
    podSubnetBase: (i) => each(`198.18.${i}.0`, `2001:db8:18:${i}::`),
    podSubnet: (i) => each(`198.18.${i}.0/24`, `2001:db8:18:${i}::/64`),
    podCidrs: each('198.18.0.0/16', '2001:db8:18::/48'),
    serviceCidrs: each('198.19.0.0/16', '2001:db8:19::/112'),
    apiService: each('198.19.0.1', '2001:db8:19::1'),
    dnsService: each('198.19.0.10', '2001:db8:19::a'),
  }
}
