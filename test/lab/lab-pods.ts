/** The lab's pods: one to ask from, a web service, a cluster DNS of two replicas, and one pod that listens on nothing. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AddressPlan } from '../bed/addresses.ts'
import type { Bed } from '../bed/bed.ts'
import { httpServer, type RunningPod, runPod } from '../bed/pod.ts'
import type { LabNode } from './lab.ts'

export const WEB_PORT = 8080
const DNS_PORT = 53
export const DOMAIN = 'cluster.local'

interface PodPlan {
  readonly name: string
  readonly namespace: string
  /** Number of its node, from 1. */
  readonly on: 1 | 2
  readonly labels: Readonly<Record<string, string>>
  /** As the stand-in's objects want it: "Deployment/web". */
  readonly owner?: string
  readonly serves?: 'http' | 'dns'
  /** Ports that its container declares. */
  readonly ports?: readonly number[]
}

const web = (suffix: string, on: 1 | 2): PodPlan => ({
  name: `web-6f9d8c7b5d-${suffix}`,
  namespace: 'default',
  on,
  labels: { app: 'web' },
  owner: 'Deployment/web',
  serves: 'http',
  ports: [WEB_PORT],
})

const dns = (suffix: string, on: 1 | 2): PodPlan => ({
  name: `coredns-7db6d8ff4d-${suffix}`,
  namespace: 'kube-system',
  on,
  labels: { 'k8s-app': 'kube-dns' },
  owner: 'Deployment/coredns',
  serves: 'dns',
})

const bbox = (suffix: string, on: 1 | 2): PodPlan => ({
  name: `bbox-5d4f7c9b8c-${suffix}`,
  namespace: 'default',
  on,
  labels: { app: 'bbox' },
  owner: 'Deployment/bbox',
})

/** `web2` is the endpoint on the other node that is picked as destination, `web3` the one that is not. */
const PODS = {
  bbox: bbox('aaaaa', 1),
  bbox2: bbox('bbbbb', 2),
  web1: web('aaaaa', 1),
  web2: web('bbbbb', 2),
  web3: web('ccccc', 2),
  dns1: dns('aaaaa', 1),
  dns2: dns('bbbbb', 2),
  mute: { name: 'mute', namespace: 'default', on: 2, labels: { app: 'mute' }, ports: [WEB_PORT] },
} as const satisfies Record<string, PodPlan>

export type PodKey = keyof typeof PODS
export type LabPod = PodPlan & RunningPod
export type LabPods = Readonly<Record<PodKey, LabPod>>

/** Starts all pods and waits until what they serve is listened on. `names`: what the cluster's DNS answers. */
export async function startPods(
  bed: Bed,
  nodes: readonly [LabNode, LabNode],
  plan: AddressPlan,
  names: Readonly<Record<string, readonly string[]>>,
): Promise<LabPods> {
  const entries = Object.entries(PODS as Readonly<Record<string, PodPlan>>)
  const started = await Promise.all(
    entries.map(async ([key, pod]) => [
      key,
      { ...pod, ...(await start(bed, nodes[pod.on - 1] as LabNode, plan, pod)) },
    ]),
  )
  const pods = Object.fromEntries(started) as Record<PodKey, LabPod>
  for (const pod of Object.values(pods)) if (pod.serves === 'dns') serveDns(bed, pod, names)
  await Promise.all(Object.values(pods).map(listens))
  return pods
}

function start(bed: Bed, node: LabNode, plan: AddressPlan, pod: PodPlan): Promise<RunningPod> {
  const searches = [`${pod.namespace}.svc.${DOMAIN}`, `svc.${DOMAIN}`, DOMAIN]
  return runPod(bed, node, node.socket, {
    name: pod.name,
    namespace: pod.namespace,
    uid: randomUUID(),
    labels: pod.labels,
    ...(pod.serves === 'http' ? { command: httpServer(WEB_PORT) } : {}),
    dns: { servers: plan.dnsService, searches, options: ['ndots:5'] },
  })
}

/** CoreDNS needs Go to build: dnsmasq in the pod's network namespace knows the same names, with NODATA for the other family. */
function serveDns(bed: Bed, pod: LabPod, names: Readonly<Record<string, readonly string[]>>): void {
  const records = Object.entries(names).map(([name, addresses]) => `--host-record=${[name, ...addresses].join(',')}`)
  bed.start(bed.namespace(`n${pod.on}`), `dnsmasq-${pod.on}`, [
    ...['nsenter', `--net=${pod.netns}`, 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--user=root'],
    ...['--no-hosts', '--no-resolv', '--local=/#/', `--pid-file=${join(bed.dir, `dnsmasq-${pod.on}.pid`)}`, ...records],
  ])
}

/** Waits for a listening socket: state 0A in /proc/<pid>/net/tcp, proc_pid_net(5). */
async function listens({ name, pid, serves }: LabPod): Promise<void> {
  if (!serves) return
  const port = serves === 'http' ? WEB_PORT : DNS_PORT
  const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 0A `)
  const read = (file: string) => readFileSync(`/proc/${pid}/net/${file}`, 'utf8')
  for (let tries = 0; !listening.test(read('tcp') + read('tcp6')); tries++) {
    if (tries === 100) throw new Error(`pod ${name} does not listen on port ${port}`)
    await sleep(50)
  }
}
