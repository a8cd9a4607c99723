/** A whole Kubernetes cluster in network namespaces, ready in about 10 s; no packet leaves them. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type AddressPlan, addressPlan, type Families } from '../addresses.ts'
import { type Bed, type Daemon, openBed } from '../bed.ts'
import { type NodeSpec, startContainerd } from '../containerd.ts'
import { BUSYBOX, buildImage } from '../image.ts'
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
  proxy: Daemon
  /** Starts kube-proxy again after its end. */
  restartProxy(): void
}

export interface Cluster {
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
  const { family = 'dual', proxyMode = 'nftables', nodes: nodeCount = 2 } = options
  const hyper = join(await built('hyper'), 'hyper')
  const coredns = await built('coredns')
  const containerd = options.containerd === '2' ? join(await built('containerd'), 'containerd') : 'containerd'
  const bed = await openBed(options.prefix)
  try {
    const plan = addressPlan(family)
    const underlay = createUnderlay(bed, plan, nodeCount)
    startResolver(bed, underlay, plan)
    const specs = underlay.nodes.map((namespace, i) => ({ name: `n${i + 1}`, namespace, index: i + 1 }))
    const server = serverUrl(plan)
    await makeIdentities(bed, plan, specs, server)
    const api = apiClient(specs[0]?.namespace ?? '', server, join(bed.dir, 'pki'))
    const images = [image(BUSYBOX, bed.dir), image({ ...COREDNS_IMAGE, binaries: [join(coredns, 'coredns')] }, coredns)]
    const [runtimes] = await Promise.all([
      Promise.all(specs.map((node) => startContainerd(bed, node, plan, containerd))),
      startControlPlane(bed, specs[0]?.namespace ?? '', hyper, plan, api),
    ])
    const apply = async (objects: readonly KubeObject[]) => {
      for (const object of objects) await api(collectionOf(object), { method: 'POST', body: object })
    }
    await apply(specs.map((node) => nodeObject(node, plan)))
    const nodes = specs.map((node, i): ClusterNode => {
      const socket = runtimes[i]?.socket ?? ''
      for (const tar of images) runtimes[i]?.load(tar)
      startKubelet(bed, node, hyper, plan, socket)
      const proxy = () => startProxy(bed, node, hyper, plan, proxyMode)
      const started: ClusterNode = {
        ...node,
        addresses: plan.node(node.index),
        socket,
        proxy: proxy(),
        restartProxy: () => {
          started.proxy = proxy()
        },
      }
      return started
    })
    connectOverlay(underlay.nodes, plan)
    await apply(workloads(plan.dnsService[0] ?? ''))
    const cluster: Cluster = {
      plan,
      underlay,
      nodes,
      kubeconfig: join(bed.dir, 'pki/admin.kubeconfig'),
      dir: bed.dir,
      api,
      apply,
      pods: () => listPods(api),
      waitReady: (count) => waitReady(api, count),
      stop: () => bed.close(),
    }
    await cluster.waitReady(WORKLOAD_PODS)
    return cluster
  } catch (error) {
    await bed.close()
    throw error
  }
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
