/**
 * The path MTU: every size is drawn anew in each run, so that no constant could satisfy them. Made for VXLAN over IPv4, whose
 * outer headers take 50 bytes.
 */
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { inNamespace, ip, nft, run } from '../../bed/namespace.ts'
import { VXLAN_PORT } from '../../bed/overlay.ts'
import type { Expected } from '../faults.ts'
import { addRules, addressesOf, deleteRules, drop, type Injection, nodes, podsOf } from '../injection.ts'
import { podNamespace } from '../packets.ts'
import { type Entry, type FaultClass, type FaultPlace, type Repair, takenBack } from './entry.ts'
import { together } from './means.ts'

const V4 = { families: [4] } as const
/** Outer headers of VXLAN over IPv4, and what the pods are promised. */
const OVERHEAD = 50
const PROMISED = 1450

const DESTINATION = 'pod/mtu-destination'
const OTHER = { check: DESTINATION, row: 'other-node' } as const

export const mtu: FaultClass = (pick) => {
  /** Below what the pods are promised, and large enough for IPv6. */
  const size = () => pick(1290, 1440)
  return [
    underlayHole(size()),
    narrowTunnel(size()),
    narrowTunnelFilteredOnNode(size()),
    narrowTunnelFilteredInPod(size()),
    narrowOutsideFilteredOnNode(size()),
    narrowOutside(size()),
    outsideHole(size()),
    outerFragments(pick(1400, 1440)),
    firstHop(size()),
    wayBack(size()),
    apiHole(size()),
    betweenNodes(pick(1290, 1490)),
    expected(pick(PROMISED + 1, 8900)),
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
const larger = (rules: readonly string[], size: number) =>
  rules.map((rule) => rule.replace(/ drop$/, ` meta length > ${size} drop`))

const fails = (code: string, of: Omit<Expected, 'verdict' | 'code'>): Expected => ({ verdict: 'fail', code, ...of })
const warns = (code: string, of: Omit<Expected, 'verdict' | 'code'>): Expected => ({ verdict: 'warn', code, ...of })

type Touches = Entry['touches']
const about = (name: string, place: FaultPlace, touches: Touches, root: string) =>
  ({ name, class: 'mtu', place, touches, root: [root] }) as const

/** What the CNI plug-in does with its MTU setting, once the pods have been made anew. */
async function setPodMtu(cluster: Cluster, size: number): Promise<void> {
  for (const { namespace } of cluster.nodes) {
    const links = inNamespace(namespace, 'ip', '-o', 'link', 'show', 'master', 'cni0')
    for (const [, device] of links.matchAll(/^\d+: ([^@:]+)/gm)) ip(`-n ${namespace} link set ${device} mtu ${size}`)
    // a bridge takes the MTU of its smallest port, unless it was given one of its own
    for (const given of [size - 1, size]) ip(`-n ${namespace} link set cni0 mtu ${given}`)
  }
  for (const { uid, node: on } of await cluster.pods()) {
    const node = cluster.nodes.find(({ name }) => name === on)
    if (node) run('nsenter', [`--net=${podNamespace(node, uid)}`, 'ip', 'link', 'set', 'eth0', 'mtu', String(size)])
  }
}

/** The network between the nodes, and the tunnels through it, carry pods' packets of that size. */
function setNetworkMtu(cluster: Cluster, size: number): void {
  const outer = size + OVERHEAD
  for (const { name, namespace } of cluster.nodes) {
    ip(`-n ${cluster.underlay.router} link set v-${name} mtu ${outer}`)
    ip(`-n ${namespace} link set eth0 mtu ${outer}`)
    ip(`-n ${namespace} link set vx0 mtu ${size}`)
  }
  ip(`-n ${cluster.underlay.router} link set br0 mtu ${outer}`)
}

const MTU_TO: Repair = {
  says: /network's MTU to (\d+)\b/,
  run: (cluster, [, size]) => setPodMtu(cluster, Number(size)),
}

/** Taken back with the pods' MTU, which the remedy changes. */
const mended = ({ inject, undo }: Injection): Injection & { readonly repair: Repair } => ({
  inject,
  async undo(cluster) {
    await undo(cluster)
    await setPodMtu(cluster, PROMISED)
  },
  repair: MTU_TO,
})

function underlayHole(size: number): Entry {
  return {
    ...about(
      'the network between the nodes swallows large tunnel packets',
      'underlay',
      ['other node'],
      'PATH_MTU_BLACK_HOLE',
    ),
    ...mended({
      inject: async (cluster) =>
        addRules(cluster.underlay.router, 'bridge', 'prerouting priority -300', [
          `iifname "v-n1" udp dport ${VXLAN_PORT} meta length > ${size + OVERHEAD} drop`,
        ]),
      undo: async (cluster) => deleteRules(cluster.underlay.router, 'bridge'),
    }),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', OTHER)] },
    measured: [{ ...OTHER, mtu: size }],
    hints: new RegExp(
      `MTU to ${size}\\b.*VXLAN\\) puts 50 bytes.*carries ${size + OVERHEAD} bytes where eth0 promises 1500`,
      's',
    ),
  }
}

/** The node's tunnel device carries less than the pods are promised: the node says so. */
const tunnelMtu = (size: number): Injection => ({
  async inject(cluster) {
    ip(`-n ${nodes(cluster).first.namespace} link set vx0 mtu ${size}`)
  },
  async undo(cluster) {
    ip(`-n ${nodes(cluster).first.namespace} link set vx0 mtu ${PROMISED}`)
  },
})

function narrowTunnel(size: number): Entry {
  return {
    ...about('the tunnel carries less than the pods are promised', 'node', ['other node'], 'PATH_MTU_LOWER'),
    ...mended(tunnelMtu(size)),
    expect: { exitCode: 0, troubles: [warns('PATH_MTU_LOWER', OTHER)] },
    measured: [{ ...OTHER, mtu: size }],
    hints: new RegExp(`MTU to ${size}\\b`),
  }
}

const ERRORS = ['icmp type destination-unreachable icmp code frag-needed drop', 'icmpv6 type packet-too-big drop']

/** Lets the errors through, then does what the warning asks for that is left: what is narrow stays narrow. */
const letThrough = (says: RegExp, filter: Injection, size: number): Repair => ({
  says,
  async run(cluster) {
    await filter.undo(cluster)
    await setPodMtu(cluster, size)
  },
})

function narrowTunnelFilteredOnNode(size: number): Entry {
  const filter = onFirst('output priority 0', async () => ERRORS)
  return {
    ...about(
      'the tunnel is narrow, and the node’s firewall drops the node’s own errors',
      'node',
      ['other node'],
      'PATH_MTU_ERRORS_FILTERED',
    ),
    ...mended(together(tunnelMtu(size), filter)),
    repair: letThrough(/pass in this node.s firewall/, filter, size),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', OTHER)] },
    measured: [{ ...OTHER, mtu: size }],
    hints: /this node.s firewall/,
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

function narrowTunnelFilteredInPod(size: number): Entry {
  const filter = inPod(ERRORS)
  return {
    ...about(
      'the tunnel is narrow, and a rule in the pod drops the errors',
      'pod',
      ['other node'],
      'PATH_MTU_ERRORS_FILTERED',
    ),
    ...mended(together(tunnelMtu(size), filter)),
    repair: letThrough(/pass in the pod.s own firewall/, filter, size),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', OTHER)] },
    measured: [{ ...OTHER, mtu: size }],
    hints: /the pod.s own firewall/,
  }
}

/** The router's way out carries less, and it says so: no fault outside the cluster. */
const outsideMtu = (size: number): Injection => ({
  async inject(cluster) {
    ip(`-n ${cluster.underlay.router} link set v-x mtu ${size}`)
  },
  async undo(cluster) {
    ip(`-n ${cluster.underlay.router} link set v-x mtu 1500`)
  },
})

function narrowOutside(size: number): Entry {
  return {
    ...about('the way out is narrow, and the router says so', 'underlay', ['external'], ''),
    root: [],
    ...outsideMtu(size),
    expect: { exitCode: 0, troubles: [] },
    measured: [{ check: 'pod/mtu-external', mtu: size }],
  }
}

function narrowOutsideFilteredOnNode(size: number): Entry {
  const filter = onFirst('forward priority 0', async () => ERRORS)
  return {
    ...about(
      'the way out is narrow, and the node drops what the router says about it',
      'node',
      ['external'],
      'PATH_MTU_ERRORS_FILTERED',
    ),
    ...together(outsideMtu(size), filter),
    // what is narrow stays so, until it is taken back
    repair: { says: /pass in this node.s firewall/, run: filter.undo },
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_ERRORS_FILTERED', { check: 'pod/mtu-external' })] },
    measured: [{ check: 'pod/mtu-external', mtu: size }],
    hints: /this node.s firewall/,
  }
}

function outsideHole(size: number): Entry {
  return {
    ...about('beyond the router large packets vanish', 'underlay', ['external'], 'PATH_MTU_BLACK_HOLE'),
    ...mended({
      inject: async (cluster) =>
        nft(
          cluster.underlay.router,
          `table inet fault {\nchain fault {\ntype filter hook forward priority 0\noifname "v-x" meta length > ${size} drop\n}\n}`,
        ),
      undo: async (cluster) => deleteRules(cluster.underlay.router, 'inet'),
    }),
    // what lies outside of the cluster is no reason to make the pods' network smaller
    repair: {
      says: new RegExp(`Let the path carry ${PROMISED} bytes`),
      run: async (cluster) => deleteRules(cluster.underlay.router, 'inet'),
    },
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-external' })] },
    measured: [{ check: 'pod/mtu-external', mtu: size }],
  }
}

/** The nodes' interfaces carry less than the tunnel was made for: its packets have no DF and are cut in pieces. */
function outerFragments(size: number): Entry {
  const set = (cluster: Cluster, value: number) => {
    for (const node of cluster.nodes) ip(`-n ${node.namespace} link set eth0 mtu ${value}`)
  }
  return {
    ...about(
      'the nodes’ interfaces are narrow, and the tunnel’s packets are cut in pieces',
      'node',
      ['other node'],
      'PATH_MTU_OUTER_FRAGMENTS',
    ),
    root: ['PATH_MTU_OUTER_FRAGMENTS', 'PATH_MTU_LOWER'],
    ...mended({
      inject: async (cluster) => set(cluster, size),
      undo: async (cluster) => set(cluster, 1500),
    }),
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
      { ...OTHER, mtu: size - OVERHEAD, families: [6] },
      { check: 'pod/mtu-external', mtu: size },
      { check: 'host/mtu-node', mtu: size },
    ],
    hints: new RegExp(`MTU to ${size - OVERHEAD}\\b`),
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
function firstHop(size: number): Entry {
  const set = async (cluster: Cluster, value: number) => {
    const { namespace } = nodes(cluster).first
    // a bridge takes the MTU of its smallest port, unless it was given one of its own
    for (const given of [PROMISED - 1, PROMISED]) ip(`-n ${namespace} link set cni0 mtu ${given}`)
    ip(`-n ${namespace} link set ${await hostEnd(cluster)} mtu ${value}`)
  }
  const code = 'PATH_MTU_FIRST_HOP'
  return {
    ...about(
      'the node’s end of the pod’s veth pair is narrower than the pod’s',
      'node',
      ['same node', 'other node', 'external', 'api'],
      code,
    ),
    also: ['PATH_MTU_BLACK_HOLE', 'VETH_MTU_MISMATCH'],
    inject: (cluster) => set(cluster, size),
    undo: (cluster) => set(cluster, PROMISED),
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
      { ...OTHER, mtu: size + 4 },
      // over IPv6 the bridge drops the answers first, which no node may cut
      { check: DESTINATION, row: 'same-node', mtu: size + 4, ...V4 },
      { check: 'pod/mtu-external', mtu: size + 4 },
      { check: 'pod/mtu-api', mtu: size + 4, ...V4 },
    ],
    hints: new RegExp(`link set dev veth[0-9a-f]+ mtu ${PROMISED}`),
  }
}

/** Only what the neighbour pod sends by itself: its answers to the source pod's echoes are as large as those. */
function wayBack(size: number): Entry {
  return {
    ...about('from the pod on the same node large packets vanish', 'node', ['same node'], 'PATH_MTU_BLACK_HOLE'),
    ...mended({
      async inject(cluster) {
        const { first } = nodes(cluster)
        const source = await sourceOf(cluster)
        const rules = (['web', 'kube-dns'] as const).map(async (app) =>
          drop(addressesOf(await podsOf(cluster, app, first.name)), source),
        )
        addRules(
          first.namespace,
          'bridge',
          'forward priority -300',
          larger((await Promise.all(rules)).flat().map(echoes), size),
        )
      },
      undo: async (cluster) => deleteRules(nodes(cluster).first.namespace, 'bridge'),
    }),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-way-back', row: 'same-node' })] },
    measured: [{ check: 'pod/mtu-way-back', row: 'same-node', mtu: size }],
  }
}

/** The same rule for echo requests alone. */
const echoes = (rule: string) =>
  rule.replace(/ drop$/, rule.startsWith('ip6') ? ' icmpv6 type echo-request drop' : ' icmp type echo-request drop')

function apiHole(size: number): Entry {
  return {
    ...about('from the pod to the API server large packets vanish', 'node', ['api'], 'PATH_MTU_BLACK_HOLE'),
    ...mended(
      onFirst('prerouting priority -300', async (cluster) =>
        larger(drop(await sourceOf(cluster), cluster.plan.node(1)), size),
      ),
    ),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'pod/mtu-api', ...V4 })] },
    measured: [{ check: 'pod/mtu-api', mtu: size, ...V4 }],
    hints: new RegExp(`MTU to ${size}\\b`),
  }
}

/** Only echoes: the kubelet's and the API server's packets go the same way. */
function betweenNodes(size: number): Entry {
  const injection: Injection = {
    inject: async (cluster) =>
      addRules(
        cluster.underlay.router,
        'bridge',
        'prerouting priority -300',
        drop(nodes(cluster).first.addresses, nodes(cluster).second.addresses).map((rule) =>
          rule.replace(/ drop$/, ` meta l4proto { icmp, icmpv6 } meta length > ${size} drop`),
        ),
      ),
    undo: async (cluster) => deleteRules(cluster.underlay.router, 'bridge'),
  }
  return {
    ...about('between the nodes’ own addresses large packets vanish', 'underlay', [], 'PATH_MTU_BLACK_HOLE'),
    ...injection,
    repair: takenBack(/Let the network between the nodes carry 1500 bytes/, injection),
    expect: { exitCode: 1, troubles: [fails('PATH_MTU_BLACK_HOLE', { check: 'host/mtu-node' })] },
    measured: [{ check: 'host/mtu-node', mtu: size }],
    hints: new RegExp(`link set dev eth0 mtu ${size}\\b`),
  }
}

/** Nothing is broken, but more is wanted than the pods are promised. */
function expected(size: number): Entry {
  const code = 'PATH_MTU_BELOW_EXPECTED'
  return {
    ...about('EXPECT_MTU asks for more than the pods are promised', 'setting', ['same node', 'other node'], code),
    env: { EXPECT_MTU: String(size) },
    inject: async () => {},
    async undo(cluster) {
      setNetworkMtu(cluster, PROMISED)
      await setPodMtu(cluster, PROMISED)
    },
    repair: {
      says: /network's MTU to (\d+)\b/,
      async run(cluster, [, wanted]) {
        setNetworkMtu(cluster, Number(wanted))
        await setPodMtu(cluster, Number(wanted))
      },
    },
    expect: {
      exitCode: 1,
      troubles: [
        fails(code, OTHER),
        fails(code, { check: DESTINATION, row: 'same-node' }),
        fails(code, { check: 'pod/mtu-way-back', row: 'same-node' }),
      ],
    },
    measured: [{ ...OTHER, mtu: PROMISED }],
    hints: new RegExp(`MTU to ${size}\\b`),
  }
}

/** Echoes to the pods of the other node are dropped; TCP tells whether full-size packets arrive (`hole`: those that do not). */
function pingFiltered(hole: number | null): Entry {
  const injection = onFirst('forward priority -10', async (cluster) => {
    const there = (await cluster.pods()).filter((pod) => pod.node === nodes(cluster).second.name)
    const rules = drop(await sourceOf(cluster), addressesOf(there))
    return hole === null ? rules.map(echoes) : [...rules.map(echoes), ...larger(rules, hole)]
  })
  return {
    ...about(
      hole === null
        ? 'ping to the other node is filtered, TCP is not'
        : 'ping to the other node is filtered, and large TCP packets vanish',
      'node',
      ['other node'],
      'FIREWALL_DROPS',
    ),
    ...injection,
    names: /fault/,
    ...(hole === null ? {} : { also: ['PATH_MTU_BLACK_HOLE'], repair: takenBack(/Remove the rule/, injection) }),
    expect: {
      exitCode: hole === null ? 0 : 1,
      troubles: [
        warns('ICMP_FILTERED', { check: 'pod/destination-ping', row: 'other-node' }),
        warns('ICMP_FILTERED', { check: 'pod/endpoints-ping' }),
        ...(hole === null ? [] : [fails('PATH_MTU_BLACK_HOLE', OTHER)]),
      ],
    },
  }
}
