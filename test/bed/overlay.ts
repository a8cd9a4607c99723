/** The pods' network between nodes: VXLAN with static neighbours as flannel makes it, and masquerade to the outside. */
import { type AddressPlan, familyOf, hostLength } from './addresses.ts'
import { inNamespace, nft } from './namespace.ts'
import { ipBatch } from './underlay.ts'

/** UDP port that flannel uses on Linux, the kernel's historic default. */
export const VXLAN_PORT = 8472

const vtepMac = (i: number) => `02:00:00:00:00:${i.toString(16).padStart(2, '0')}`

/** Joins the nodes' pod subnets; interface vx0 on each node. */
export function connectOverlay(nodes: readonly string[], plan: AddressPlan): void {
  for (const [index, node] of nodes.entries()) {
    const i = index + 1
    ipBatch(node, [
      `link add vx0 type vxlan id 1 dstport ${VXLAN_PORT} local ${plan.node(i)[0]} nolearning dev eth0`,
      `link set vx0 address ${vtepMac(i)} mtu ${plan.podMtu} up`,
      ...plan
        .podSubnetBase(i)
        .map((base) => `addr add ${base}/${hostLength(base)} dev vx0${base.includes(':') ? ' nodad' : ''}`),
    ])
    for (const peer of nodes.keys()) if (peer !== index) addPeer(node, peer + 1, plan)
    masquerade(node, plan)
  }
}

function addPeer(node: string, peer: number, plan: AddressPlan): void {
  inNamespace(node, 'bridge', 'fdb', 'append', vtepMac(peer), 'dev', 'vx0', 'dst', plan.node(peer)[0] ?? '')
  ipBatch(
    node,
    plan
      .podSubnetBase(peer)
      .flatMap((base, family) => [
        `neigh replace ${base} lladdr ${vtepMac(peer)} dev vx0 nud permanent`,
        `route add ${plan.podSubnet(peer)[family]} via ${base} dev vx0 onlink`,
      ]),
  )
}

function masquerade(node: string, plan: AddressPlan): void {
  const rules = plan.podCidrs.map((cidr) =>
    familyOf(cidr) === 4
      ? `ip saddr ${cidr} ip daddr != { ${cidr}, 224.0.0.0/4 } masquerade`
      : `ip6 saddr ${cidr} ip6 daddr != { ${cidr}, ff00::/8 } masquerade`,
  )
  const chain = ['type nat hook postrouting priority 110', ...rules].join('\n')
  nft(node, `table inet bed {\n chain post {\n${chain}\n }\n}`)
}
