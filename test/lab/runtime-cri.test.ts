/** The recorded answers of four runtimes, over a real gRPC socket, lead to the namespace of a live process. */
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Server } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { listPods, locatePod, type PodQuery } from '../../lib/runtime/index.ts'
import { ip } from '../bed/namespace.ts'
import { locateIn, pod, query, type Recorded, recorded, runtimeBed, serveCri } from './runtime-bed.ts'

let bed: Awaited<ReturnType<typeof runtimeBed>>
const servers: Server[] = []
let count = 0

beforeAll(async () => {
  bed = await runtimeBed('rt')
})
afterEach(() => {
  for (const server of servers.splice(0)) server.forceShutdown()
})
afterAll(() => bed.remove())

async function endpointOf(answers: Recorded): Promise<string> {
  const path = join(bed.dir, `${count++}.sock`)
  servers.push(await serveCri(answers, path))
  return `unix://${path}`
}

async function locate(answers: Recorded, parts: Partial<PodQuery>) {
  const endpoint = await endpointOf(answers)
  return locatePod(query(parts), { ...bed.options, endpoint })
}

const GONE = 4_194_300
const BBOX = { namespace: 'default', prefix: 'bbox' }

describe.each([
  ['containerd-1.6', /^CRI containerd 1\.6\.20~ds1 at \//],
  ['containerd-2.4', /^CRI containerd 2\.4\.\S+ at \//],
] as const)('%s', (file, title) => {
  test('the sandbox has its own process and a pinned namespace', async () => {
    const answers = recorded(file)
    const bbox = pod(answers, 'bbox')
    bbox.pid(bed.a.pid)
    bbox.pinned(bed.a.path)
    const fact = await locate(answers, { namespace: 'default', name: bbox.item.metadata.name })
    expect(fact).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, pid: bed.a.pid, hostNetwork: false, uid: bbox.item.metadata.uid },
    })
    if (fact.state !== 'known') return
    expect(fact.value.foundBy).toMatch(title)
    expect(fact.value.addresses).toHaveLength(2)
    expect(fact.value.labels).toMatchObject({ app: 'bbox' })
  })

  test('the process alone is enough where the pinned namespace is not mounted', async () => {
    const answers = recorded(file)
    const bbox = pod(answers, 'bbox')
    bbox.pid(bed.a.pid)
    bbox.pinned('/var/run/netns/cni-00000000-0000-0000-0000-000000000000')
    const fact = await locate(answers, { name: bbox.item.metadata.name })
    expect(fact).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, netnsPath: `/proc/${bed.a.pid}/ns/net` },
    })
  })

  test('a hostNetwork pod has no network entry and is in the node’s namespace', async () => {
    const answers = recorded(file)
    const bbox = pod(answers, 'bbox')
    bbox.pid(bed.node.pid)
    bbox.pinned(null)
    bbox.answer.status.network = {}
    bbox.answer.status.linux = { namespaces: { options: { network: 'NODE' } } }
    const fact = await locate(answers, { name: bbox.item.metadata.name })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.node.inode, hostNetwork: true } })
  })
})

describe('CRI-O', () => {
  test('without infra container: the pinned namespace, and a process of the running container', async () => {
    const answers = recorded('cri-o-1.37')
    const bbox = pod(answers, 'bbox-a')
    bbox.pinned(bed.a.path)
    bbox.container(bed.a.pid)
    const fact = await locate(answers, { name: 'bbox-a' })
    expect(fact).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, netnsPath: bed.a.path, pid: bed.a.pid, hostNetwork: false },
    })
  })

  test('without infra container and without a running one: the pinned namespace alone', async () => {
    const answers = recorded('cri-o-1.37')
    pod(answers, 'bbox-a').pinned(bed.a.path)
    answers.ListContainers.containers = []
    const fact = await locate(answers, { name: 'bbox-a' })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.a.inode, pid: null } })
  })

  test('the pinned namespace is found below the root of process 1 where it is not mounted here', async () => {
    const answers = recorded('cri-o-1.37')
    pod(answers, 'bbox-a').pinned(`/var${bed.a.path}`)
    answers.ListContainers.containers = []
    const hidden = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /run/netns && exec "$@"', 'sh']
    const procRoot = join(bed.dir, 'proc')
    mkdirSync(procRoot)
    symlinkSync(`/proc/${bed.b.pid}`, join(procRoot, '1'))
    const options = { ...bed.options, procRoot, endpoint: await endpointOf(answers) }
    expect(await locateIn(hidden, query({ name: 'bbox-a' }), options)).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, netnsPath: `${procRoot}/1/root${bed.a.path}` },
    })
  })

  test('with infra container: its process', async () => {
    const answers = recorded('cri-o-1.37')
    const bbox = pod(answers, 'bbox-a')
    bbox.pid(bed.a.pid)
    bbox.pinned('/var/run/netns/00000000-0000-0000-0000-000000000000')
    expect(await locate(answers, { name: 'bbox-a' })).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
  })

  test('a hostNetwork pod lists the node’s namespace as its own', async () => {
    const answers = recorded('cri-o-1.37')
    const bbox = pod(answers, 'bbox-h')
    bbox.pinned(bed.node.path)
    bbox.container(bed.node.pid)
    const fact = await locate(answers, { name: 'bbox-h' })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.node.inode, hostNetwork: true } })
  })

  test('a hostNetwork pod is told by the inode where the runtime does not name the mode', async () => {
    const answers = recorded('cri-o-1.37')
    const bbox = pod(answers, 'bbox-h')
    bbox.pinned(bed.node.path)
    delete bbox.answer.status.linux
    expect(await locate(answers, { name: 'bbox-h' })).toMatchObject({ state: 'known', value: { hostNetwork: true } })
  })
})

describe('cri-dockerd', () => {
  function ready(): Recorded {
    const answers = recorded('cri-dockerd')
    for (const one of [...answers.ListPodSandbox.items, ...answers.PodSandboxStatus.map(({ status }) => status)])
      one.state = 'SANDBOX_READY'
    return answers
  }

  test('has no verbose information: the process of a running container', async () => {
    const answers = ready()
    pod(answers, 'bbox-a').container(bed.a.pid)
    expect(await locate(answers, { name: 'bbox-a' })).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, pid: bed.a.pid, runtimeHandler: 'runc' },
    })
  })

  test('a pod without running containers cannot be found, and the sentence says where to look', async () => {
    expect(await locate(ready(), { name: 'bbox-a' })).toMatchObject({
      code: 'NAMESPACE_GONE',
      reason: expect.stringContaining('default/bbox-a'),
      hint: expect.stringContaining('docker.sock'),
    })
  })

  test('a hostNetwork pod without running containers is in the node’s namespace', async () => {
    expect(await locate(ready(), { name: 'bbox-h' })).toMatchObject({
      state: 'known',
      value: { netns: bed.node.inode, netnsPath: bed.node.path, hostNetwork: true, pid: null },
    })
  })

  test('a sandbox that failed to start is not running', async () => {
    expect(await locate(recorded('cri-dockerd'), { name: 'bbox-a' })).toMatchObject({ code: 'POD_NOT_RUNNING' })
  })
})

describe('which pod', () => {
  /** bbox in namespace a; copies of it with other fields put in front and behind. */
  function copies(
    ...changes: { uid?: string; namespace?: string; state?: string; later?: number; pid: number; path: string }[]
  ) {
    const answers = recorded('containerd-1.6')
    const bbox = pod(answers, 'bbox')
    bbox.pid(bed.a.pid)
    bbox.pinned(bed.a.path)
    changes.forEach((change, index) => {
      const one = recorded('containerd-1.6')
      const copy = pod(one, 'bbox')
      copy.pid(change.pid)
      copy.pinned(change.path)
      for (const named of [copy.item, copy.answer.status]) {
        named.id = `${index}`.padEnd(64, '0')
        named.metadata.attempt = index + 1
        named.created_at = String(BigInt(named.created_at) + BigInt(change.later ?? 0) * 1_000_000_000n)
        named.metadata.uid = change.uid ?? named.metadata.uid
        named.metadata.namespace = change.namespace ?? named.metadata.namespace
        if (change.state !== undefined) named.state = change.state
      }
      const put = index % 2 === 0 ? 'unshift' : 'push'
      answers.ListPodSandbox.items[put](copy.item)
      answers.PodSandboxStatus[put](copy.answer)
    })
    return { answers, name: bbox.item.metadata.name, uid: bbox.item.metadata.uid }
  }
  const elsewhere = () => ({ pid: bed.b.pid, path: bed.b.path })

  test('old attempts linger: the ready one, though an ended one is newer', async () => {
    const { answers, name } = copies(
      { state: 'SANDBOX_NOTREADY', later: -60, ...elsewhere() },
      { state: 'SANDBOX_NOTREADY', later: 60, ...elsewhere() },
    )
    expect(await locate(answers, { name })).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
  })

  test('two ready attempts: the newer one', async () => {
    const { answers, name } = copies({ later: 60, ...elsewhere() }, { later: -60, ...elsewhere() })
    expect(await locate(answers, { name })).toMatchObject({ state: 'known', value: { netns: bed.b.inode } })
  })

  test('one name in two namespaces is ambiguous, and clear with its namespace', async () => {
    const { answers, name } = copies({
      namespace: 'other',
      uid: 'ffffffff-0000-4000-8000-000000000000',
      ...elsewhere(),
    })
    expect(await locate(answers, { name })).toMatchObject({
      code: 'POD_AMBIGUOUS',
      reason: expect.stringMatching(new RegExp(`default/${name}, other/${name}|other/${name}, default/${name}`)),
    })
    const fact = await locate(answers, { name, namespace: 'other' })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.b.inode, namespace: 'other' } })
  })

  test('a static pod is found though the API knows it by another uid', async () => {
    const { answers, name } = copies()
    const hash = '0123456789abcdef0123456789abcdef'
    for (const named of [pod(answers, name).item, pod(answers, name).answer.status]) {
      named.metadata.uid = hash
      named.annotations = { 'kubernetes.io/config.source': 'file', 'kubernetes.io/config.hash': hash }
    }
    const api = 'dddddddd-0000-4000-8000-000000000000'
    const fact = await locate(answers, { namespace: 'default', name, uid: api })
    expect(fact).toMatchObject({ state: 'known', value: { netns: bed.a.inode, uid: hash } })
  })

  test('a former pod of the same name is not the one that the API means', async () => {
    const { answers, name, uid } = copies()
    const fact = await locate(answers, { namespace: 'default', name, uid: 'dddddddd-0000-4000-8000-000000000000' })
    expect(fact).toMatchObject({ code: 'POD_NOT_RUNNING', reason: expect.stringContaining(uid) })
  })

  test('a prefix takes the first of a workload’s replicas, and is ambiguous between workloads', async () => {
    const answers = recorded('containerd-1.6')
    for (const [index, name] of ['web-64957f6c7b-jdm5x', 'web-64957f6c7b-q9l6p'].entries()) {
      pod(answers, name).pid((index === 0 ? bed.a : bed.b).pid)
      pod(answers, name).pinned((index === 0 ? bed.a : bed.b).path)
    }
    expect(await locate(answers, { prefix: 'web' })).toMatchObject({
      state: 'known',
      value: { name: 'web-64957f6c7b-jdm5x', netns: bed.a.inode },
    })
    expect(await locate(answers, { prefix: '' })).toMatchObject({ code: 'POD_AMBIGUOUS' })
  })

  test('an unknown name gets the closest ones', async () => {
    expect(await locate(recorded('containerd-1.6'), { namespace: 'default', name: 'bbx' })).toMatchObject({
      code: 'POD_NOT_ON_NODE',
      reason: expect.stringContaining('default/bbx'),
      hint: expect.stringContaining('default/bbox-7c6b5c99c8-ph2j6'),
    })
  })

  test('all ready pods are listed, ended ones are not', async () => {
    const { answers, name } = copies({ namespace: 'other', state: 'SANDBOX_NOTREADY', ...elsewhere() })
    const fact = await listPods({ ...bed.options, endpoint: await endpointOf(answers) })
    expect(fact).toMatchObject({ state: 'known' })
    if (fact.state !== 'known') return
    expect(fact.value).toHaveLength(recorded('containerd-1.6').ListPodSandbox.items.length)
    expect(fact.value).toContainEqual(
      expect.objectContaining({ namespace: 'default', name, workload: 'bbox', createdAt: '2026-11-22T18:45:51.082Z' }),
    )
  })
})

describe('a process id that misleads', () => {
  function misled(pid: number, path: string | null) {
    const answers = recorded('containerd-1.6')
    const bbox = pod(answers, 'bbox')
    bbox.pid(pid)
    bbox.pinned(path)
    answers.ListContainers.containers = []
    return { answers, bbox }
  }

  test('ended: the pinned namespace stands', async () => {
    const { answers } = misled(GONE, bed.a.path)
    expect(await locate(answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.a.inode, pid: null } })
  })

  test('reused by a process of another namespace: the pinned namespace stands', async () => {
    const { answers } = misled(bed.b.pid, bed.a.path)
    expect(await locate(answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.a.inode, pid: null } })
  })

  test('ended and nothing pinned: the running container', async () => {
    const { answers, bbox } = misled(GONE, null)
    bbox.container(bed.a.pid)
    expect(await locate(answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.a.inode, pid: bed.a.pid } })
  })

  test('ended and nothing else: the namespace is gone', async () => {
    const { answers } = misled(GONE, null)
    expect(await locate(answers, BBOX)).toMatchObject({
      code: 'NAMESPACE_GONE',
      reason: expect.stringContaining(`process ${GONE}`),
    })
  })

  test.each(['process', 'pinned'])('in the node’s own namespace (%s): never taken for the pod’s', async (way) => {
    const { answers } = misled(way === 'process' ? bed.node.pid : GONE, way === 'process' ? null : bed.node.path)
    expect(await locate(answers, BBOX)).toMatchObject({ code: 'NAMESPACE_GONE' })
  })

  test('in a namespace that holds other addresses: refused', async () => {
    ip(`-n ${bed.b.name} addr add 198.51.100.9/32 dev lo`)
    const { answers } = misled(bed.b.pid, null)
    expect(await locate(answers, BBOX)).toMatchObject({
      code: 'NAMESPACE_GONE',
      reason: expect.stringContaining('198.51.100.9'),
    })
    ip(`-n ${bed.b.name} addr add 198.18.1.2/32 dev lo`)
    expect(await locate(answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.b.inode } })
    ip(`-n ${bed.b.name} addr flush dev lo`)
  })

  test('of a hostNetwork pod, reused in another namespace: the node’s namespace', async () => {
    const { answers, bbox } = misled(bed.b.pid, null)
    bbox.answer.status.network = {}
    bbox.answer.status.linux = { namespaces: { options: { network: 'NODE' } } }
    expect(await locate(answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.node.inode, pid: null } })
  })

  test('an ordinary file is no pinned namespace', async () => {
    const { answers } = misled(GONE, join(bed.dir, 'log'))
    expect(await locate(answers, BBOX)).toMatchObject({ code: 'NAMESPACE_GONE' })
  })
})

describe('sandboxed runtimes', () => {
  function bbox(file: string, name: string) {
    const answers = recorded(file)
    const one = pod(answers, name)
    one.pid(bed.a.pid)
    one.pinned(bed.a.path)
    return { answers, one }
  }

  test.each(['runsc', 'gvisor', 'kata', 'kata-qemu'])('runtime handler %s', async (handler) => {
    const { answers, one } = bbox('cri-o-1.37', 'bbox-a')
    one.answer.status.runtime_handler = handler
    expect(await locate(answers, { name: 'bbox-a' })).toMatchObject({
      code: 'SANDBOXED_RUNTIME',
      reason: expect.stringContaining(handler),
    })
  })

  test.each(['io.containerd.runsc.v1', 'io.containerd.kata.v2'])('runtime type %s', async (type) => {
    const { answers, one } = bbox('containerd-2.4', 'bbox')
    one.info((info) => {
      info.runtimeType = type
    })
    expect(await locate(answers, { name: one.item.metadata.name })).toMatchObject({ code: 'SANDBOXED_RUNTIME' })
  })

  test('eth0 without an address: gVisor, but a broken pod where the runtime is runc', async () => {
    ip(`-n ${bed.a.name} link add eth0 type veth peer name peer0`)
    ip(`-n ${bed.a.name} link set eth0 up`)
    const crio = bbox('cri-o-1.37', 'bbox-a')
    expect(await locate(crio.answers, { name: 'bbox-a' })).toMatchObject({ code: 'SANDBOXED_RUNTIME' })
    const runc = bbox('containerd-1.6', 'bbox')
    expect(await locate(runc.answers, BBOX)).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
    ip(`-n ${bed.a.name} link del eth0`)
    expect(await locate(crio.answers, { name: 'bbox-a' })).toMatchObject({ state: 'known' })
  })

  test('tap0_kata beside eth0: Kata', async () => {
    ip(`-n ${bed.a.name} link add tap0_kata type veth peer name peer0`)
    const { answers } = bbox('containerd-1.6', 'bbox')
    expect(await locate(answers, BBOX)).toMatchObject({ code: 'SANDBOXED_RUNTIME' })
    ip(`-n ${bed.a.name} link del tap0_kata`)
  })
})
