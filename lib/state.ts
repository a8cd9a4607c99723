/**
 * What a network namespace is set to, as plain data: read by lib/node/state, judged by checks and by lib/diagnose. No code.
 * Survives structuredClone and JSON.
 */
import type { Family, Target } from './types.ts'

/** One interface (`ip -j -d link`). */
export interface LinkState {
  readonly name: string
  readonly index: number
  /** Bytes. */
  readonly mtu: number
  /** veth, vxlan, bridge, ...; null for a physical device and loopback. */
  readonly kind: string | null
  /** Interface index of the other end (veth) or of the lower device (vlan, macvlan). */
  readonly peerIndex: number | null
  /** The peer is in this namespace too. */
  readonly peerName: string | null
  /** Name of the bridge or bond that it is a port of. */
  readonly master: string | null
  /** UP, DOWN, LOWERLAYERDOWN, UNKNOWN, ... (RFC 2863 as in Linux). */
  readonly operstate: string
  /** As `ip link` prints them: UP, LOWER_UP, NOARP, NO-CARRIER, ... */
  readonly flags: readonly string[]
  readonly mac: string | null
  /** Of a bridge's port. */
  readonly port: {
    readonly state: string
    readonly hairpin: boolean
    readonly isolated: boolean
    readonly learning: boolean
  } | null
  /** Of a bridge: whether what it carries meets netfilter whatever the sysctls say. */
  readonly bridge?: { readonly callsIptables: boolean; readonly callsIp6tables: boolean } | null
  readonly vxlan: {
    readonly id: number | null
    readonly port: number
    readonly local: string | null
    readonly device: string | null
    readonly learning: boolean
  } | null
  /** Since the interface was made: packets dropped and errors, each way. */
  readonly counters: {
    readonly rxDropped: number
    readonly rxErrors: number
    readonly txDropped: number
    readonly txErrors: number
  } | null
}

export interface AddressState {
  readonly address: string
  readonly family: Family
  readonly device: string
  readonly prefixLength: number
  /** global, link, host, site */
  readonly scope: string
  readonly dadFailed: boolean
  readonly tentative: boolean
  /** It runs out unless renewed: a router advertised it, or DHCP gave it. */
  readonly dynamic: boolean
}

/** One next hop of one route of any table. */
export interface RouteState {
  readonly family: Family
  /** main, local, or a number. */
  readonly table: string
  /** "default" or a prefix. */
  readonly destination: string
  readonly gateway: string | null
  readonly device: string | null
  readonly metric: number
  readonly source: string | null
  readonly scope: string | null
  /** unicast, local, broadcast, unreachable, prohibit, blackhole, throw, ... */
  readonly type: string
  /** dead, linkdown, onlink, ... */
  readonly flags: readonly string[]
}

/** A policy rule (`ip rule`). */
export interface RuleState {
  readonly family: Family
  readonly priority: number
  /** What it matches beside everything, as iproute2 names it: {src: '192.0.2.1', iif: 'eth0', fwmark: '0x1'}. */
  readonly selector: Readonly<Record<string, string>>
  /** The table that is looked up; null for an action. */
  readonly table: string | null
  /** unreachable, prohibit, blackhole; null when a table is looked up. */
  readonly action: string | null
}

export interface NeighbourState {
  readonly address: string
  readonly device: string
  /** NUD state: REACHABLE, STALE, FAILED, INCOMPLETE, PERMANENT, NOARP, ... */
  readonly state: string
  readonly mac: string | null
}

/** Whether the kernel asked for the hardware address by ARP or NDP and has heard nothing. */
export const isUnresolved = ({ state }: { readonly state: string }): boolean =>
  state === 'FAILED' || state === 'INCOMPLETE'

/** A forwarding entry of a bridge or a VXLAN device (`bridge fdb`). */
export interface FdbState {
  readonly mac: string
  readonly device: string
  /** VXLAN: the tunnel's other end. */
  readonly destination: string | null
  readonly permanent: boolean
}

/** The packet filter of a namespace, of nftables and of both back ends of iptables, in one form. */
export interface FirewallState {
  readonly chains: readonly FirewallChain[]
  /** Named sets and maps that rules refer to, by "family table name". */
  readonly sets: Readonly<Record<string, FirewallSet>>
  /** Why a part could not be read; null: everything was. */
  readonly missing: string | null
}

export interface FirewallChain {
  /** Whose command shows and changes it. */
  readonly backend: 'nft' | 'iptables-nft' | 'iptables-legacy'
  /** ip, ip6, inet, bridge, arp, netdev. */
  readonly family: string
  readonly table: string
  readonly name: string
  /** Set for a base chain that the kernel calls. */
  readonly base: {
    /** prerouting, input, forward, output, postrouting, ingress, egress */
    readonly hook: string
    /** filter, nat, route */
    readonly type: string
    readonly priority: number
    readonly policy: 'accept' | 'drop'
    /** Of ingress and egress hooks; null: not told (nft before 1.0.8), or the hook has none. */
    readonly devices: readonly string[] | null
  } | null
  readonly rules: readonly FirewallRule[]
}

export interface FirewallRule {
  /** As a person reads it: in nft's words, or what stands behind "-A CHAIN" in iptables-save. */
  readonly text: string
  readonly handle: number | null
  /** In the order in which the kernel carries them out; the first condition that does not hold ends the rule. */
  readonly steps: readonly FirewallStep[]
  /** Of the rule's own counter, when it has one. */
  readonly packets: number | null
}

export type FirewallStep =
  | FirewallMatch
  | FirewallVerdictMap
  /** A condition that is not understood: whether it holds is not known. */
  | { readonly kind: 'unknown'; readonly text: string }
  /** mark = (mark & and) ^ xor; null: to a value that is not known. */
  | { readonly kind: 'mark'; readonly change: { readonly and: number; readonly xor: number } | null }
  /** Another field of the packet is overwritten with what is not known ("ip daddr", "tcp dport"). */
  | { readonly kind: 'overwrite'; readonly field: string }
  | { readonly kind: 'notrack' }
  | { readonly kind: 'verdict'; readonly verdict: FirewallVerdict }

/** A condition on one field, or on several that are looked up together (a concatenation). */
export interface FirewallMatch {
  readonly kind: 'match'
  /** As nft names them: "ip saddr", "tcp dport", "meta mark", "ct state", "fib daddr type", ... An evaluator may not know each. */
  readonly fields: readonly string[]
  /** The field is masked with it before it is compared. */
  readonly mask: number | readonly string[] | null
  /** any, none: of the flags at least one, or none, is set. */
  readonly op: '==' | '!=' | '<' | '>' | '<=' | '>=' | 'any' | 'none'
  readonly values: FirewallValues
}

/** What a key means: the verdict of the element that holds it. */
export interface FirewallVerdictMap {
  readonly kind: 'vmap'
  readonly fields: readonly string[]
  readonly values: FirewallValues
}

/** Elements that stand in the rule, or the key of a named set in FirewallState.sets. */
export type FirewallValues = FirewallSet | { readonly set: string }

export interface FirewallSet {
  /**
   * Addresses and prefixes ("192.0.2.0/24"), ranges ("1-1023"), names ("tcp", "eth*", "established"), "*" for everything else.
   * A concatenated key is joined by " . ".
   */
  readonly elements: readonly string[]
  /** Of a verdict map: what each key means, in the same order. */
  readonly verdicts: readonly FirewallVerdict[] | null
  /** Elements have conditions of their own (a rate), or could not be read: what is in it may match, or not. */
  readonly conditional: boolean
}

export type FirewallVerdict =
  /** taken: the packet goes elsewhere (another device, a program), and what becomes of it is not known. */
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' | 'taken' }
  | { readonly kind: 'reject'; readonly with: string }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** null: one of several, or not known. */
  | { readonly kind: 'dnat'; readonly to: string | null; readonly port: number | null }
  /** port null: it stays. */
  | { readonly kind: 'redirect'; readonly port: number | null }
  /** To a local proxy; drops: without a listener the packet is dropped. */
  | { readonly kind: 'tproxy'; readonly drops: boolean }
  | { readonly kind: 'snat' }

/** Everything that is read of a namespace at once. */
export interface NamespaceState {
  readonly links: readonly LinkState[]
  readonly addresses: readonly AddressState[]
  readonly routes: readonly RouteState[]
  readonly rules: readonly RuleState[]
  readonly neighbours: readonly NeighbourState[]
  readonly fdb: readonly FdbState[]
  /** Below /proc/sys/net, by path: "ipv4/ip_forward", "ipv4/conf/eth0/rp_filter". What does not exist is left out. */
  readonly sysctls: Readonly<Record<string, string>>
}

/** Whose network namespace: the asking process', the node's, or the destination pod's on this node. */
export type Side = 'own' | 'node' | 'target'

/** How often something happened in the windows of a replay. */
export type Windows = readonly [busy: number, empty: number, busier: number]

/** Packets of one flow seen at one interface. */
export interface Station {
  readonly side: Side
  readonly device: string
  readonly outgoing: boolean
  /** What was sent, what came back for it, or an ICMP error about it. */
  readonly kind: 'probe' | 'answer' | 'error'
  /** As they stood in the packet here: address translation changes them on the way. */
  readonly source: string
  readonly destination: string
  readonly destinationPort: number
  /** What it travelled in here. */
  readonly outer: { readonly source: string; readonly destination: string; readonly port: number | null } | null
  /** An answer that refuses: "reset", or an ICMP error in words. */
  readonly refusal: string | null
  readonly seen: Windows
}

/** What the kernel says of a packet's route. */
export interface RouteSaid {
  /** The route can be used. */
  readonly ok: boolean
  readonly device: string | null
  readonly gateway: string | null
  /** The kernel's refusal, or the entry that was chosen, in iproute2's words. */
  readonly said: string
}

/** A failing target, asked again in windows while everybody watched. */
export interface FlowSeen {
  readonly target: Target
  readonly source: string | null
  readonly sent: Windows
  /** The errno with which this namespace's own kernel refused to send. */
  readonly refused: string | null
  readonly answered: number
  readonly stations: readonly Station[]
  readonly routes: {
    readonly own: RouteSaid | null
    /** The node's, for a packet that comes in from the pod, by the destination that it has on the node. */
    readonly node: Readonly<Record<string, RouteSaid>>
    /** The node's way back, for an answer from that address that comes in where the probe went out. */
    readonly back: Readonly<Record<string, RouteSaid>>
  }
  readonly filters: readonly FilterSeen[]
}

/** A rule that ends a flow's packets at a hook, by what the rules say. */
export interface FilterSeen {
  readonly side: Side
  readonly hook: string
  readonly of: 'probe' | 'answer' | 'tunnel out' | 'tunnel in'
  /** The packets' destination, as it is on the node behind address translation. */
  readonly destination: string
  readonly verdict: 'drop' | 'reject'
  readonly certain: boolean
  readonly rule: string
  readonly chain: string
  readonly show: string
  readonly remove: string | null
}

/** What a failing check left for the diagnosis. */
export interface Observed {
  readonly flows: readonly FlowSeen[]
  /** Counters that moved, by kernel name; interface counters as "cni0 rx_dropped". */
  readonly counters: Readonly<Partial<Record<Side, Readonly<Record<string, Windows>>>>>
  /** What the kernel gave as reason for packets that it dropped meanwhile, of both families; null: it was not asked (TRACE). */
  readonly drops: Readonly<Record<string, Windows>> | string | null
  /** Why a side could not be watched. */
  readonly blind: Readonly<Partial<Record<Side, string>>>
  /** As they were just after: unlike the rest of a state, they come and go with the packets. Of a side that is not read: those of its state. */
  readonly neighbours: Readonly<Partial<Record<Side, readonly NeighbourState[]>>>
  /** Only once a process. */
  readonly states: Readonly<Partial<Record<Side, NamespaceState>>> | null
}
