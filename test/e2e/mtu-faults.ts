/**
 * Faults of the path MTU as data, made for a dual-stack cluster with VXLAN over IPv4, the source pod being bbox on the first
 * node. Every size is drawn anew in each run: no constant could satisfy them.
 */
import type { Family } from '../../lib/types.ts'
import { familyOf } from '../bed/addresses.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { inNamespace, ip, nft, run } from '../bed/namespace.ts'
import { VXLAN_PORT } from '../bed/overlay.ts'
import type { Expected, Fault } from './faults.ts'
import { addRules, addressesOf, deleteRules, drop, type Injection, nodes, podsOf } from './injection.ts'
import { podNamespace } from './packets.ts'

/** What the paths of a check must have measured, in bytes, over each family. */
export interface Measured {
  readonly check: string
  readonly row?: string
  readonly mtu: number
  readonly families?: readonly Family[]
}

export interface MtuFault extends Fault {
  readonly measured: readonly Measured[]
  /** What the remedy must say: the value to set, or the place to look at. */
  readonly remedy?: RegExp
}

const V4 = { families: [4] } as const
/** Outer headers of VXLAN over IPv4, and what the pods are promised. */
const OVERHEAD = 50
const PROMISED = 1450

type Pick = (least: number, most: number) => number

const DESTINATION = 'pod/mtu-destination'
const OTHER = { check: DESTINATION, row: 'other-node' } as const

export function mtuFaults(pick: Pick): readonly MtuFault[] {
  /** Below what the pods are promised, and large enough for IPv6. */
  const size = () => pick(1290, 1440)
  return [
    underlayHole(size()),
    narrowTunnel(size()),
    narrowTunnelFilteredOnNode(size()),
    narrowTunnelFilteredInPod(size()),
    narrowOutside(size()),
    narrowOutsideFilteredOnNode(size()),
    outsideHole(size()),
    outerFragments(pick(1400, 1440)),
    firstHop(size()),
    wayBack(size()),
    apiHole(size()),
    betweenNodes(pick(1290, 1490)),
    expected(pick(PROMISED + 1, 9000)),
    pingFiltered(null),
    pingFiltered(size()),
  ]
}

/** Rules in the first node's namespace. */
const onFirst = (hook: string, rules: (cluster: Cluster) => Promise<readonly string[]>) => ({
  inject: async (cluster: Cluster) => addRules(nodes(cluster).first.namespace, 'inet', hook, await rules(cluster)),
  undo: async (cluster: Cluster) => deleteRules(nodes(cluster).first.namespace, 'inet'),
})

const sourceOf = async (cluster: Cluster) => addressesOf(await podsOf(cluster, 'bbox', nodes(cluster).first.name))
const larger = (rules: readonly string[], mtu: number) =>
  rules.map((rule) => rule.replace(/ drop$/, ` meta length > ${mtu} drop`))

const fails = (code: string, of: Omit<Expected, 'verdict' | 'code'>): Expected => ({ verdict: 'fail', code, ...of })
const warns = (code: string, of: Omit<Expected, 'verdict' | 'code'>): Expected => ({ verdict: 'warn', code, ...of })

function underlayHole(mtu: number): MtuFault {
  return {
    name: `the network between the nodes swallows tunnel packets that carry more than ${mtu} bytes`,
    inject: async (cluster) =>
      addRules(cluster.underlay.router, 'bridge', 'prerouting priority -300', [
        `iifname "v-n1" udp dport ${VXLAN_PORT} meta length > ${mtu + OVERHEAD} drop`,
      ]),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'bridge'),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', OTHER)] },
    measured: [{ ...OTHER, mtu }],
    remedy: new RegExp(
      `MTU to ${mtu}\\b.*VXLAN\\) puts 50 bytes.*carries ${mtu + OVERHEAD} bytes where eth0 promises 1500`,
      's',
    ),
  }
}

/** The node's tunnel device carries less than the pods are promised: the node says so. */
const tunnelMtu = (mtu: number) => ({
  inject: async (cluster: Cluster) => {
    ip(`-n ${nodes(cluster).first.namespace} link set vx0 mtu ${mtu}`)
  },
  undo: async (cluster: Cluster) => {
    ip(`-n ${nodes(cluster).first.namespace} link set vx0 mtu ${PROMISED}`)
  },
})

function narrowTunnel(mtu: number): MtuFault {
  return {
    name: `the tunnel carries ${mtu} bytes, and the node says so`,
    ...tunnelMtu(mtu),
    expect: { exitCode: 0, troubles: [warns('PATH_MTU_LOWER', OTHER)] },
    measured: [{ ...OTHER, mtu }],
    remedy: new RegExp(`MTU to ${mtu}\\b`),
  }
}

/** Two injections at once; taken back in reverse order. */
const together = (first: Injection, second: Injection): Injection => ({
  async inject(cluster) {
    await first.inject(cluster)
    await second.inject(cluster)
  },
  async undo(cluster) {
    await second.undo(cluster)
    await first.undo(cluster)
  },
})

const ERRORS = ['icmp type destination-unreachable icmp code frag-needed drop', 'icmpv6 type packet-too-big drop']

function narrowTunnelFilteredOnNode(mtu: number): MtuFault {
  return {
    name: `the tunnel carries ${mtu} bytes, and the node's firewall drops the node's own errors`,
    ...together(
      tunnelMtu(mtu),
      onFirst('output priority 0', async () => ERRORS),
    ),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', OTHER)] },
    measured: [{ ...OTHER, mtu }],
    remedy: /this node.s firewall/,
  }
}

/** Rules in the source pod itself, as a sidecar would make them. */
const inPod = (rules: readonly string[]): Injection => {
  const apply = async (cluster: Cluster, text: string) => {
    const [pod] = await podsOf(cluster, 'bbox', nodes(cluster).first.name)
    const path = podNamespace(nodes(cluster).first, pod?.uid ?? '')
    run('nsenter', [`--net=${path}`, 'nft', '-f', '-'], text)
  }
  const table = `table inet fault {\nchain fault {\ntype filter hook input priority 0\n${rules.join('\n')}\n}\n}`
  return {
    inject: (cluster) => apply(cluster, table),
    undo: (cluster) => apply(cluster, 'table inet fault {}\ndelete table inet fault'),
  }
}

function narrowTunnelFilteredInPod(mtu: number): MtuFault {
  return {
    name: `the tunnel carries ${mtu} bytes, and a rule in the pod drops the errors`,
    ...together(tunnelMtu(mtu), inPod(ERRORS)),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', OTHER)] },
    measured: [{ ...OTHER, mtu }],
    remedy: /the pod.s own firewall/,
  }
}

/** The router's way out carries less, and it says so: no fault outside the cluster. */
const outsideMtu = (mtu: number) => ({
  inject: async (cluster: Cluster) => {
    ip(`-n ${cluster.underlay.router} link set v-x mtu ${mtu}`)
  },
  undo: async (cluster: Cluster) => {
    ip(`-n ${cluster.underlay.router} link set v-x mtu 1500`)
  },
})

function narrowOutside(mtu: number): MtuFault {
  return {
    name: `the way out carries ${mtu} bytes, and the router says so`,
    ...outsideMtu(mtu),
    expect: { exitCode: 0, troubles: [] },
    measured: [{ check: 'pod/mtu-external', mtu }],
  }
}

function narrowOutsideFilteredOnNode(mtu: number): MtuFault {
  return {
    name: `the way out carries ${mtu} bytes, and the node drops what the router says about it`,
    ...together(
      outsideMtu(mtu),
      onFirst('forward priority 0', async () => ERRORS),
    ),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', { check: 'pod/mtu-external' })] },
    measured: [{ check: 'pod/mtu-external', mtu }],
    remedy: /this node.s firewall/,
  }
}

function outsideHole(mtu: number): MtuFault {
  return {
    name: `beyond the router packets of more than ${mtu} bytes vanish`,
    inject: async (cluster) =>
      nft(
        cluster.underlay.router,
        `table inet fault {\nchain fault {\ntype filter hook forward priority 0\noifname "v-x" meta length > ${mtu} drop\n}\n}`,
      ),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'inet'),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-external' })] },
    measured: [{ check: 'pod/mtu-external', mtu }],
  }
}

/** The nodes' interfaces carry less than the tunnel was made for: its packets have no DF and are cut in pieces. */
function outerFragments(mtu: number): MtuFault {
  const set = (cluster: Cluster, value: number) => {
    for (const node of cluster.nodes) ip(`-n ${node.namespace} link set eth0 mtu ${value}`)
  }
  return {
    name: `the nodes' interfaces carry ${mtu} bytes, and the tunnel's packets are cut in pieces`,
    inject: async (cluster) => set(cluster, mtu),
    undo: async (cluster) => set(cluster, 1500),
    // of IPv6 the node learns by its first packet what the tunnel can carry whole, and says so from then on
    expect: {
      exitCode: 0,
      troubles: [
        warns('PATH_MTU_OUTER_FRAGMENTS', { ...OTHER, ...V4 }),
        warns('PATH_MTU_LOWER', { ...OTHER, families: [6] }),
      ],
    },
    measured: [
      { ...OTHER, mtu: PROMISED, ...V4 },
      { ...OTHER, mtu: mtu - OVERHEAD, families: [6] },
      { check: 'pod/mtu-external', mtu },
      { check: 'host/mtu-node', mtu },
    ],
    remedy: new RegExp(`MTU to ${mtu - OVERHEAD}\\b`),
  }
}

/** The node's end of the source pod's veth pair. */
async function hostEnd(cluster: Cluster): Promise<string> {
  const { first } = nodes(cluster)
  const [pod] = await podsOf(cluster, 'bbox', first.name)
  const path = podNamespace(first, pod?.uid ?? '')
  const index = /eth0@if(\d+)/.exec(run('nsenter', [`--net=${path}`, 'ip', '-o', 'link', 'show', 'eth0']))?.[1]
  const links = inNamespace(first.namespace, 'ip', '-o', 'link')
  const name = new RegExp(`^${index}: ([^@:]+)`, 'm').exec(links)?.[1]
  if (name === undefined) throw new Error(`no link ${index} on ${first.name}:\n${links}`)
  return name
}

/** veth drops what exceeds the peer's MTU by more than a VLAN tag of 4 bytes. */
function firstHop(mtu: number): MtuFault {
  const set = async (cluster: Cluster, value: number) => {
    const { namespace } = nodes(cluster).first
    // a bridge takes the MTU of its smallest port, unless it was given one of its own
    for (const given of [PROMISED - 1, PROMISED]) ip(`-n ${namespace} link set cni0 mtu ${given}`)
    ip(`-n ${namespace} link set ${await hostEnd(cluster)} mtu ${value}`)
  }
  const code = 'PATH_MTU_FIRST_HOP'
  return {
    name: `the node's end of the pod's veth pair has MTU ${mtu}`,
    inject: async (cluster) => set(cluster, mtu),
    undo: async (cluster) => set(cluster, PROMISED),
    expect: {
      exitCode: 1,
      troubles: [
        fails(code, OTHER),
        fails(code, { check: DESTINATION, row: 'same-node' }),
        fails(code, { check: 'pod/mtu-external' }),
        fails(code, { check: 'pod/mtu-api', ...V4 }),
        fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-way-back', row: 'same-node' }),
      ],
    },
    measured: [
      { ...OTHER, mtu: mtu + 4 },
      // over IPv6 the bridge drops the answers first, which no node may cut
      { check: DESTINATION, row: 'same-node', mtu: mtu + 4, ...V4 },
      { check: 'pod/mtu-external', mtu: mtu + 4 },
      { check: 'pod/mtu-api', mtu: mtu + 4, ...V4 },
    ],
    remedy: new RegExp(`link set dev veth[0-9a-f]+ mtu ${PROMISED}`),
  }
}

/** Only what the neighbour pod sends by itself: its answers to the source pod's echoes are as large as those. */
function wayBack(mtu: number): MtuFault {
  return {
    name: `from the pod on the same node packets of more than ${mtu} bytes vanish`,
    inject: async (cluster) => {
      const { first } = nodes(cluster)
      const source = await sourceOf(cluster)
      const rules = (['web', 'kube-dns'] as const).map(async (app) =>
        drop(addressesOf(await podsOf(cluster, app, first.name)), source),
      )
      const requests = (await Promise.all(rules))
        .flat()
        .map((rule) =>
          rule.startsWith('ip6')
            ? rule.replace(/ drop$/, ' icmpv6 type echo-request drop')
            : rule.replace(/ drop$/, ' icmp type echo-request drop'),
        )
      addRules(first.namespace, 'bridge', 'forward priority -300', larger(requests, mtu))
    },
    undo: async (cluster) => deleteRules(nodes(cluster).first.namespace, 'bridge'),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-way-back', row: 'same-node' })] },
    measured: [{ check: 'pod/mtu-way-back', row: 'same-node', mtu }],
  }
}

function apiHole(mtu: number): MtuFault {
  return {
    name: `from the pod to the API server packets of more than ${mtu} bytes vanish`,
    ...onFirst('prerouting priority -300', async (cluster) =>
      larger(drop(await sourceOf(cluster), cluster.plan.node(1)), mtu),
    ),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-api', ...V4 })] },
    measured: [{ check: 'pod/mtu-api', mtu, ...V4 }],
    remedy: new RegExp(`MTU to ${mtu}\\b`),
  }
}

/** Only echoes: the kubelet's and the API server's packets go the same way. */
function betweenNodes(mtu: number): MtuFault {
  return {
    name: `between the nodes packets of more than ${mtu} bytes vanish`,
    inject: async (cluster) =>
      addRules(
        cluster.underlay.router,
        'bridge',
        'prerouting priority -300',
        drop(nodes(cluster).first.addresses, nodes(cluster).second.addresses).map((rule) =>
          rule.replace(/ drop$/, ` meta l4proto { icmp, icmpv6 } meta length > ${mtu} drop`),
        ),
      ),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'bridge'),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'host/mtu-node' })] },
    measured: [{ check: 'host/mtu-node', mtu }],
    remedy: new RegExp(`link set dev eth0 mtu ${mtu}\\b`),
  }
}

function expected(mtu: number): MtuFault {
  const code = 'PATH_MTU_BELOW_EXPECTED'
  return {
    name: `EXPECT_MTU asks for ${mtu} bytes`,
    env: { EXPECT_MTU: String(mtu) },
    inject: async () => {},
    undo: async () => {},
    expect: {
      exitCode: 1,
      troubles: [
        fails(code, OTHER),
        fails(code, { check: DESTINATION, row: 'same-node' }),
        fails(code, { check: 'pod/mtu-way-back', row: 'same-node' }),
      ],
    },
    measured: [{ ...OTHER, mtu: PROMISED }],
    remedy: new RegExp(`MTU to ${mtu}\\b`),
  }
}

/** Echoes to the pods of the other node are dropped; TCP tells whether full-size packets arrive (`hole`: those that do not). */
function pingFiltered(hole: number | null): MtuFault {
  return {
    name:
      hole === null
        ? 'ping to the other node is filtered, TCP is not'
        : `the same, and TCP packets of more than ${hole} bytes vanish`,
    ...onFirst('forward priority -10', async (cluster) => {
      const there = (await cluster.pods()).filter((pod) => pod.node === nodes(cluster).second.name)
      const rules = drop(await sourceOf(cluster), addressesOf(there))
      const echoes = rules.map((rule) => {
        const [first = ''] = [...addressesOf(there)].filter((address) => rule.includes(address))
        const type = familyOf(first) === 4 ? 'icmp type echo-request' : 'icmpv6 type echo-request'
        return rule.replace(/ drop$/, ` ${type} drop`)
      })
      return hole === null ? echoes : [...echoes, ...larger(rules, hole)]
    }),
    expect: {
      exitCode: hole === null ? 0 : 1,
      troubles: [
        warns('ICMP_FILTERED', { check: 'pod/destination-ping', row: 'other-node' }),
        warns('ICMP_FILTERED', { check: 'pod/endpoints-ping' }),
        ...(hole === null ? [] : [fails('PATH_MTU_BLACK_HOLE', OTHER)]),
      ],
    },
    measured: [],
  }
}
