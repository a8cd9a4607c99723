/** What to set to which value, so that the path MTU is right: the pod MTU that works, with the overhead that explains it. Pure. */
import type { Link } from '../../node/links.ts'
import type { Family } from '../../types.ts'

/** The tunnel that the node sends the packets into. */
export interface Tunnel {
  readonly device: string
  /** As the kernel calls it: vxlan, geneve, ipip, ... */
  readonly kind: string
  readonly mtu: number
  /** Bytes that it puts before each packet; null: not known for this kind. */
  readonly overhead: number | null
  /** The device below it, and its MTU; null: the kernel does not tie the tunnel to one. */
  readonly underlay: { readonly device: string; readonly mtu: number } | null
}

interface Kind {
  readonly name: string
  /** Over IPv4 and over IPv6. */
  readonly overhead: Readonly<Record<Family, number>>
}

/** Outer headers in bytes: Ethernet 14 + VXLAN or Geneve 8 + UDP 8 + IP; GRE 4 + IP; WireGuard 40 + IP; IP alone. */
const KINDS: Readonly<Record<string, Kind>> = {
  vxlan: { name: 'VXLAN', overhead: { 4: 50, 6: 70 } },
  geneve: { name: 'Geneve', overhead: { 4: 50, 6: 70 } },
  ipip: { name: 'IPIP', overhead: { 4: 20, 6: 20 } },
  sit: { name: 'SIT', overhead: { 4: 20, 6: 20 } },
  ip6tnl: { name: 'IPv6 tunnel', overhead: { 4: 40, 6: 40 } },
  gre: { name: 'GRE', overhead: { 4: 24, 6: 24 } },
  gretap: { name: 'GRE', overhead: { 4: 38, 6: 38 } },
  wireguard: { name: 'WireGuard', overhead: { 4: 60, 6: 80 } },
}

/** The tunnel that a route of the node leads into, if its device is one. */
export function tunnelOf(device: string, links: readonly Link[]): Tunnel | null {
  const link = links.find(({ name }) => name === device)
  const kind = KINDS[link?.kind ?? '']
  if (!link?.kind || !kind) return null
  const lower = links.find(({ name }) => name === link.outer?.device)
  return {
    device,
    kind: link.kind,
    mtu: link.mtu,
    overhead: link.outer === null && link.kind !== 'wireguard' ? null : kind.overhead[link.outer?.family ?? 6],
    underlay: lower ? { device: lower.name, mtu: lower.mtu } : null,
  }
}

const nameOf = ({ kind }: Tunnel): string => KINDS[kind]?.name ?? kind

/** Where each CNI takes its MTU from; recognised by the devices that it makes on the node. */
const CNIS: readonly (readonly [devices: RegExp, set: (mtu: number) => string])[] = [
  [
    /^(vxlan\.calico|vxlan-v6\.calico|tunl0|wireguard\.cali|wg-v6\.cali|cali[0-9a-f]{11})$/,
    (mtu) =>
      `Calico: \`kubectl patch installation default --type merge -p '{"spec":{"calicoNetwork":{"mtu":${mtu}}}}'\` (without the operator: \`veth_mtu\` in ConfigMap calico-config)`,
  ],
  [
    /^(cilium_vxlan|cilium_geneve|cilium_wg0|cilium_host|lxc[0-9a-f]+)$/,
    (mtu) => `Cilium: \`cilium config set mtu ${mtu}\` (Helm: \`MTU: ${mtu}\`)`,
  ],
  [
    /^flannel(\.\d+|-v6\.\d+|-wg.*)$/,
    (mtu) => `flannel: \`"MTU": ${mtu}\` in the Backend of net-conf.json, ConfigMap kube-flannel-cfg`,
  ],
  [/^antrea-(gw|tun)0$/, (mtu) => `Antrea: \`defaultMTU: ${mtu}\` in ConfigMap antrea-config`],
  [/^ovn-k8s-mp0$/, (mtu) => `OVN-Kubernetes: \`mtu=${mtu}\` in ConfigMap ovnkube-config`],
  [/^weave$/, (mtu) => `Weave: \`WEAVE_MTU=${mtu}\` in DaemonSet weave-net`],
]

/** The setting of the CNI plug-in whose devices are on the node, else where a plain plug-in has it. */
export function cniSetting(links: readonly Link[], mtu: number): string {
  const found = CNIS.find(([devices]) => links.some(({ name }) => devices.test(name)))
  return found ? found[1](mtu) : `\`"mtu": ${mtu}\` in the CNI configuration on every node (/etc/cni/net.d)`
}

/** The pod network's MTU must become `mtu`; why, where a tunnel explains it; and the other way out. */
export function setPodMtu(mtu: number, promised: number, tunnel: Tunnel | null, links: readonly Link[]): string {
  const set = `Set the pod network's MTU to ${mtu}. ${cniSetting(links, mtu)}; then restart the pods.`
  if (tunnel?.overhead == null) return set
  const carries = mtu + tunnel.overhead
  const needs = promised + tunnel.overhead
  const below = tunnel.underlay
    ? `${tunnel.underlay.device} promises ${tunnel.underlay.mtu}`
    : 'the devices below it differ'
  return `${set} The tunnel ${tunnel.device} (${nameOf(tunnel)}) puts ${tunnel.overhead} bytes before each packet, and the network between the nodes carries ${carries} bytes where ${below}. Or let that network carry ${needs} bytes.`
}

/** Between nodes: what their interfaces promise, or what lies between them. */
export function setNodeMtu(mtu: number, promised: number, device: string): string {
  return `Let the network between the nodes carry ${promised} bytes (switch ports, VLANs, the cloud's link), or set the MTU of ${device} to ${mtu} on every node: \`ip link set dev ${device} mtu ${mtu}\`. The pod network's MTU must then leave room for its tunnel (VXLAN: ${mtu - 50} over IPv4, ${mtu - 70} over IPv6).`
}

/** The two ends of the pod's own link must agree. */
export function alignFirstHop(
  device: string,
  promised: number,
  peer: { readonly device: string; readonly mtu: number },
  links: readonly Link[],
): string {
  return `On the node, \`ip link set dev ${peer.device} mtu ${promised}\` mends this pod if the path beyond carries that much; for all pods: ${cniSetting(links, Math.min(promised, peer.mtu))}, so that ${device} in the pods and its peer on the node get the same value, then restart them.`
}

/** The ICMP messages that path MTU discovery lives by (RFC 4890 for IPv6). */
export function letErrorsThrough(family: Family, where: 'pod' | 'node' | 'path'): string {
  const kind =
    family === 4
      ? 'ICMP type 3 code 4 (`icmp type destination-unreachable`)'
      : 'ICMPv6 type 2 (`icmpv6 type packet-too-big`)'
  const place = {
    pod: 'in the pod’s own firewall: `nsenter -t <pid of the pod> -n nft list ruleset` (a sidecar may have made it)',
    node: 'in this node’s firewall: `nft list ruleset` and `iptables-save`, chains of the hooks forward and output',
    path: 'through every firewall on the way',
  }[where]
  return `Let ${kind} pass ${place}.`
}
