/**
 * Faults of a pod's own network as data: its interface, addresses, routes and rules, a second owner of its address, a proxy in it,
 * and the leases of its node. The source pod is bbox on the first node of a dual-stack cluster; it has no readiness probe, so that
 * the cluster itself notices nothing. Expected is what the checks of STATE and of the paths beside them say, and nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Family, Result } from '../../lib/types.ts'
import { familyOf } from '../bed/addresses.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { inNamespace, ip, run } from '../bed/namespace.ts'
import { addRules, addressesOf, deleteRules, drop, type Injection, nodes, podsOf } from './injection.ts'
import { podNamespace } from './packets.ts'

export interface PodFault extends Injection {
  readonly name: string
  readonly checks: readonly string[]
  readonly exitCode: 0 | 1 | 2
  readonly troubles: readonly Expected[]
  /** Codes that stand for another one in some runs. */
  readonly alias?: Readonly<Record<string, string>>
}

export interface Expected extends Pick<Result, 'verdict' | 'check'> {
  readonly row?: string
  /** Empty: the check has no family. */
  readonly families: readonly Family[]
  readonly code: string
}

const BOTH = [4, 6] as const
const POD = [
  ...[
    'link',
    'addresses',
    'duplicate-address',
    'routes',
    'sidecar',
    'gateway',
    'destination-tcp',
    'service-cluster-ip',
  ],
].map((name) => `checks/pod/${name}.test.ts`)
const POOL = ['checks/host/address-pool.test.ts']

const is =
  (verdict: Result['verdict']) =>
  (check: string, code: string, families: readonly Family[] = BOTH, row?: string): Expected => ({
    ...{ verdict, check, code, families },
    ...(row ? { row } : {}),
  })
const fails = is('fail')
const warns = is('warn')
const unclear = is('inconclusive')
const once: readonly Family[] = []
const toPods = (code: string, families: readonly Family[] = BOTH) =>
  ['other-node', 'same-node'].map((row) => fails('pod/destination-tcp', code, families, row))
const toOtherNode = (code: string, families: readonly Family[] = BOTH) =>
  fails('pod/destination-tcp', code, families, 'other-node')
const toService = (code: string, families: readonly Family[] = BOTH) => fails('pod/service-cluster-ip', code, families)

/** The source pod, and the means to change it. */
async function source(cluster: Cluster) {
  const { first } = nodes(cluster)
  const [pod] = await podsOf(cluster, 'bbox', first.name)
  const path = podNamespace(first, pod?.uid ?? '')
  const inPod = (...words: readonly string[]) => run('nsenter', [`--net=${path}`, ...words])
  const address = (family: Family) => pod?.addresses.find((one) => familyOf(one) === family) ?? ''
  const [link] = JSON.parse(inPod('ip', '-j', 'link', 'show', 'eth0')) as [{ link_index: number }]
  const links = JSON.parse(inNamespace(first.namespace, 'ip', '-j', 'link')) as { ifindex: number; ifname: string }[]
  const peer = links.find(({ ifindex }) => ifindex === link.link_index)?.ifname ?? ''
  return { node: first.namespace, path, address, peer, inPod, ip: (line: string) => inPod('ip', ...line.split(' ')) }
}

type Pod = Awaited<ReturnType<typeof source>>

/** The bridge's address in the pod's range: the first. */
const gateway = (pod: Pod, family: Family): string => pod.address(family).replace(family === 4 ? /\d+$/ : /[^:]+$/, '1')
const length = (family: Family): number => (family === 4 ? 24 : 64)

/** What an interface loses when it goes down or loses its address. */
function restore(pod: Pod): void {
  pod.ip('link set eth0 up')
  for (const family of BOTH) {
    const rest = family === 6 ? ' nodad' : ''
    pod.ip(`-${family} address replace ${pod.address(family)}/${length(family)} dev eth0${rest}`)
    pod.ip(`-${family} route replace default via ${gateway(pod, family)} dev eth0`)
  }
}

/** A change in the pod, or on the node's side of it. */
const changed = (
  inject: (pod: Pod, cluster: Cluster) => unknown,
  undo: (pod: Pod, cluster: Cluster) => unknown,
): Injection => ({
  inject: async (cluster) => void (await inject(await source(cluster), cluster)),
  undo: async (cluster) => void (await undo(await source(cluster), cluster)),
})

const serviceRange = (family: Family, { plan }: Cluster): string =>
  plan.dnsService
    .find((one) => familyOf(one) === family)
    ?.replace(family === 4 ? /\.\d+\.\d+$/ : /::.*$/, family === 4 ? '.0.0/16' : '::/64') ?? ''

/** The pod that the suite picks on the other node. */
const destination = async (cluster: Cluster) => (await podsOf(cluster, 'web', nodes(cluster).second.name))[0]

export const POD_FAULTS: readonly PodFault[] = [
  {
    name: 'the pod’s interface is down',
    ...changed((pod) => pod.ip('link set eth0 down'), restore),
    checks: POD,
    exitCode: 1,
    troubles: [
      ...[
        fails('pod/link', 'LINK_DOWN', once),
        fails('pod/addresses', 'LINK_DOWN', [6]),
        fails('pod/routes', 'LINK_DOWN'),
      ],
      ...[fails('pod/gateway', 'NO_DEFAULT_ROUTE'), ...toPods('NO_ROUTE'), toService('NO_ROUTE')],
    ],
  },
  {
    name: 'the other end on the node is down',
    ...changed(
      (pod) => ip(`-n ${pod.node} link set ${pod.peer} down`),
      (pod) => ip(`-n ${pod.node} link set ${pod.peer} up`),
    ),
    checks: POD,
    exitCode: 1,
    troubles: [
      ...[fails('pod/link', 'LINK_DOWN', once), fails('pod/gateway', 'GATEWAY_UNRESOLVED')],
      ...[...toPods('UNREACHABLE'), toService('UNREACHABLE')],
    ],
  },
  {
    name: 'the other end is out of the bridge',
    ...changed(
      (pod) => {
        ip(`-n ${pod.node} link set ${pod.peer} nomaster`)
        // what the kernel heard from the gateway a moment ago would leave its death unproven for half a minute
        pod.ip('-6 neigh flush dev eth0')
      },
      (pod) => {
        ip(`-n ${pod.node} link set ${pod.peer} master cni0`)
        inNamespace(pod.node, 'bridge', 'link', 'set', 'dev', pod.peer, 'hairpin', 'on')
      },
    ),
    checks: POD,
    exitCode: 1,
    troubles: [
      fails('pod/link', 'VETH_DETACHED', once),
      // the node answers ARP for any of its addresses on any interface (arp_ignore 0), NDP does not
      fails('pod/gateway', 'GATEWAY_UNRESOLVED', [6]),
      ...[...toPods('UNREACHABLE'), toService('UNREACHABLE')],
    ],
  },
  {
    name: 'the bridge keeps its ports apart',
    ...changed(
      (pod) => setIsolation(pod.node, 'on'),
      (pod) => setIsolation(pod.node, 'off'),
    ),
    checks: POD,
    exitCode: 1,
    troubles: [
      fails('pod/link', 'PORT_BLOCKED', once),
      fails('pod/destination-tcp', 'UNREACHABLE', BOTH, 'same-node'),
      toService('BACKEND_DEAD'),
    ],
  },
  {
    name: 'the pod’s IPv4 address is gone',
    ...changed((pod) => pod.ip(`address del ${pod.address(4)}/24 dev eth0`), restore),
    checks: POD,
    exitCode: 1,
    troubles: [
      ...[fails('pod/addresses', 'ADDRESS_MISSING', [4]), fails('pod/routes', 'ADDRESS_MISSING', [4])],
      ...[fails('pod/gateway', 'NO_DEFAULT_ROUTE', [4]), ...toPods('NO_ROUTE', [4]), toService('NO_ROUTE', [4])],
    ],
  },
  {
    // its routes stay, and its link-local address serves where no router is asked
    name: 'the pod’s IPv6 address is gone',
    // that a link-local source is "beyond scope" the node says as often as it may
    alias: { REJECTED: 'UNREACHABLE' },
    ...changed((pod) => pod.ip(`address del ${pod.address(6)}/64 dev eth0`), restore),
    checks: POD,
    exitCode: 1,
    troubles: [
      fails('pod/addresses', 'ADDRESS_MISSING', [6]),
      toOtherNode('UNREACHABLE', [6]),
      toService('BACKEND_DEAD', [6]),
    ],
  },
  {
    name: 'one more address of the pod’s range on its interface',
    ...changed(
      (pod) => pod.ip(`address add ${gateway(pod, 4).replace(/1$/, '177')}/24 dev eth0`),
      (pod) => pod.ip(`address del ${gateway(pod, 4).replace(/1$/, '177')}/24 dev eth0`),
    ),
    checks: POD,
    exitCode: 0,
    troubles: [warns('pod/addresses', 'ADDRESS_FOREIGN', [4])],
  },
  {
    name: 'the pod’s default routes are gone',
    ...changed((pod) => BOTH.map((family) => pod.ip(`-${family} route del default`)), restore),
    checks: POD,
    exitCode: 1,
    troubles: [
      ...[fails('pod/routes', 'NO_DEFAULT_ROUTE'), fails('pod/gateway', 'NO_DEFAULT_ROUTE')],
      ...[toOtherNode('NO_ROUTE'), toService('NO_ROUTE')],
    ],
  },
  {
    name: 'routes of the pod refuse the service range',
    ...changed(
      (pod, cluster) => {
        pod.ip(`route add blackhole ${serviceRange(4, cluster)}`)
        pod.ip(`-6 route add prohibit ${serviceRange(6, cluster)}`)
      },
      (pod, cluster) => {
        pod.ip(`route del blackhole ${serviceRange(4, cluster)}`)
        pod.ip(`-6 route del prohibit ${serviceRange(6, cluster)}`)
      },
    ),
    checks: POD,
    exitCode: 1,
    troubles: [fails('pod/routes', 'POD_ROUTE_BLOCKED'), toService('NO_ROUTE')],
  },
  {
    name: 'routes of the pod refuse the destination pod',
    ...changed(
      async (pod, cluster) => {
        for (const address of addressesOf([await destination(cluster)].flatMap((one) => one ?? [])))
          pod.ip(`-${familyOf(address)} route add unreachable ${address}`)
      },
      async (pod, cluster) => {
        for (const address of addressesOf([await destination(cluster)].flatMap((one) => one ?? [])))
          pod.ip(`-${familyOf(address)} route del unreachable ${address}`)
      },
    ),
    checks: POD,
    exitCode: 1,
    troubles: [fails('pod/routes', 'POD_ROUTE_BLOCKED'), toOtherNode('NO_ROUTE')],
  },
  {
    name: 'rules of the pod refuse the other node’s pods',
    ...changed(
      (pod, { plan }) =>
        plan.podSubnet(2).map((range) => {
          const family = familyOf(range.split('/')[0] ?? '')
          const from = family === 4 ? `from ${pod.address(4)} ` : ''
          return pod.ip(`-${family} rule add ${from}to ${range} prohibit priority 100`)
        }),
      (pod) => BOTH.map((family) => pod.ip(`-${family} rule del priority 100`)),
    ),
    checks: POD,
    exitCode: 1,
    troubles: [fails('pod/routes', 'POD_ROUTE_BLOCKED'), toOtherNode('NO_ROUTE')],
  },
  {
    // a service's packets are translated on the bridge, which then finds their way by itself
    name: 'a permanent neighbour entry of the gateway leads nowhere',
    ...changed(
      (pod) =>
        BOTH.map((family) =>
          pod.ip(`neigh replace ${gateway(pod, family)} lladdr 02:aa:aa:aa:aa:aa nud permanent dev eth0`),
        ),
      (pod) => BOTH.map((family) => pod.ip(`neigh del ${gateway(pod, family)} dev eth0`)),
    ),
    checks: POD,
    exitCode: 1,
    troubles: [fails('pod/routes', 'GATEWAY_MAC_WRONG'), toOtherNode('UNREACHABLE')],
  },
  {
    name: 'somebody else on the bridge has the pod’s addresses',
    ...changed(addTwin, removeTwin),
    checks: POD,
    exitCode: 1,
    troubles: [fails('pod/duplicate-address', 'DUPLICATE_ADDRESS')],
  },
  {
    name: 'a sidecar takes every connection, and the probes go around it to a destination that is cut off',
    ...sidecar('meta skgid 1337 return', async (cluster, pod) => {
      const there = addressesOf([await destination(cluster)].flatMap((one) => one ?? []))
      addRules(pod.node, 'inet', 'forward priority -10', drop(BOTH.map(pod.address), there))
    }),
    checks: POD,
    exitCode: 1,
    troubles: [toOtherNode('UNREACHABLE'), toService('BACKEND_DEAD')],
  },
  {
    name: 'a sidecar takes every connection, and a user gets past it',
    ...sidecar('meta skuid 2102 return'),
    checks: POD,
    exitCode: 0,
    troubles: [],
  },
  {
    name: 'a sidecar takes every connection, and marked packets get past it',
    ...sidecar('meta mark & 0xfff == 0x539 return'),
    checks: POD,
    exitCode: 0,
    troubles: [],
  },
  {
    name: 'a sidecar takes every connection, and nobody gets past it',
    ...sidecar(''),
    checks: POD,
    exitCode: 2,
    troubles: [
      ...['other-node', 'same-node'].map((row) => unclear('pod/destination-tcp', 'SIDECAR_INTERCEPTS', BOTH, row)),
      ...[unclear('pod/service-cluster-ip', 'SIDECAR_INTERCEPTS'), unclear('pod/sidecar', 'SIDECAR_INTERCEPTS', once)],
    ],
  },
  {
    name: 'every address of the node is leased',
    ...leases(254, 'nobody'),
    checks: POOL,
    exitCode: 1,
    troubles: [fails('host/address-pool', 'ADDRESS_POOL_EXHAUSTED', [4])],
  },
  {
    name: 'nearly every address of the node is leased',
    ...leases(240, 'somebody'),
    checks: POOL,
    exitCode: 0,
    troubles: [warns('host/address-pool', 'ADDRESS_POOL_LOW', [4])],
  },
  {
    name: 'most addresses of the node are leased to sandboxes that do not exist',
    ...leases(170, 'nobody'),
    checks: POOL,
    exitCode: 0,
    troubles: [warns('host/address-pool', 'ADDRESS_LEAKED', [4])],
  },
]

function setIsolation(node: string, value: 'on' | 'off'): void {
  const ports = JSON.parse(inNamespace(node, 'bridge', '-j', 'link')) as { ifname: string; master?: string }[]
  for (const { ifname } of ports.filter(({ master }) => master === 'cni0'))
    inNamespace(node, 'bridge', 'link', 'set', 'dev', ifname, 'isolated', value)
}

const twinOf = (pod: Pod): string => `${pod.node}-twin`

function addTwin(pod: Pod): void {
  const twin = twinOf(pod)
  ip(`netns add ${twin}`)
  ip(`-n ${twin} link add eth0 type veth peer name twin netns ${pod.node}`)
  ip(`-n ${pod.node} link set twin up master cni0`)
  ip(`-n ${twin} link set eth0 up`)
  for (const family of BOTH) {
    const rest = family === 6 ? ' nodad' : ''
    ip(`-n ${twin} address add ${pod.address(family)}/${length(family)} dev eth0${rest}`)
  }
}

/** With everything that was learned of it meanwhile. */
function removeTwin(pod: Pod): void {
  ip(`netns del ${twinOf(pod)}`)
  ip(`-n ${pod.node} neigh flush dev cni0`)
}

const PROXY_PORT = 15_001
/** Accepts every connection and never says a word. */
const PROXY = `const net = require('node:net')
for (const host of ['0.0.0.0', '::'])
  net.createServer((socket) => socket.on('error', () => {})).listen({ port: ${PROXY_PORT}, host, ipv6Only: host === '::' })`

/** What a mesh sets up in a pod: a proxy, and rules that lead every connection to it but those that `passing` lets pass. */
function sidecar(
  passing: string,
  cut: (cluster: Cluster, pod: Pod) => Promise<void> = async () => undefined,
): Injection {
  let proxy: ChildProcess | undefined
  return {
    async inject(cluster) {
      const pod = await source(cluster)
      proxy = spawn('nsenter', [`--net=${pod.path}`, process.execPath, '-e', PROXY], { stdio: 'ignore' })
      for (let tries = 0; tries < 100 && !listens(pod); tries++) await sleep(50)
      const rules = ['oifname "lo" return', passing, `meta l4proto tcp redirect to :${PROXY_PORT}`].filter(Boolean)
      const table = `table inet fault {\nchain out {\ntype nat hook output priority -100\n${rules.join('\n')}\n}\n}`
      run('nsenter', [`--net=${pod.path}`, 'nft', '-f', '-'], table)
      await cut(cluster, pod)
    },
    async undo(cluster) {
      const pod = await source(cluster)
      run('nsenter', [`--net=${pod.path}`, 'nft', '-f', '-'], 'table inet fault {}\ndelete table inet fault')
      deleteRules(pod.node, 'inet')
      proxy?.kill()
    },
  }
}

const listens = (pod: Pod): boolean => pod.inPod('ss', '-Hltn').includes(`:${PROXY_PORT}`)

/** Leases of host-local on the first node, until there are `count`: files as it writes them. */
function leases(count: number, owner: 'somebody' | 'nobody'): Injection {
  let written: readonly string[] = []
  return {
    async inject(cluster) {
      const { first } = nodes(cluster)
      const networks = join(cluster.dir, first.name, 'ipam')
      const dir = join(networks, readdirSync(networks)[0] ?? '')
      const there = readdirSync(dir)
      const [sample = ''] = there.filter((name) => familyOf(name) === 4 && /^[\d.]+$/.test(name))
      const content = owner === 'somebody' ? readFileSync(join(dir, sample), 'utf8') : `${'0'.repeat(64)}\r\neth0`
      const all = Array.from({ length: 254 }, (_, i) => sample.replace(/\d+$/, String(i + 1))).filter(
        (name) => !there.includes(name),
      )
      // the first address is the gateway's, which is never leased
      const free = count === 254 ? all : all.slice(1)
      const held = there.filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name)).length
      written = free.slice(0, count - held).map((name) => join(dir, name))
      for (const path of written) writeFileSync(path, content)
    },
    async undo() {
      for (const path of written) rmSync(path, { force: true })
    },
  }
}
