/**
 * Faults as data: how each is made, how it is taken back, and what the product must say about it: exactly these results are
 * neither passed nor left out. All are made for the dual-stack lab, the source pod being bbox on the first node.
 */
import type { Family, Verdict } from '../../lib/types.ts'
import { familyOf, linkLength } from '../bed/addresses.ts'
import { inNamespace, nft, run } from '../bed/namespace.ts'
import { VXLAN_PORT } from '../bed/overlay.ts'
import { ipBatch } from '../bed/underlay.ts'
import type { Lab } from './lab.ts'

export interface Fault {
  readonly name: string
  /** Settings of the run that meets the fault. */
  readonly env?: Readonly<Record<string, string>>
  inject(lab: Lab): void
  undo(lab: Lab): void
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

// ---- making and taking back ------------------------------------------------------------------------------------------

/** Rules in a table of their own; the hook says where on the path. */
function addRules(namespace: string, family: 'inet' | 'bridge', hook: string, rules: readonly string[]): void {
  nft(namespace, `table ${family} fault {\nchain fault {\ntype filter hook ${hook}\n${rules.join('\n')}\n}\n}`)
}

const deleteRules = (namespace: string, family: 'inet' | 'bridge') => nft(namespace, `delete table ${family} fault`)

type Place = 'node1' | 'node2' | 'router'

const placeOf = (lab: Lab, place: Place): string =>
  place === 'router' ? lab.underlay.router : lab.nodes[place === 'node1' ? 0 : 1].namespace

/** Rules at one place, gone again at undo. */
function rules(
  place: Place,
  family: 'inet' | 'bridge',
  hook: string,
  make: (lab: Lab) => readonly string[],
): Pick<Fault, 'inject' | 'undo'> {
  return {
    inject: (lab) => addRules(placeOf(lab, place), family, hook, make(lab)),
    undo: (lab) => deleteRules(placeOf(lab, place), family),
  }
}

/** nft statements for packets from the source pod to some addresses, one a family; `rest` ends each. */
function fromSource(lab: Lab, to: readonly string[], rest = 'drop'): string[] {
  return BOTH.flatMap((family) => {
    const set = (list: readonly string[]) => `{ ${list.filter((one) => familyOf(one) === family).join(', ')} }`
    const ip = family === 4 ? 'ip' : 'ip6'
    if (!to.some((one) => familyOf(one) === family)) return []
    return [`${ip} saddr ${set(lab.pods.bbox.addresses)} ${ip} daddr ${set(to)} ${rest}`]
  })
}

/**
 * Packets from the source pod to pods on the other node vanish there. Not on the first node: a packet that is dropped before its
 * conntrack entry is confirmed (net/netfilter/nf_conntrack_core.c) is sent to another backend of a ClusterIP when it is repeated.
 */
const cutAtTarget = (to: (lab: Lab) => readonly string[]) =>
  rules('node2', 'inet', 'forward priority -10', (lab) => fromSource(lab, to(lab)))

function setForwarding(lab: Lab, value: 0 | 1): void {
  const sysctls = [`net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`]
  inNamespace(lab.nodes[0].namespace, 'sysctl', '-qw', ...sysctls)
}

/** The addresses of the first node's bridge: its pods' default gateways. */
function changeGateways(lab: Lab, verb: 'add' | 'del'): void {
  const base = lab.plan.podSubnetBase(1)
  const gateways = base.map((first) => (familyOf(first) === 4 ? first.replace(/0$/, '1') : `${first}1`))
  ipBatch(
    lab.nodes[0].namespace,
    gateways.map((address) => `addr ${verb} ${address}/${linkLength(address)} dev cni0`),
  )
}

/** Of a hundred packets that come from the first node, about `lost` vanish. */
const loss = (lost: number, match = '') =>
  rules('node2', 'inet', 'prerouting priority -300', () => [
    `iifname "vx0" ${match} numgen random mod 100 < ${lost} drop`,
  ])

const ICMP = 'meta l4proto { icmp, ipv6-icmp }'

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
  ...each('fail', 'pod/dns-kubernetes', dns, families),
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
]

const lossy = (verdict: Verdict): string[] => [
  ...each(verdict, 'pod/destination-ping other-node', 'PACKET_LOSS'),
  ...each(verdict, 'pod/endpoints-ping', 'PACKET_LOSS'),
]

// ---- the faults ------------------------------------------------------------------------------------------------------

const nothing = { inject: () => undefined, undo: () => undefined }

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
    inject: (lab) => setForwarding(lab, 0),
    undo: (lab) => setForwarding(lab, 1),
    exitCode: 1,
    troubles: [
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
    inject(lab) {
      changeGateways(lab, 'del')
      // what the kernel heard from the gateway a moment ago would leave its death unproven for half a minute
      run('nsenter', [`--net=${lab.pods.bbox.netns}`, 'ip', 'neigh', 'flush', 'dev', 'eth0'])
    },
    undo: (lab) => changeGateways(lab, 'add'),
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
      /^fail pod\/(?:dns|service|endpoints-port|destination-tcp)\S* .*(?:DNS_NO_ANSWER|UNREACHABLE|BACKEND_DEAD)$/,
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
    // the path MTU is measured by echoes: without answers it is unknown, and that is not green
    exitCode: 2,
    troubles: [
      ...each('warn', 'pod/destination-ping other-node', 'ICMP_FILTERED'),
      ...each('warn', 'pod/endpoints-ping', 'ICMP_FILTERED'),
      ...each('inconclusive', 'pod/mtu-destination other-node', 'PROBE_INCONCLUSIVE'),
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
