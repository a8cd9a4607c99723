/** A whole Kubernetes cluster in network namespaces, ready in about 10 s; no packet leaves them. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type AddressPlan, addressPlan, type Families } from '../addresses.ts'
import { type Bed, type Daemon, openBed } from '../bed.ts'
import { type NodeSpec, startContainerd } from '../containerd.ts'
import { BUSYBOX, buildImage } from '../image.ts'
import { run } from '../namespace.ts'
import { connectOverlay } from '../overlay.ts'
import { createUnderlay, type Underlay } from '../underlay.ts'
import { type Api, apiClient, collectionOf, type KubeObject, listPods, type Pod, until } from './api.ts'
import { built } from './build.ts'
import { startControlPlane } from './control-plane.ts'
import { nodeObject, type ProxyMode, startKubelet, startProxy } from './node.ts'
import { type Identity, makePki, writeKubeconfig } from './pki.ts'
import { COREDNS_IMAGE, workloads } from './workloads.ts'

export interface ClusterOptions {
  readonly prefix: string
  readonly family?: Families
  readonly proxyMode?: ProxyMode
  /** '1.6': the machine's own (Debian 12); '2': built from its Go module. */
  readonly containerd?: '1.6' | '2'
  readonly nodes?: number
}

export interface ClusterNode extends NodeSpec {
  readonly addresses: readonly string[]
  /** CRI socket. */
  readonly socket: string
  readonly kubelet: Daemon
  proxy: Daemon
  /** Starts kube-proxy again after its end. */
  restartProxy(): void
}

export interface Cluster {
  readonly prefix: string
  readonly plan: AddressPlan
  readonly underlay: Underlay
  readonly nodes: readonly ClusterNode[]
  /** Path of the admin's kubeconfig; pki holds the others. */
  readonly kubeconfig: string
  readonly dir: string
  readonly api: Api
  /** Creates objects, in this order. */
  apply(objects: readonly KubeObject[]): Promise<void>
  pods(): Promise<Pod[]>
  /** Waits until `count` pods exist and all are Ready; without a count, until those that exist are. */
  waitReady(count?: number): Promise<void>
  stop(): Promise<void>
}

const WORKLOAD_PODS = 8

/** Starts a cluster with its workloads Ready. What it made is gone after stop(), or when this process ends. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const binaries = await buildBinaries(options.containerd ?? '1.6')
  requireBridgeFilter()
  const bed = await openBed(options.prefix)
  try {
    const cluster = await raise(bed, options, binaries)
    await cluster.waitReady(WORKLOAD_PODS)
    return cluster
  } catch (error) {
    await bed.close()
    throw error
  }
}

/** Paths of executables. */
interface Binaries {
  readonly hyper: string
  readonly coredns: string
  readonly containerd: string
}

async function buildBinaries(containerd: '1.6' | '2'): Promise<Binaries> {
  return {
    hyper: join(await built('hyper'), 'hyper'),
    coredns: join(await built('coredns'), 'coredns'),
    containerd: containerd === '2' ? join(await built('containerd'), 'containerd') : 'containerd',
  }
}

/** A Service's answers to a pod on the same bridge are translated back only where bridged packets meet netfilter. */
function requireBridgeFilter(): void {
  if (!existsSync('/proc/sys/net/bridge')) run('modprobe', ['br_netfilter'])
}

async function raise(bed: Bed, options: ClusterOptions, binaries: Binaries): Promise<Cluster> {
  const { hyper, coredns } = binaries
  const plan = addressPlan(options.family ?? 'dual')
  const underlay = createUnderlay(bed, plan, options.nodes ?? 2)
  startResolver(bed, underlay, plan)
  const specs = underlay.nodes.map((namespace, i) => ({ name: `n${i + 1}`, namespace, index: i + 1 }))
  const server = serverUrl(plan)
  await makeIdentities(bed, plan, specs, server)
  const first = specs[0]?.namespace ?? ''
  const api = apiClient(first, server, join(bed.dir, 'pki'))
  const images = [image(BUSYBOX, bed.dir), image({ ...COREDNS_IMAGE, binaries: [coredns] }, dirname(coredns))]
  const [runtimes] = await Promise.all([
    Promise.all(specs.map((node) => startContainerd(bed, node, plan, binaries.containerd))),
    startControlPlane(bed, first, hyper, plan, api),
  ])
  const apply = async (objects: readonly KubeObject[]) => {
    for (const object of objects) await api(collectionOf(object), { method: 'POST', body: object })
  }
  await apply(specs.map((node) => nodeObject(node, plan)))
  const nodes = specs.map((node, i) => {
    for (const tar of images) runtimes[i]?.load(tar)
    return startNode(bed, node, hyper, plan, runtimes[i]?.socket ?? '', options.proxyMode ?? 'nftables')
  })
  connectOverlay(underlay.nodes, plan)
  await apply(workloads(plan.dnsService[0] ?? ''))
  return {
    ...{ plan, underlay, nodes, api, apply },
    kubeconfig: join(bed.dir, 'pki/admin.kubeconfig'),
    prefix: bed.prefix,
    dir: bed.dir,
    pods: () => listPods(api),
    waitReady: (count) => waitReady(api, count),
    stop: () => bed.close(),
  }
}

function startNode(
  bed: Bed,
  spec: NodeSpec,
  hyper: string,
  plan: AddressPlan,
  socket: string,
  mode: ProxyMode,
): ClusterNode {
  const kubelet = startKubelet(bed, spec, hyper, plan, socket)
  const proxy = () => startProxy(bed, spec, hyper, plan, mode)
  const node: ClusterNode = {
    ...spec,
    addresses: plan.node(spec.index),
    socket,
    kubelet,
    proxy: proxy(),
    restartProxy() {
      node.proxy = proxy()
    },
  }
  return node
}

function serverUrl(plan: AddressPlan): string {
  const address = plan.node(1)[0] ?? ''
  return `https://${address.includes(':') ? `[${address}]` : address}:6443`
}

/** The outside host's resolver, the upstream of the cluster's DNS: it knows outside.test and nothing else. */
function startResolver(bed: Bed, underlay: Underlay, plan: AddressPlan): void {
  bed.start(underlay.outside, 'dnsmasq', [
    ...['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-hosts', '--no-resolv', '--port=53'],
    ...[`--pid-file=${join(bed.dir, 'dnsmasq.pid')}`, '--local=/#/'],
    ...plan.outside.map((address) => `--address=/outside.test/${address}`),
  ])
}

async function makeIdentities(bed: Bed, plan: AddressPlan, nodes: readonly NodeSpec[], server: string): Promise<void> {
  const dir = join(bed.dir, 'pki')
  mkdirSync(dir)
  const ips = (addresses: readonly string[]) => addresses.map((address) => `IP:${address}`)
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  const apiNames = [...names.map((name) => `DNS:${name}`), ...ips([...plan.apiService, ...plan.node(1), '127.0.0.1'])]
  const clients: Identity[] = [
    { name: 'admin', subject: '/O=system:masters/CN=admin' },
    { name: 'controllers', subject: '/CN=system:kube-controller-manager' },
    { name: 'scheduler', subject: '/CN=system:kube-scheduler' },
    { name: 'proxy', subject: '/CN=system:kube-proxy' },
    ...nodes.map(({ name, index }) => ({
      name: `kubelet-${name}`,
      subject: `/O=system:nodes/CN=system:node:${name}`,
      altNames: [...ips(plan.node(index)), `DNS:${name}`].join(','),
    })),
  ]
  await makePki(dir, [...clients, { name: 'apiserver', subject: '/CN=kube-apiserver', altNames: apiNames.join(',') }])
  for (const { name } of clients) writeKubeconfig(dir, name, server)
}

function image(spec: Parameters<typeof buildImage>[0], dir: string): string {
  const tar = join(dir, `${spec.name.replace(/\W/g, '-')}.tar`)
  if (!existsSync(tar)) buildImage(spec, tar)
  return tar
}

async function waitReady(api: Api, count?: number): Promise<void> {
  await until(`${count ?? 'all'} pods to be Ready`, 90, async () => {
    const pods = await listPods(api)
    return pods.length >= (count ?? 1) && pods.every((pod) => pod.ready)
  })
}
