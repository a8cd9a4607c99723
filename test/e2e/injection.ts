/** The means to make faults in a cluster and to take them back. */
import { familyOf } from '../bed/addresses.ts'
import type { Pod } from '../bed/kubernetes/api.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { inNamespace, nft } from '../bed/namespace.ts'

export interface Injection {
  inject(cluster: Cluster): Promise<void>
  undo(cluster: Cluster): Promise<void>
}

export async function podsOf(cluster: Cluster, app: string, node: string): Promise<readonly Pod[]> {
  const pods = (await cluster.pods()).filter(
    ({ labels, node: on }) => [labels.app, labels['k8s-app']].includes(app) && on === node,
  )
  if (pods.length === 0) throw new Error(`no pod of ${app} on ${node}`)
  return pods
}

export const addressesOf = (pods: readonly Pod[]) => pods.flatMap((pod) => pod.addresses)

/** nft rules that drop packets from some addresses to others, one a family. */
export function drop(from: readonly string[], to: readonly string[]): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const set = (list: readonly string[]) => `{ ${list.filter((one) => familyOf(one) === family).join(', ')} }`
    const ip = family === 4 ? 'ip' : 'ip6'
    return to.some((one) => familyOf(one) === family) ? [`${ip} saddr ${set(from)} ${ip} daddr ${set(to)} drop`] : []
  })
}

/** Rules in a table of their own; the hook says where on the path. */
export function addRules(
  namespace: string,
  family: 'inet' | 'bridge',
  hook: string,
  rules: readonly string[],
  table = 'fault',
): void {
  nft(namespace, `table ${family} ${table} {\nchain fault {\ntype filter hook ${hook}\n${rules.join('\n')}\n}\n}`)
}

/** Also when there are none. */
export const deleteRules = (namespace: string, family: 'inet' | 'bridge', table = 'fault') =>
  nft(namespace, `table ${family} ${table} {}\ndelete table ${family} ${table}`)

export const nodes = (cluster: Cluster) => {
  const [first, second] = cluster.nodes
  if (first === undefined || second === undefined) throw new Error('faults need two nodes')
  return { first, second }
}

/** Packets from the source pod to `targets` vanish at a hook of the first or the second node. */
export function cutFromSource(
  targets: (cluster: Cluster) => Promise<readonly string[]>,
  side: 'first' | 'second',
  hook: string,
): Injection {
  return {
    async inject(cluster) {
      const source = addressesOf(await podsOf(cluster, 'bbox', nodes(cluster).first.name))
      addRules(nodes(cluster)[side].namespace, 'inet', hook, drop(source, await targets(cluster)))
    },
    undo: async (cluster) => deleteRules(nodes(cluster)[side].namespace, 'inet'),
  }
}

/**
 * A pod on the second node is dead for the source pod. The packets vanish on that node, as they do when a pod is gone: were
 * they dropped before the first node's conntrack confirms the connection, a repeated SYN would meet another backend.
 */
export const deadPod = (targets: (cluster: Cluster) => Promise<readonly string[]>): Injection =>
  cutFromSource(targets, 'second', 'forward priority -10')

export function setForwarding(cluster: Cluster, value: 0 | 1): void {
  const sysctls = [`net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`]
  inNamespace(nodes(cluster).first.namespace, 'sysctl', '-qw', ...sysctls)
}

/** Whether kube-proxy on the first node sends packets to an address (its chain's name outlives the rule). */
export const proxyKnows = (cluster: Cluster, address: string) =>
  inNamespace(nodes(cluster).first.namespace, 'nft', 'list', 'table', 'ip', 'kube-proxy').includes(
    `dnat to ${address}:`,
  )

const WEB = '/api/v1/namespaces/default/services/web'
export const CHANGED_PORT = 8888

export const setServicePort = (cluster: Cluster, port: number) =>
  cluster.api(WEB, { method: 'PATCH', body: { spec: { ports: [{ name: 'http', port, targetPort: 'http' }] } } })

/** The last web pod on the second node: the first is the one that the suite picks as its destination pod. */
export const lastRemoteWeb = async (cluster: Cluster) => addressesOf([await lastRemoteWebPod(cluster)])

export const lastRemoteWebPod = async (cluster: Cluster): Promise<Pod> => {
  const pods = await podsOf(cluster, 'web', nodes(cluster).second.name)
  return pods.at(-1) as Pod
}

/** null takes the label away. */
export const setPodLabel = (cluster: Cluster, { namespace, name }: Pod, label: string, value: string | null) =>
  cluster.api(`/api/v1/namespaces/${namespace}/pods/${name}`, {
    method: 'PATCH',
    body: { metadata: { labels: { [label]: value } } },
  })

/** An endpoint of the API server that refuses: the second node listens on no such port. */
export const strangeSlice = (cluster: Cluster) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'kubernetes-elsewhere',
    namespace: 'default',
    labels: {
      'kubernetes.io/service-name': 'kubernetes',
      // the API server tidies the slices that it manages itself
      'endpointslice.kubernetes.io/managed-by': 'fault.k8snetlook.test',
    },
  },
  addressType: 'IPv4',
  endpoints: [{ addresses: [nodes(cluster).second.addresses[0] ?? ''], conditions: { ready: true } }],
  ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
})
