/** One containerd for each node of a test bed: own state, socket and CNI configuration; one cgroup each. */
import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { AddressPlan } from './addresses.ts'
import type { Bed, Daemon } from './bed.ts'
import { BUSYBOX } from './image.ts'
import { networkName, run } from './namespace.ts'

export interface Containerd {
  readonly daemon: Daemon
  /** Path of the CRI socket. */
  readonly socket: string
  /** Loads an OCI layout tar for Kubernetes to use. */
  load(tar: string): void
}

/** Copies of directories: what works on any file system. */
export const SNAPSHOTTER = 'native'

export interface NodeSpec {
  /** Short name: n1. */
  readonly name: string
  /** Full name of its network namespace. */
  readonly namespace: string
  /** Its number, from 1. */
  readonly index: number
}

/**
 * Starts containerd on a node and waits until it answers. `binary`: a containerd with its shim beside it, or
 * "containerd" for the machine's own.
 */
export async function startContainerd(
  bed: Bed,
  node: NodeSpec,
  plan: AddressPlan,
  binary = 'containerd',
): Promise<Containerd> {
  const dir = join(bed.dir, node.name)
  const socket = join(dir, 'containerd.sock')
  mkdirSync(join(dir, 'cni'), { recursive: true })
  writeFileSync(join(dir, 'cni/10-bed.conflist'), JSON.stringify(cniConfig(bed.prefix, node.index, dir, plan)))
  writeFileSync(join(dir, 'containerd.toml'), containerdConfig(dir, socket))
  makeCgroup(cgroupOf(bed, node))
  const { PATH = '' } = process.env
  const path = binary.includes('/') ? `${dirname(binary)}:${PATH}` : PATH
  const daemon = bed.start(node.namespace, 'containerd', [binary, '-c', join(dir, 'containerd.toml')], {
    PATH: path,
  })
  const ctr = (...args: string[]) => run('ctr', ['-a', socket, ...args])
  await answers(daemon, () => ctr('version'))
  return { daemon, socket, load: (tar) => void ctr('-n', 'k8s.io', 'images', 'import', tar) }
}

/**
 * Loads an OCI layout tar, its layers compressed or not, into the containerd at `socket`; Kubernetes' images are in k8s.io. Without blocking
 * this process: hundreds of megabytes take a while.
 */
export async function importImage(socket: string, tar: string, namespace = 'k8s.io'): Promise<void> {
  const args = ['-a', socket, '-n', namespace, 'images', 'import', '--snapshotter', SNAPSHOTTER, tar]
  await promisify(execFile)('ctr', args, { maxBuffer: 1 << 24 })
}

/** Name of a node's cgroup: the parent of its pods in every hierarchy. */
export const cgroupOf = (bed: Bed, node: NodeSpec): string => `${bed.prefix}-${node.name}`

async function answers(daemon: Daemon, question: () => unknown): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      question()
      return
    } catch (error) {
      if (!daemon.running() || tries === 99) {
        throw new Error(`${daemon.name} does not answer; its output ends: ${tail(daemon.log)}`, { cause: error })
      }
      await sleep(100)
    }
  }
}

/** The last lines of a daemon's output. */
export const tail = (log: string): string =>
  existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-5).join('\n') : ''

function makeCgroup(name: string): void {
  const root = '/sys/fs/cgroup'
  if (existsSync(join(root, 'cgroup.controllers'))) {
    // version 2: a child has only the controllers that its parent passes on
    const controllers = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ')
    const passOn = controllers.map((controller) => `+${controller}`).join(' ')
    mkdirSync(join(root, name), { recursive: true })
    appendFileSync(join(root, 'cgroup.subtree_control'), passOn)
    appendFileSync(join(root, name, 'cgroup.subtree_control'), passOn)
    return
  }
  for (const hierarchy of readdirSync(root)) mkdirSync(join(root, hierarchy, name), { recursive: true })
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    // a new cpuset holds nothing, and nothing can run in it: cpuset(7)
    writeFileSync(join(root, 'cpuset', name, file), readFileSync(join(root, 'cpuset', file)))
  }
}

function containerdConfig(dir: string, socket: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"'
  return `version = 2
root = "${dir}/containerd/root"
state = "${dir}/containerd/state"
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
[${cri}]
  sandbox_image = "${BUSYBOX.name}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [${cri}.containerd]
    snapshotter = "${SNAPSHOTTER}"
  [${cri}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
`
}

/** Bridge plug-in with host-local addresses; it sets the default routes of both families itself. */
function cniConfig(prefix: string, i: number, dir: string, plan: AddressPlan): object {
  const ranges = plan.podSubnet(i).map((subnet) => [{ subnet }])
  return {
    cniVersion: '0.4.0',
    name: networkName(prefix),
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isDefaultGateway: true,
        hairpinMode: true,
        mtu: plan.podMtu,
        ipam: { type: 'host-local', dataDir: `${dir}/ipam`, ranges },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
}
