/** Counts what the pod checks send, where it leaves: in the source pod's namespace and in its node's. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { familyOf } from '../bed/addresses.ts'
import type { Cluster, ClusterNode } from '../bed/kubernetes/cluster.ts'
import { netnsPath, run } from '../bed/namespace.ts'

type Counts = Readonly<Record<string, number>>

export interface PacketCounters {
  read(): { readonly pod: Counts; readonly node: Counts }
  remove(): void
}

const TABLE = 'proof'

/** One counter for each kind of packet and family; "tls" is data to the API server's ClusterIP. */
function rules(targets: readonly string[], apiService: readonly string[]): string[] {
  const set = (list: readonly string[]) => `{ ${list.join(', ')} }`
  return ([4, 6] as const).flatMap((family) => {
    const ip = family === 4 ? 'ip' : 'ip6'
    const to = `${ip} daddr ${set(targets.filter((one) => familyOf(one) === family))}`
    const api = apiService.filter((one) => familyOf(one) === family)
    return [
      `${to} tcp flags syn counter name tcp${family}`,
      ...(api.length > 0 ? [`${ip} daddr ${set(api)} tcp flags & psh == psh counter name tls${family}`] : []),
      // in a dual-stack cluster the pods' nameserver is IPv4
      ...(family === 4 ? [`${to} udp dport 53 counter name udp4`] : []),
      family === 4
        ? `${to} icmp type echo-request counter name icmp4`
        : `${to} icmpv6 type echo-request counter name icmp6`,
    ]
  })
}

/** Starts to count on the first node. Targets are those that neither kubelet nor kube-proxy ever asks from there. */
export async function countPackets(cluster: Cluster): Promise<PacketCounters> {
  const [node] = cluster.nodes
  if (node === undefined) throw new Error('the cluster has no node')
  const pods = await cluster.pods()
  const source = pods.find((pod) => pod.labels.app === 'bbox' && pod.node === node.name)
  const elsewhere = pods.filter((pod) => pod.node !== node.name).flatMap((pod) => pod.addresses)
  const services = await cluster.api<{ items: { spec: { clusterIPs: string[] } }[] }>('/api/v1/services')
  const clusterIPs = services.items.flatMap(({ spec }) => spec.clusterIPs)
  const apiService = cluster.plan.apiService.slice(0, 1)
  const counted = rules([...elsewhere, ...clusterIPs, ...cluster.plan.outside], apiService)
  const names = counted.map((rule) => rule.split(' ').at(-1) ?? '')
  const table = [
    `table inet ${TABLE} {`,
    ...names.map((name) => `counter ${name} { }`),
    // before DNAT, which the node's own packets meet at -100
    `chain out {\ntype filter hook output priority -300`,
    ...counted,
    '}\n}',
  ].join('\n')
  const places = { pod: podNamespace(node, source?.uid ?? 'unknown'), node: netnsPath(node.namespace) }
  for (const path of Object.values(places)) run('nsenter', [`--net=${path}`, 'nft', '-f', '-'], table)
  return {
    read: () => ({ pod: readCounters(places.pod), node: readCounters(places.node) }),
    remove() {
      for (const path of Object.values(places))
        run('nsenter', [`--net=${path}`, 'nft', 'delete', 'table', 'inet', TABLE])
    },
  }
}

function readCounters(path: string): Counts {
  const listed = run('nsenter', [`--net=${path}`, 'nft', '-j', 'list', 'counters', 'table', 'inet', TABLE])
  const { nftables } = JSON.parse(listed) as { nftables: { counter?: { name: string; packets: number } }[] }
  return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])))
}

/** The pod's namespace by a process of its cgroup: not the way that the product takes. */
export function podNamespace(node: ClusterNode, uid: string): string {
  const nodeNamespace = run('stat', ['-Lc', '%i', netnsPath(node.namespace)]).trim()
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && inPod(name, uid, nodeNamespace))
  if (pid === undefined) throw new Error(`no process of pod ${uid}`)
  return `/proc/${pid}/ns/net`
}

function inPod(pid: string, uid: string, nodeNamespace: string): boolean {
  try {
    const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
    return cgroup.includes(`pod${uid}`) && readlinkSync(`/proc/${pid}/ns/net`) !== `net:[${nodeNamespace}]`
  } catch {
    return false
  }
}
