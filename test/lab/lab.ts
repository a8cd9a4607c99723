/**
 * The lab: two nodes in network namespaces with real containerd, runc and CNI, VXLAN between them, an outside host, pods and
 * ClusterIPs; only the API server is a stand-in. Up in a few seconds; all of it is gone after stop(), or when its owner ends in any way.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AddressPlan, addressPlan, type Families } from '../bed/addresses.ts'
import type { KubeObject } from '../bed/api-standin-objects.ts'
import { type Bed, openBed } from '../bed/bed.ts'
import { type NodeSpec, startContainerd } from '../bed/containerd.ts'
import { BUSYBOX, buildImage } from '../bed/image.ts'
import { connectOverlay } from '../bed/overlay.ts'
import { createUnderlay, type Underlay } from '../bed/underlay.ts'
import { kubeconfig, type LabApi, makePki, type Pki, startApi } from './lab-api.ts'
import { clusterIPs, dnsNames, labObjects, virtualPorts } from './lab-objects.ts'
import { type LabPods, startPods } from './lab-pods.ts'
import { serveClusterIPs } from './lab-services.ts'

export interface LabOptions {
  readonly family?: Families
  /** Of the namespaces; one lab at a time has a prefix. */
  readonly prefix?: string
}

export interface LabNode extends NodeSpec {
  readonly addresses: readonly string[]
  /** Path of the CRI socket. */
  readonly socket: string
}

export interface Lab {
  readonly plan: AddressPlan
  readonly underlay: Underlay
  readonly nodes: readonly [LabNode, LabNode]
  readonly pods: LabPods
  readonly api: LabApi
  readonly pki: Pki
  /** What the API server knows at the start. */
  readonly objects: readonly KubeObject[]
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string
  /** For files of tests; gone after stop(). */
  readonly dir: string
  /** Writes a kubeconfig, or any text in its place, and returns its path. */
  writeKubeconfig(name: string, content: object | string): string
  stop(): Promise<void>
}

export async function startLab({ family = 'dual', prefix = 'lb' }: LabOptions = {}): Promise<Lab> {
  const bed = await openBed(prefix)
  try {
    return await build(bed, addressPlan(family))
  } catch (error) {
    await bed.close()
    throw error
  }
}

async function build(bed: Bed, plan: AddressPlan): Promise<Lab> {
  const underlay = createUnderlay(bed, plan, 2)
  const image = join(bed.dir, 'bbox.tar')
  buildImage(BUSYBOX, image)
  const nodes = await startNodes(bed, underlay, plan, image)
  connectOverlay(underlay.nodes, plan)
  const ips = clusterIPs(plan)
  const pki = makePki(plan, ips.kubernetes)
  const pods = await startPods(bed, nodes, plan, dnsNames(ips, plan.outside))
  for (const { namespace } of nodes) serveClusterIPs(namespace, virtualPorts(ips, pods, plan), plan)
  const objects = labObjects(nodes, pods, ips, pki.ca, plan)
  const api = await startApi(bed, nodes[0].namespace, pki, plan, objects)
  const writeKubeconfig = (name: string, content: object | string) => {
    const path = join(bed.dir, `${name}.kubeconfig`)
    // JSON is YAML
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
    return path
  }
  return {
    plan,
    underlay,
    nodes,
    pods,
    api,
    pki,
    objects,
    kubeconfig: writeKubeconfig('admin', kubeconfig(pki, plan)),
    dir: bed.dir,
    writeKubeconfig,
    stop: () => bed.close(),
  }
}

async function startNodes(
  bed: Bed,
  { nodes }: Underlay,
  plan: AddressPlan,
  image: string,
): Promise<[LabNode, LabNode]> {
  const start = async (index: 1 | 2): Promise<LabNode> => {
    const spec: NodeSpec = { name: `n${index}`, namespace: nodes[index - 1] ?? '', index }
    const { socket, load } = await startContainerd(bed, spec, plan)
    load(image)
    return { ...spec, addresses: plan.node(index), socket }
  }
  return Promise.all([start(1), start(2)])
}
