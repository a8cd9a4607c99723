/** What lies beyond the source pod's node: the network between the nodes, the way out, the other node. */
import { hostLength } from '../../bed/addresses.ts'
import { pathOf, until } from '../../bed/kubernetes/api.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { mutePod, servingPod } from '../../bed/kubernetes/workloads.ts'
import { inNamespace, netnsPath } from '../../bed/namespace.ts'
import { VXLAN_PORT } from '../../bed/overlay.ts'
import { ipBatch } from '../../bed/underlay.ts'
import { type Injection, nodes, podsOf } from '../injection.ts'
import { type Entry, type FaultClass, oneOf, type Repair, type Touched, takenBack } from './entry.ts'
import {
  A_THIRD,
  between,
  chain,
  inside,
  insidePod,
  ipLines,
  otherNode,
  outside,
  ownNode,
  pairs,
  router,
  secondNode,
  source,
  webOn,
} from './means.ts'

const OTHER: readonly Touched[] = ['other node', 'dns', 'service']
/** The resolver that the cluster's DNS forwards to is the external address. */
const UPSTREAM = ['DNS_UPSTREAM_BROKEN']
const OPEN_TUNNEL = /Open UDP 8472 \(VXLAN\) between the nodes/

type Made = Pick<Entry, 'name' | 'touches' | 'root'> & Partial<Entry>

const made =
  (about: Pick<Entry, 'class' | 'place'>) =>
  (entry: Made & { says?: RegExp }, injection: Injection): Entry => {
    const { says, ...rest } = entry
    return { ...about, ...rest, ...injection, ...(says ? { repair: takenBack(says, injection) } : {}) }
  }

const tunnelPackets = (from: string, port: number) => `iifname "${from}" udp dport ${port} drop`
const betweenNodes = (rules: readonly string[]): Injection =>
  chain({ at: router, family: 'bridge', hook: 'prerouting priority -300', rules: async () => rules })

export const underlay: FaultClass = () => {
  const entry = made({ class: 'underlay', place: 'underlay' })
  return [
    entry(
      {
        name: 'tunnel packets to the other node dropped',
        touches: OTHER,
        root: ['TUNNEL_UNANSWERED'],
        says: OPEN_TUNNEL,
      },
      betweenNodes([tunnelPackets('v-n1', VXLAN_PORT)]),
    ),
    entry(
      {
        name: 'tunnel packets from the other node dropped',
        touches: OTHER,
        root: ['TUNNEL_UNANSWERED'],
        says: OPEN_TUNNEL,
      },
      betweenNodes([tunnelPackets('v-n2', VXLAN_PORT)]),
    ),
    entry(
      {
        name: 'everything between the nodes dropped',
        touches: OTHER,
        root: ['NODE_UNREACHABLE'],
        says: /what lies between/,
      },
      // but what keeps the cluster from noticing
      chain({
        at: router,
        family: 'bridge',
        hook: 'prerouting priority -300',
        rules: async (cluster) => [
          'tcp dport 6443 accept',
          'tcp sport 6443 accept',
          ...between(await ownNode(cluster), await otherNode(cluster), 'drop'),
          ...between(await otherNode(cluster), await ownNode(cluster), 'drop'),
        ],
      }),
    ),
    entry(
      {
        name: 'the router refuses packets to the external address',
        touches: ['external'],
        also: UPSTREAM,
        root: ['REFUSED_BEYOND'],
        says: /its firewall rules/,
      },
      chain({
        at: router,
        hook: 'forward priority 0',
        rules: pairs(ownNode, outside, {
          4: 'reject with icmp admin-prohibited',
          6: 'reject with icmpv6 admin-prohibited',
        }),
      }),
    ),
    entry(
      {
        name: 'the router has no route to the external address',
        touches: ['external'],
        also: UPSTREAM,
        // the router's errors are limited, and the cluster's DNS, which asks a resolver there, may use them all up
        root: ['REFUSED_BEYOND', 'LEFT_NODE_UNANSWERED'],
        says: /its routes to|Look beyond this node/,
      },
      ipLines(router, async ({ plan }) =>
        plan.outside.map((address) => `route add unreachable ${address}/${hostLength(address)} metric 1`),
      ),
    ),
    entry(
      {
        name: 'the router drops the answers of the external address',
        touches: ['external'],
        also: UPSTREAM,
        root: ['LEFT_NODE_UNANSWERED'],
        says: /Look beyond this node/,
      },
      chain({ at: router, hook: 'forward priority 0', rules: pairs(outside, ownNode, 'drop') }),
    ),
    entry(
      {
        name: 'the gateway of the node is gone',
        touches: ['external'],
        also: UPSTREAM,
        root: ['GATEWAY_UNRESOLVED', 'NEIGHBOUR_UNRESOLVED'],
        says: /gateway|next hop|answer/,
      },
      gatewayGone,
    ),
    ...lossy(),
  ]
}

/** The router leaves the nodes' network; what the node has heard of it is forgotten. */
const gatewayGone: Injection = {
  async inject(cluster) {
    const { plan, underlay } = cluster
    for (const address of plan.nodeRouter)
      inside(
        netnsPath(underlay.router),
        'ip',
        'addr',
        'del',
        `${address}/${address.includes(':') ? 64 : 24}`,
        'dev',
        'br0',
      )
    inNamespace(nodes(cluster).first.namespace, 'ip', 'neigh', 'flush', 'dev', 'eth0')
    inNamespace(nodes(cluster).first.namespace, 'ip', '-6', 'neigh', 'flush', 'dev', 'eth0')
  },
  async undo({ plan, underlay }) {
    for (const address of plan.nodeRouter)
      inside(
        netnsPath(underlay.router),
        'ip',
        'addr',
        'replace',
        `${address}/${address.includes(':') ? 64 : 24}`,
        'dev',
        'br0',
        ...(address.includes(':') ? ['nodad'] : []),
      )
  },
}

/** A third of the packets, somewhere on the way. */
function lossy(): readonly Entry[] {
  const entry = made({ class: 'loss', place: 'underlay' })
  return [
    entry(
      {
        name: 'a third of the tunnel packets to the other node lost',
        touches: OTHER,
        root: ['PACKET_LOSS'],
        says: /beyond this node/,
      },
      betweenNodes([`iifname "v-n1" udp dport ${VXLAN_PORT} ${A_THIRD}`]),
    ),
    entry(
      {
        name: 'a third of the answers of the external address lost',
        touches: ['external'],
        root: ['PACKET_LOSS'],
        says: /beyond this node/,
      },
      chain({ at: router, hook: 'forward priority 0', rules: pairs(outside, ownNode, A_THIRD) }),
    ),
  ]
}

export const otherNodes: FaultClass = (pick) => {
  const otherPort = oneOf(pick, [4789, 4790, 8473])
  const otherId = pick(2, 9000)
  const entry = made({ class: 'other node', place: 'other node' })
  const target = made({ class: 'target pod', place: 'target pod' })
  return [
    entry(
      {
        name: 'its tunnel device is down',
        touches: OTHER,
        root: ['TUNNEL_REFUSED'],
        says: /ip -d link show type vxlan/,
      },
      {
        inject: async (cluster) => void inside(await secondNode(cluster), 'ip', 'link', 'set', 'vx0', 'down'),
        undo: restoreTunnel,
      },
    ),
    entry(
      { name: 'its tunnel uses another port', touches: OTHER, root: ['TUNNEL_REFUSED'], says: /same port and id/ },
      {
        inject: async (cluster) => remakeTunnel(cluster, { id: 1, port: otherPort }),
        undo: restoreTunnel,
      },
    ),
    entry(
      { name: 'its tunnel has another network id', touches: OTHER, root: ['TUNNEL_UNANSWERED'], says: /on n2/ },
      {
        inject: async (cluster) => remakeTunnel(cluster, { id: otherId, port: VXLAN_PORT }),
        undo: restoreTunnel,
      },
    ),
    entry(
      { name: 'it does not forward', touches: OTHER, root: ['TUNNEL_UNANSWERED'], says: /on n2/ },
      {
        inject: async (cluster) => forwarding(cluster, 0),
        undo: async (cluster) => forwarding(cluster, 1),
      },
    ),
    entry(
      {
        name: 'it has no route back to the pods of this node',
        touches: OTHER,
        root: ['TUNNEL_UNANSWERED'],
        says: /on n2/,
      },
      {
        inject: async (cluster) =>
          ipBatch(
            nodes(cluster).second.namespace,
            cluster.plan.podSubnet(1).map((range) => `route del ${range}`),
          ) as never,
        undo: restoreTunnel,
      },
    ),
    entry(
      {
        name: 'its firewall refuses tunnel packets with an ICMP error',
        touches: OTHER,
        root: ['REFUSED_BEYOND', 'TUNNEL_REFUSED'],
        says: /its firewall rules/,
      },
      chain({
        at: secondNode,
        hook: 'input priority -10',
        rules: async () => [`udp dport ${VXLAN_PORT} reject with icmpx admin-prohibited`],
      }),
    ),
    entry(
      {
        name: 'its firewall refuses forwarded packets',
        touches: OTHER,
        root: ['REFUSED_BEYOND'],
        says: /its firewall rules/,
      },
      chain({
        at: secondNode,
        hook: 'forward priority -10',
        rules: async (cluster) =>
          between(await source(cluster), cluster.plan.podSubnet(2), {
            4: 'reject with icmp admin-prohibited',
            6: 'reject with icmpv6 admin-prohibited',
          }),
      }),
    ),
    target(
      {
        name: 'one pod on the other node drops what it gets',
        touches: OTHER,
        root: ['POD_UNANSWERED'],
        says: /that pod's half of the path/,
      },
      chain({
        at: insidePod(lastRemote),
        hook: 'input priority 0',
        rules: async (cluster) => between(await source(cluster), (await lastRemote(cluster)).addresses, 'drop'),
      }),
    ),
    target(
      {
        name: 'the interface of a pod on the other node is down',
        env: { DST_POD: 'serving' },
        touches: OTHER,
        root: ['POD_UNANSWERED', 'REFUSED_BEYOND'],
        repair: madeAnew(/that pod|its routes/, 'serving', 'second'),
      },
      podDown('second'),
    ),
    target(
      {
        name: 'the interface of a pod on the same node is down',
        env: { DST_POD: 'serving' },
        touches: SAME,
        root: ['NEIGHBOUR_UNRESOLVED', 'TARGET_SILENT'],
        repair: madeAnew(/interface|pod/, 'serving', 'first'),
      },
      podDown('first'),
    ),
    target(
      {
        name: 'nothing listens in the destination pod on the same node',
        env: { DST_POD: 'mute' },
        touches: SAME,
        root: ['NOTHING_LISTENING'],
        repair: madeAnew(/what it listens on/, 'mute', 'first'),
      },
      {
        async inject(cluster) {
          await cluster.apply([mutePod(nodes(cluster).first.name)])
          await cluster.waitReady()
        },
        undo: (cluster) => deletePod(cluster, pathOf(mutePod(''))),
      },
    ),
  ]
}
const SAME: readonly Touched[] = ['same node', 'dns', 'service']

const lastRemote = async (cluster: Cluster) => {
  const pod = (await webOn(cluster, 'second')).at(-1)
  if (!pod) throw new Error('no web pod on the second node')
  return pod
}

const forwarding = (cluster: Cluster, value: 0 | 1) => {
  inNamespace(
    nodes(cluster).second.namespace,
    'sysctl',
    '-qw',
    `net.ipv4.ip_forward=${value}`,
    `net.ipv6.conf.all.forwarding=${value}`,
  )
}

/** A pod that serves and that no probe looks after, its interface down. */
function podDown(which: 'first' | 'second'): Injection {
  const pod = async (cluster: Cluster) => {
    const [found] = await podsOf(cluster, 'serving', nodes(cluster)[which].name)
    if (!found) throw new Error('no pod serving')
    return found
  }
  return {
    async inject(cluster) {
      await cluster.apply([servingPod(nodes(cluster)[which].name)])
      await cluster.waitReady()
      inside(await insidePod(pod)(cluster), 'ip', 'link', 'set', 'eth0', 'down')
    },
    undo: (cluster) => deletePod(cluster, pathOf(servingPod(''))),
  }
}

/** The pod is made anew, and serves. */
export const madeAnew = (says: RegExp, name: string, which: 'first' | 'second'): Repair => ({
  says,
  async run(cluster) {
    const pod = servingPod(nodes(cluster)[which].name)
    const named = { ...pod, metadata: { ...pod.metadata, name } }
    await deletePod(cluster, pathOf(named))
    await cluster.apply([named])
    await cluster.waitReady()
  },
})

/** Also when there is none. */
export async function deletePod(cluster: Cluster, path: string): Promise<void> {
  const gone = () =>
    cluster.api(path).then(
      () => false,
      () => true,
    )
  if (await gone()) return
  await cluster.api(path, { method: 'DELETE' })
  await until(`${path} to be gone`, 20, gone)
}

function remakeTunnel(cluster: Cluster, { id, port }: { id: number; port: number }): void {
  const { second } = nodes(cluster)
  const { plan } = cluster
  const mac = (i: number) => `02:00:00:00:00:0${i}`
  if (inside(netnsPath(second.namespace), 'ip', '-o', 'link').includes(' vx0'))
    inNamespace(second.namespace, 'ip', 'link', 'del', 'vx0')
  ipBatch(second.namespace, [
    `link add vx0 type vxlan id ${id} dstport ${port} local ${plan.node(2)[0]} nolearning dev eth0`,
    `link set vx0 address ${mac(2)} mtu ${plan.podMtu} up`,
    ...plan
      .podSubnetBase(2)
      .map((base) => `addr add ${base}/${hostLength(base)} dev vx0${base.includes(':') ? ' nodad' : ''}`),
  ])
  inNamespace(second.namespace, 'bridge', 'fdb', 'append', mac(1), 'dev', 'vx0', 'dst', plan.node(1)[0] ?? '')
  ipBatch(
    second.namespace,
    plan
      .podSubnetBase(1)
      .flatMap((base, family) => [
        `neigh replace ${base} lladdr ${mac(1)} dev vx0 nud permanent`,
        `route replace ${plan.podSubnet(1)[family]} via ${base} dev vx0 onlink`,
      ]),
  )
}

/** The tunnel of the second node as it was made. */
const restoreTunnel = async (cluster: Cluster) => remakeTunnel(cluster, { id: 1, port: VXLAN_PORT })
