/**
 * Faults of the service data plane, as data: what kube-proxy writes, what connection tracking remembers, what a service is set to.
 * kube-proxy is frozen while its rules are changed, or it would mend them.
 */
import { familyOf } from '../bed/addresses.ts'
import { type KubeObject, pathOf, until } from '../bed/kubernetes/api.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { WEB_PORTS } from '../bed/kubernetes/workloads.ts'
import { inNamespace, nft } from '../bed/namespace.ts'
import { type Fault, fails } from './faults.ts'
import { addRules, deleteRules, lastRemoteWeb, nodes, podsOf } from './injection.ts'

const V4 = { families: [4] } as const

/** What kube-proxy has written on the first node, of a family; empty: nothing. */
function written(cluster: Cluster, family: 'ip' | 'ip6'): string {
  const node = nodes(cluster).first.namespace
  const script = `nft list table ${family} kube-proxy 2>/dev/null || ${family}tables-nft-save -t nat`
  return inNamespace(node, 'sh', '-c', script)
}

const knowsAll = async (cluster: Cluster) =>
  (['ip', 'ip6'] as const).every(
    (family) =>
      written(cluster, family).match(new RegExp(`(?:dnat to |--to-destination )\\S+:${WEB_PORTS.pod}\\b`, 'g'))
        ?.length === 4,
  )

/** Only when it has caught up: what it lacks then is the fault's. */
async function freezeProxy(cluster: Cluster): Promise<void> {
  await until('kube-proxy to know all web pods', 30, () => knowsAll(cluster))
  process.kill(nodes(cluster).first.proxy.pid, 'SIGSTOP')
}

/** Without a rule left, kube-proxy is started anew and writes all of them. */
async function renewProxy(cluster: Cluster): Promise<void> {
  const { first } = nodes(cluster)
  await first.proxy.stop()
  for (const family of ['ip', 'ip6']) {
    nft(first.namespace, `table ${family} kube-proxy {}\ndelete table ${family} kube-proxy`)
    inNamespace(first.namespace, 'sh', '-c', `${family}tables-nft -t nat -F KUBE-SERVICES 2>/dev/null || true`)
  }
  first.restartProxy()
  await until('kube-proxy to have written its rules', 30, () => knowsAll(cluster))
  // connections that were begun without rules are remembered untranslated: who gets one of their ports meets that for two minutes
  inNamespace(first.namespace, 'conntrack', '-F')
}

/** What is done to the rules of a node whose kube-proxy does not see it. */
const withFrozenProxy = (inject: (cluster: Cluster, node: string) => Promise<void> | void) => ({
  async inject(cluster: Cluster) {
    await freezeProxy(cluster)
    await inject(cluster, nodes(cluster).first.namespace)
  },
  undo: renewProxy,
})

/** A chain of kube-proxy's IPv4 table in nftables mode, by the end of its name. */
function chainNamed(node: string, end: string): string {
  const chain = inNamespace(node, 'nft', 'list', 'chains', 'ip').match(new RegExp(`chain (service-\\S+${end}) `))?.[1]
  if (chain === undefined) throw new Error(`kube-proxy has no chain of ${end}`)
  return chain
}

/** The first of the endpoints of service web is left out, as by a half-written update. */
function dropBackend(node: string): void {
  const chain = chainNamed(node, '-default/web/tcp/http')
  const listed = inNamespace(node, 'nft', '-a', 'list', 'chain', 'ip', 'kube-proxy', chain)
  const handle = /numgen.*# handle (\d+)/.exec(listed)?.[1]
  const [, ...kept] = new Set(listed.match(/endpoint-[^ ,]+/g))
  const choices = kept.map((name, at) => `${at} : goto ${name}`).join(', ')
  nft(node, `replace rule ip kube-proxy ${chain} handle ${handle} numgen random mod ${kept.length} vmap { ${choices} }`)
}

/** A pod of service web on the other node is replaced by one with another address. */
async function replaceRemoteWeb(cluster: Cluster): Promise<void> {
  const [old] = (await podsOf(cluster, 'web', nodes(cluster).second.name)).slice(-1)
  if (!old) throw new Error('no web pod on the second node')
  await cluster.api(`/api/v1/namespaces/default/pods/${old.name}`, {
    method: 'DELETE',
    body: { gracePeriodSeconds: 0 },
  })
  await until('the pod to be replaced', 60, async () => {
    const pods = (await cluster.pods()).filter(({ labels }) => labels.app === 'web')
    return pods.length === 4 && pods.every(({ ready, name }) => ready && name !== old.name)
  })
}

const DEAD = '198.18.2.250'
const CLIENT = { address: '198.18.1.3', port: 40000 }

/** An entry to a DNS replica that is gone, as a resolver that keeps its port has after a node is lost. */
function conntrack(cluster: Cluster, ...action: readonly string[]): void {
  const dns = cluster.plan.dnsService[0] ?? ''
  const flow = ['-p', 'udp', '-s', CLIENT.address, '-d', dns, '--sport', `${CLIENT.port}`, '--dport', '53']
  inNamespace(nodes(cluster).first.namespace, 'conntrack', ...action, ...flow)
}
const insertEntry = (cluster: Cluster) => conntrack(cluster, '-I', '-t', '60', '-g', DEAD)

let sending: NodeJS.Timeout | undefined

async function remove(cluster: Cluster, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects) await cluster.api(pathOf(object), { method: 'DELETE' })
}

const service = (name: string, spec: object): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ipFamilyPolicy: 'PreferDualStack', ports: [{ name: 'http', port: 80, targetPort: WEB_PORTS.pod }], ...spec },
})

/** Whatever the cluster says, its endpoints are these: the service has no selector. */
const slices = (name: string, addresses: readonly string[], nodeName: string): readonly KubeObject[] =>
  addresses.map((address) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${familyOf(address)}`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: `IPv${familyOf(address)}`,
    endpoints: [{ addresses: [address], nodeName }],
    ports: [{ name: 'http', port: WEB_PORTS.pod, protocol: 'TCP' }],
  }))

const nobody = service('nobody', { selector: { app: 'nobody' } })
const elsewhere = service('elsewhere', { internalTrafficPolicy: 'Local' })
export const open = service('open', {
  type: 'NodePort',
  selector: { app: 'web' },
  externalIPs: ['198.51.100.77', '2001:db8:51::77'],
})

/** Made, and known to each replica of the cluster's DNS: else what does not resolve is a fault of its own. */
export async function applyService(
  cluster: Cluster,
  made: KubeObject,
  others: readonly KubeObject[] = [],
): Promise<void> {
  await cluster.apply([made, ...others])
  const name = `${made.metadata.name}.default.svc.cluster.local`
  const replicas = (await cluster.pods()).filter(({ labels }) => labels['k8s-app'] === 'kube-dns')
  const node = nodes(cluster).first.namespace
  const knows = (replica: string) =>
    /^Name:/m.test(inNamespace(node, 'sh', '-c', `busybox nslookup ${name} ${replica} 2>&1 || true`))
  const addresses = replicas.flatMap((replica) => replica.addresses.filter((one) => familyOf(one) === 4))
  await until('the DNS replicas to know the service', 30, async () => addresses.every(knows))
}

async function nodePort(cluster: Cluster): Promise<number> {
  const { spec } = await cluster.api<{ spec: { ports: { nodePort: number }[] } }>(pathOf(open))
  return spec.ports[0]?.nodePort ?? 0
}

/** Of every pod on the first node: what the bridge may send back where it came from. */
function setHairpin(cluster: Cluster, value: 'on' | 'off'): void {
  const node = nodes(cluster).first.namespace
  const ports = JSON.parse(inNamespace(node, 'bridge', '-j', 'link')) as { ifname: string }[]
  for (const { ifname } of ports) inNamespace(node, 'bridge', 'link', 'set', 'dev', ifname, 'hairpin', value)
}

/** What hangs does not say that it is well. */
const FROZEN = fails('host/kube-proxy', 'KUBE_PROXY_UNHEALTHY', { once: true })

/** In every mode of kube-proxy. */
export const COMMON_FAULTS: readonly Fault[] = [
  {
    name: 'kube-proxy frozen and an endpoint replaced',
    ...withFrozenProxy(replaceRemoteWeb),
    expect: {
      exitCode: 1,
      troubles: [
        FROZEN,
        fails('host/service-rules', 'SERVICE_RULES_STALE', { once: true }),
        fails('pod/service-cluster-ip', 'BACKEND_DEAD'),
      ],
    },
  },
]

export const SERVICE_FAULTS: readonly Fault[] = [
  ...COMMON_FAULTS,
  {
    name: "kube-proxy's tables deleted",
    ...withFrozenProxy((_, node) => {
      for (const family of ['ip', 'ip6']) nft(node, `delete table ${family} kube-proxy`)
    }),
    args: ['checks/host'],
    expect: {
      exitCode: 1,
      troubles: [
        FROZEN,
        fails('host/service-rules', 'SERVICE_RULES_MISSING', { once: true }),
        fails('host/api-cluster-ip', 'REJECTED', V4),
      ],
    },
  },
  {
    name: "one backend missing in a service's rules",
    ...withFrozenProxy((_, node) => dropBackend(node)),
    expect: { exitCode: 1, troubles: [FROZEN, fails('host/service-rules', 'SERVICE_RULES_MISSING', { once: true })] },
  },
  {
    name: "the rules of the cluster's DNS missing",
    ...withFrozenProxy((cluster, node) => {
      const dns = cluster.plan.dnsService[0] ?? ''
      for (const [protocol, port] of [
        ['udp', 'dns'],
        ['tcp', 'dns-tcp'],
      ] as const) {
        const chain = chainNamed(node, `kube-dns/${protocol}/${port}`)
        nft(node, `delete element ip kube-proxy service-ips { ${dns} . ${protocol} . 53 : goto ${chain} }`)
      }
    }),
    args: ['checks/host'],
    expect: {
      exitCode: 1,
      troubles: [FROZEN, fails('host/service-rules', 'SERVICE_RULES_MISSING', { once: true })],
    },
  },
  {
    name: 'a UDP entry to a DNS replica that is gone, unused',
    ...withFrozenProxy(insertEntry),
    async undo(cluster) {
      conntrack(cluster, '-D')
      await renewProxy(cluster)
    },
    expect: {
      exitCode: 1,
      troubles: [FROZEN, { ...fails('host/conntrack-stale', 'CONNTRACK_STALE', { once: true }), verdict: 'warn' }],
    },
  },
  {
    name: 'a UDP entry to a DNS replica that is gone, in use',
    async inject(cluster) {
      await freezeProxy(cluster)
      insertEntry(cluster)
      // as a client's packets do
      sending = setInterval(() => conntrack(cluster, '-U', '-t', '60'), 500)
    },
    async undo(cluster) {
      clearInterval(sending)
      conntrack(cluster, '-D')
      await renewProxy(cluster)
    },
    expect: { exitCode: 1, troubles: [FROZEN, fails('host/conntrack-stale', 'CONNTRACK_STALE', { once: true })] },
  },
  {
    name: 'a service without endpoints',
    env: { DST_SVC: 'nobody' },
    inject: (cluster) => applyService(cluster, nobody),
    undo: (cluster) => remove(cluster, [nobody]),
    expect: {
      exitCode: 1,
      troubles: ['service-cluster-ip', 'endpoints-ping', 'endpoints-port'].map((check) =>
        fails(`pod/${check}`, 'NO_READY_ENDPOINTS'),
      ),
    },
  },
  {
    name: 'internalTrafficPolicy Local without an endpoint on the node',
    env: { DST_SVC: 'elsewhere' },
    async inject(cluster) {
      const other = nodes(cluster).second.name
      await applyService(cluster, elsewhere, slices('elsewhere', await lastRemoteWeb(cluster), other))
    },
    async undo(cluster) {
      await remove(cluster, [elsewhere, ...slices('elsewhere', await lastRemoteWeb(cluster), '')])
    },
    expect: { exitCode: 1, troubles: [fails('pod/service-cluster-ip', 'NO_LOCAL_ENDPOINT')] },
  },
  {
    name: 'a node firewall that drops a node port',
    env: { DST_SVC: 'open' },
    async inject(cluster) {
      await applyService(cluster, open)
      const rule = `tcp dport ${await nodePort(cluster)} drop`
      addRules(nodes(cluster).first.namespace, 'inet', 'prerouting priority -300', [
        `iifname != "eth0" ip daddr ${cluster.plan.node(1)[0]} ${rule}`,
        `iifname != "eth0" ip6 daddr ${cluster.plan.node(1)[1]} ${rule}`,
      ])
    },
    async undo(cluster) {
      deleteRules(nodes(cluster).first.namespace, 'inet')
      await remove(cluster, [open])
    },
    expect: { exitCode: 1, troubles: [fails('pod/service-node-port', 'UNREACHABLE')] },
  },
  {
    name: 'the bridge sends nothing back where it came from',
    env: { SRC_POD: 'deploy/web' },
    inject: async (cluster) => setHairpin(cluster, 'off'),
    undo: async (cluster) => setHairpin(cluster, 'on'),
    expect: {
      exitCode: 1,
      troubles: [fails('pod/service-hairpin', 'HAIRPIN_BROKEN'), fails('pod/service-cluster-ip', 'BACKEND_DEAD')],
    },
  },
]
