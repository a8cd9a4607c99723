/** Packet filter rules on the source pod's node, at every hook and of every back end. */
import { VXLAN_PORT } from '../../bed/overlay.ts'
import type { Injection } from '../injection.ts'
import { type Entry, type FaultClass, oneOf, type Touched } from './entry.ts'
import {
  type At,
  between,
  chain,
  firstNode,
  insidePod,
  iptables,
  localPods,
  neighbourPod,
  outside,
  ownNode,
  pairs,
  type Rules,
  remotePods,
  source,
  sourcePod,
} from './means.ts'

const OTHER: readonly Touched[] = ['other node', 'dns', 'service']
const SAME: readonly Touched[] = ['same node', 'dns', 'service']

/** The finding must name the rule: its chain, or its comment, is called fault. */
const NAMED = /fault/

type Made = Pick<Entry, 'name' | 'touches'> & Partial<Entry>

const drops = (made: Made, injection: Injection): Entry => ({
  ...{ class: 'firewall', place: 'node', root: ['FIREWALL_DROPS'], names: NAMED },
  ...made,
  ...injection,
})
const rejects = (made: Made, injection: Injection): Entry => drops({ ...made, root: ['FIREWALL_REJECTS'] }, injection)

const nft = (hook: string, rules: Rules): Injection => chain({ at: firstNode, hook, rules })

const PROHIBITED = { 4: 'reject with icmp admin-prohibited', 6: 'reject with icmpv6 admin-prohibited' } as const

export const firewall: FaultClass = (pick) => {
  const early = oneOf(pick, ['-350', '-300', '-210', '-160'])
  const late = oneOf(pick, ['-10', '0', '5', '10'])
  return [
    drops(
      { name: 'nft, prerouting, to the pods of the other node', touches: OTHER },
      nft(`prerouting priority ${early}`, pairs(source, remotePods, 'drop')),
    ),
    drops(
      { name: 'nft, forward, to the external address', touches: ['external'] },
      nft(`forward priority ${late}`, pairs(source, outside, 'drop')),
    ),
    drops(
      { name: 'nft, forward, TCP alone to the pods of the other node', touches: OTHER },
      nft(`forward priority ${late}`, pairs(source, remotePods, 'meta l4proto tcp drop')),
    ),
    drops(
      { name: 'nft, forward, one family alone to the external address', touches: ['external'] },
      nft(`forward priority ${late}`, oneFamily(oneOf(pick, [4, 6] as const))),
    ),
    drops(
      { name: 'nft, forward, the answers of the external address', touches: ['external'] },
      nft(`forward priority ${late}`, pairs(outside, source, 'drop')),
    ),
    drops(
      { name: 'nft, forward, the answers of the other node’s pods', touches: OTHER },
      nft(`forward priority ${late}`, pairs(remotePods, source, 'drop')),
    ),
    drops(
      { name: 'nft, postrouting, to the external address', touches: ['external'] },
      nft('postrouting priority 90', pairs(source, outside, 'drop')),
    ),
    drops(
      { name: 'nft, input, what the pod asks the API server', touches: ['api'] },
      nft(`input priority ${late}`, pairs(source, ownNode, 'tcp dport 6443 drop')),
    ),
    drops(
      { name: 'nft, output, the answers of the API server', touches: ['api'] },
      nft('output priority -310', pairs(ownNode, source, 'tcp sport 6443 drop')),
    ),
    drops(
      { name: 'nft, input, tunnel packets that come in', touches: OTHER },
      nft(`input priority ${late}`, async () => [`udp dport ${VXLAN_PORT} drop`]),
    ),
    drops(
      { name: 'nft, output, tunnel packets that go out', touches: OTHER },
      nft(`output priority ${late}`, async () => [`udp dport ${VXLAN_PORT} drop`]),
    ),
    drops(
      { name: 'nft, ingress of the uplink, tunnel packets', touches: OTHER },
      chain({
        at: firstNode,
        family: 'netdev',
        hook: 'ingress device eth0 priority 0',
        rules: async () => [`udp dport ${VXLAN_PORT} drop`],
      }),
    ),
    drops(
      { name: 'nft, bridge forward, to the pods of this node', touches: SAME },
      chain({
        at: firstNode,
        family: 'bridge',
        hook: `forward priority ${oneOf(pick, ['-200', '0', '100'])}`,
        rules: pairs(source, localPods, 'drop'),
      }),
    ),
    drops(
      { name: 'nft, policy drop of a forward chain', touches: ['external'] },
      chain({
        at: firstNode,
        hook: `forward priority ${late}`,
        policy: 'drop',
        rules: async (cluster) => allBut(await source(cluster), cluster.plan.outside),
      }),
    ),
    drops(
      { name: 'nft, output, the node’s own packets to the API server’s address', touches: ['api'] },
      nft(`output priority -310`, async ({ plan }) => [`ip daddr ${plan.apiService[0]} tcp dport 443 drop`]),
    ),
    rejects(
      { name: 'nft, forward, refused with an ICMP error, to the other node’s pods', touches: OTHER },
      nft(`forward priority ${late}`, pairs(source, remotePods, PROHIBITED)),
    ),
    rejects(
      { name: 'nft, forward, refused with a reset, to the other node’s pods', touches: OTHER },
      nft(`forward priority ${late}`, pairs(source, remotePods, 'meta l4proto tcp reject with tcp reset')),
    ),
    rejects(
      { name: 'nft, prerouting, refused with an ICMP error, to the external address', touches: ['external'] },
      nft(`prerouting priority ${early}`, pairs(source, outside, PROHIBITED)),
    ),
    drops(
      { name: 'iptables-nft, forward, IPv4 to the external address', touches: ['external'] },
      iptables('iptables-nft', filtered('FORWARD', 4, '-j DROP')),
    ),
    drops(
      { name: 'iptables-nft, policy drop of FORWARD', touches: ['external'] },
      iptables(
        'iptables-nft',
        async (cluster) => [
          ...(await source(cluster)).filter(isV4).map((address) => `FORWARD ! -s ${address} -j ACCEPT`),
          ...cluster.plan.outside.filter(isV4).map((address) => `FORWARD ! -d ${address} -j ACCEPT`),
        ],
        ['filter', 'FORWARD'],
      ),
    ),
    rejects(
      { name: 'iptables-nft, forward, IPv6 refused to the external address', touches: ['external'] },
      iptables('ip6tables-nft', filtered('FORWARD', 6, '-j REJECT --reject-with icmp6-adm-prohibited')),
    ),
    drops(
      { name: 'iptables-legacy, forward, IPv6 to the external address', touches: ['external'] },
      iptables('ip6tables-legacy', filtered('FORWARD', 6, '-j DROP')),
    ),
    drops(
      { name: 'iptables-legacy, mangle prerouting, IPv4 to the external address', touches: ['external'] },
      iptables('iptables-legacy', filtered('mangle: PREROUTING', 4, '-j DROP')),
    ),
    rejects(
      { name: 'iptables-legacy, forward, IPv4 refused to the external address', touches: ['external'] },
      iptables('iptables-legacy', filtered('FORWARD', 4, '-j REJECT --reject-with icmp-host-prohibited')),
    ),
  ]
}

const oneFamily =
  (family: 4 | 6): Rules =>
  async (cluster) =>
    (await pairs(source, outside, 'drop')(cluster)).filter((rule) => rule.startsWith(family === 4 ? 'ip ' : 'ip6 '))

const isV4 = (address: string) => !address.includes(':')

/** One rule of iptables from the source pod to the external address. */
const filtered =
  (where: string, family: 4 | 6, end: string): Rules =>
  async (cluster) => {
    const of = (list: readonly string[]) => list.find((one) => isV4(one) === (family === 4))
    return [`${where} -s ${of(await source(cluster))} -d ${of(cluster.plan.outside)} -m comment --comment fault ${end}`]
  }

/** Accepts everything but what goes from one side to the other. */
const allBut = (from: readonly string[], to: readonly string[]): string[] => [
  ...['ip', 'ip6'].flatMap((ip, index) => [
    `${ip} saddr != ${from[index]} accept`,
    `${ip} daddr != ${to[index]} accept`,
  ]),
]

/** Rules inside the source pod, and inside pods that it asks. */
export const podFirewall: FaultClass = (pick) => {
  const own = insidePod(sourcePod)
  const there = insidePod(neighbourPod)
  const of = (at: At, hook: string, rules: Rules) => chain({ at, hook, rules })
  const priority = oneOf(pick, ['-10', '0', '10'])
  const inPod = { class: 'firewall in a pod', place: 'pod' } as const
  const inTarget = { class: 'firewall in a pod', place: 'target pod' } as const
  return [
    drops(
      { ...inPod, name: 'output, to the pods of the other node', touches: OTHER },
      of(own, `output priority ${priority}`, pairs(source, remotePods, 'drop')),
    ),
    drops(
      { ...inPod, name: 'input, the answers of the external address', touches: ['external'] },
      of(own, `input priority ${priority}`, pairs(outside, source, 'drop')),
    ),
    rejects(
      { ...inPod, name: 'output, refused to the external address', touches: ['external'] },
      of(own, `output priority ${priority}`, pairs(source, outside, PROHIBITED)),
    ),
    drops(
      { ...inTarget, name: 'input of a pod on the same node', touches: SAME },
      of(there, `input priority ${priority}`, fromSource('drop')),
    ),
    drops(
      { ...inTarget, name: 'output of a pod on the same node', touches: SAME },
      of(there, `output priority ${priority}`, toSource('drop')),
    ),
    rejects(
      { ...inTarget, name: 'input of a pod on the same node, refused with a reset', touches: SAME },
      of(there, `input priority ${priority}`, fromSource('meta l4proto tcp reject with tcp reset')),
    ),
  ]
}

const fromSource =
  (end: string): Rules =>
  async (cluster) =>
    between(await source(cluster), (await neighbourPod(cluster)).addresses, end)
const toSource =
  (end: string): Rules =>
  async (cluster) =>
    between((await neighbourPod(cluster)).addresses, await source(cluster), end)
