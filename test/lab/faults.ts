/**
 * Faults as data: how each is made, how it is taken back, and what the product must say about it: exactly these results are
 * neither passed nor left out. All are made for the dual-stack lab, the source pod being bbox on the first node.
 */
import type { Family, Verdict } from '../../lib/types.ts'
import { familyOf } from '../bed/addresses.ts'
import { VXLAN_PORT } from '../bed/overlay.ts'
import {
  cutAtTarget,
  fromSource,
  ICMP,
  type Injection,
  loss,
  noForwarding,
  noGateways,
  nothing,
  rules,
} from './lab-injection.ts'

export interface Fault extends Injection {
  readonly name: string
  /** Settings of the run that meets the fault. */
  readonly env?: Readonly<Record<string, string>>
  readonly exitCode: 0 | 1 | 2
  /** As troubles() words them: "fail pod/gateway IPv4 GATEWAY_UNRESOLVED". */
  readonly troubles: readonly string[]
  /** Troubles that chance adds in some runs. */
  readonly sometimes?: RegExp
}

const BOTH: readonly Family[] = [4, 6]

/** A trouble over each of some families. */
const each = (verdict: Verdict, what: string, code: string, families = BOTH): string[] =>
  families.map((family) => `${verdict} ${what} IPv${family} ${code}`)

/** What hangs on the path to the other node, with the code of a ping and of a virtual address half of which is there. */
const otherNodeDead = (families = BOTH): string[] => [
  ...each('fail', 'pod/destination-ping other-node', 'UNREACHABLE', families),
  ...each('fail', 'pod/destination-tcp other-node', 'UNREACHABLE', families),
  ...each('fail', 'pod/mtu-destination other-node', 'UNREACHABLE', families),
  ...each('fail', 'pod/endpoints-ping', 'UNREACHABLE', families),
  ...each('fail', 'pod/endpoints-port', 'UNREACHABLE', families),
  ...each('fail', 'pod/dns-replicas', 'DNS_NO_ANSWER', families),
]

const virtual = (dns: string, service: string, families = BOTH): string[] => [
  ...each('fail', 'pod/dns-external', dns, families),
  ...each('fail', 'pod/dns-kubernetes', dns, families),
  // with one dead replica of two the search goes on with the other
  ...(dns === 'BACKEND_DEAD' ? [] : each('fail', 'pod/dns-search', dns, families)),
  ...each('fail', 'pod/dns-service', dns, families),
  ...each('fail', 'pod/service-cluster-ip', service, families),
]

const outsideDead = (): string[] => [
  ...each('fail', 'pod/external-ping', 'UNREACHABLE'),
  ...each('fail', 'pod/mtu-external', 'UNREACHABLE'),
]

const apiDead = (): string[] => [
  ...each('fail', 'pod/api-cluster-ip', 'UNREACHABLE', [4]),
  ...each('fail', 'pod/api-endpoints', 'UNREACHABLE', [4]),
  ...each('fail', 'pod/mtu-api', 'UNREACHABLE', [4]),
]

const lossy = (verdict: Verdict): string[] => [
  ...each(verdict, 'pod/destination-ping other-node', 'PACKET_LOSS'),
  ...each(verdict, 'pod/endpoints-ping', 'PACKET_LOSS'),
]

export const BLACK_HOLE: Fault = {
  name: '1400-byte black hole in the underlay',
  ...rules('router', 'bridge', 'prerouting priority -300', () => [
    `iifname "v-n1" udp dport ${VXLAN_PORT} meta length > 1400 drop`,
  ]),
  exitCode: 1,
  troubles: each('fail', 'pod/mtu-destination other-node', 'PATH_MTU_BLACK_HOLE'),
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'VXLAN port dropped at the other node',
    ...rules('node2', 'inet', 'input priority -10', () => [`udp dport ${VXLAN_PORT} drop`]),
    exitCode: 1,
    troubles: [...otherNodeDead(), ...virtual('BACKEND_DEAD', 'BACKEND_DEAD')],
  },
  BLACK_HOLE,
  {
    name: 'ip_forward=0 on the node',
    ...noForwarding,
    exitCode: 1,
    troubles: [
      ...each('fail', 'host/forwarding', 'FORWARDING_OFF'),
      ...otherNodeDead(),
      ...outsideDead(),
      ...virtual('DNS_NO_ANSWER', 'UNREACHABLE', [4]),
      // from ClusterIP to a pod on the same bridge br_netfilter goes past IPv6 forwarding
      ...virtual('BACKEND_DEAD', 'BACKEND_DEAD', [6]),
    ],
  },
  {
    name: 'the destination pod does not listen',
    env: { DST_POD: 'mute' },
    ...nothing,
    exitCode: 1,
    troubles: each('fail', 'pod/destination-tcp named', 'NOTHING_LISTENING'),
  },
  {
    name: 'one endpoint of the service dead',
    ...cutAtTarget(({ pods }) => pods.web3.addresses),
    exitCode: 1,
    troubles: [
      ...each('fail', 'pod/endpoints-ping', 'UNREACHABLE'),
      ...each('fail', 'pod/endpoints-port', 'UNREACHABLE'),
      ...each('fail', 'pod/service-cluster-ip', 'BACKEND_DEAD'),
    ],
  },
  {
    name: 'one of two DNS replicas dead',
    ...cutAtTarget(({ pods }) => pods.dns2.addresses),
    exitCode: 1,
    troubles: [
      ...each('fail', 'pod/dns-external', 'BACKEND_DEAD'),
      ...each('fail', 'pod/dns-kubernetes', 'BACKEND_DEAD'),
      ...each('fail', 'pod/dns-replicas', 'DNS_NO_ANSWER'),
      ...each('fail', 'pod/dns-service', 'BACKEND_DEAD'),
    ],
  },
  {
    name: 'the external address unreachable',
    ...rules('router', 'inet', 'forward priority -10', ({ plan }) =>
      plan.outside.map((address) => `${familyOf(address) === 4 ? 'ip' : 'ip6'} daddr ${address} drop`),
    ),
    exitCode: 1,
    troubles: [...each('fail', 'pod/external-ping', 'UNREACHABLE'), ...each('fail', 'pod/mtu-external', 'UNREACHABLE')],
  },
  {
    // the case in which the original says 14 of 14 ok
    name: 'packets from pods to the API server dropped',
    ...rules('node1', 'inet', 'prerouting priority -300', (lab) =>
      fromSource(lab, [...lab.plan.apiService.slice(0, 1), ...lab.plan.node(1)]),
    ),
    exitCode: 1,
    troubles: apiDead(),
  },
  {
    name: "the pods' gateway gone from the bridge",
    ...noGateways,
    exitCode: 1,
    troubles: [
      ...each('fail', 'pod/gateway', 'GATEWAY_UNRESOLVED'),
      ...apiDead(),
      ...otherNodeDead(),
      ...outsideDead(),
      ...virtual('DNS_NO_ANSWER', 'UNREACHABLE'),
    ],
  },
  {
    // 100 echoes tell 35 % and 10 % from the border between failure and warning, 20 %, in all but one of a thousand runs
    name: '35 % of all packets to the other node lost',
    env: { PROBES: '100' },
    ...loss(35),
    exitCode: 1,
    troubles: lossy('fail'),
    sometimes:
      /^fail pod\/(?:dns|service|endpoints-port|destination-tcp)\S* .*(?:DNS_NO_ANSWER|DNS_UPSTREAM_BROKEN|DNS_SEARCH_BROKEN|UNREACHABLE|BACKEND_DEAD)$/,
  },
  {
    name: '10 % of ICMP to the other node lost',
    env: { PROBES: '100' },
    ...loss(10, ICMP),
    exitCode: 0,
    troubles: lossy('warn'),
  },
  {
    name: '10 % of ICMP to the other node lost, STRICT=1',
    env: { PROBES: '100', STRICT: '1' },
    ...loss(10, ICMP),
    exitCode: 1,
    troubles: lossy('fail'),
  },
  {
    name: 'ICMP filtered, TCP open',
    ...rules('node1', 'inet', 'forward priority -10', (lab) => {
      const to = [...lab.pods.web2.addresses, ...lab.pods.web3.addresses]
      return fromSource(lab, to, `${ICMP} drop`)
    }),
    // the path MTU is green: a full-size TCP segment is acknowledged
    exitCode: 0,
    troubles: [
      ...each('warn', 'pod/destination-ping other-node', 'ICMP_FILTERED'),
      ...each('warn', 'pod/endpoints-ping', 'ICMP_FILTERED'),
    ],
  },
  {
    name: 'a service without a ready endpoint',
    env: { DST_SVC: 'idle' },
    ...nothing,
    exitCode: 1,
    troubles: [
      ...each('fail', 'pod/endpoints-ping', 'NO_READY_ENDPOINTS'),
      ...each('fail', 'pod/endpoints-port', 'NO_READY_ENDPOINTS'),
      ...each('fail', 'pod/service-cluster-ip', 'NO_READY_ENDPOINTS'),
    ],
  },
]
