/** What a node is set to do with services, in the words that nftables, iptables and IPVS share. No code. */
import type { Family, Protocol } from '../../types.ts'

export type ProxyMode = 'nftables' | 'iptables' | 'ipvs'

export interface Backend {
  readonly address: string
  readonly port: number
}

/** One address and port of a service. */
export interface ServiceRule extends Backend {
  readonly protocol: Protocol
  /** Where connections are sent. Empty: they are refused, or the rule leads nowhere. */
  readonly backends: readonly Backend[]
}

/** kube-proxy's rules of one family. */
export interface ProxyRules {
  readonly family: Family
  readonly mode: ProxyMode
  readonly rules: readonly ServiceRule[]
  /** Addresses on which node ports are open (kube-proxy's nodePortAddresses); null: on all, or not known. */
  readonly nodePortAddresses: readonly string[] | null
}

export interface NodeServices {
  /** One for each family and mode that has rules of kube-proxy. */
  readonly proxies: readonly ProxyRules[]
  /** What answers for services instead of kube-proxy, by the devices that it makes; null: none is known. */
  readonly replacement: string | null
  /** How much kube-proxy wrote for all services: rules of its chains (iptables), addresses with port (nftables, IPVS). */
  readonly counts: readonly { readonly family: Family; readonly mode: ProxyMode; readonly rules: number }[]
}
