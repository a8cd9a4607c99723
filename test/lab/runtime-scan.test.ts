/** Without a socket: real processes in real cgroups that are named as kubelets name them. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { locatePod } from '../../lib/runtime/index.ts'
import { ip } from '../bed/namespace.ts'
import { locateIn, pod, query, recorded, runtimeBed, serveCri } from './runtime-bed.ts'

let bed: Awaited<ReturnType<typeof runtimeBed>>
const made: string[] = []
const UID = 'a0000001-0000-4000-8000-00000000000a'
const OTHER = 'b0000002-0000-4000-8000-00000000000b'
const STATIC = '00112233445566778899aabbccddeeff'
const CONTAINER = 'f'.repeat(64)

/** The hierarchy that tests use: the only one of cgroup v2, or v1's pids controller. */
const hierarchy = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids'
const home = (readFileSync('/proc/self/cgroup', 'utf8').match(/^\d+:pids:(.*)$|^0::(.*)$/m) ?? []).slice(1).join('')

/** Moves a process into a cgroup below one of this test's own. */
function place(pid: number, path: string): void {
  let dir = join(hierarchy, 'rtc')
  for (const part of ['', ...path.split('/')]) {
    dir = join(dir, part)
    if (!existsSync(dir)) {
      mkdirSync(dir)
      made.push(dir)
    }
  }
  writeFileSync(join(dir, 'cgroup.procs'), String(pid))
}
const goHome = (pid: number): void => writeFileSync(join(hierarchy, home, 'cgroup.procs'), String(pid))
const systemd = (uid: string, id = `cri-containerd-${CONTAINER}`) =>
  `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice/${id}.scope`
const cgroupfs = (uid: string, id = CONTAINER) => `kubepods/burstable/pod${uid}/${id}`

beforeAll(async () => {
  bed = await runtimeBed('rtc')
  ip(`-n ${bed.a.name} addr add 198.51.100.7/32 dev lo`)
  ip(`-n ${bed.a.name} addr add 2001:db8:51::7/128 dev lo`)
  ip(`-n ${bed.b.name} addr add 198.51.100.8/32 dev lo`)
  ip(`-n ${bed.node.name} addr add 192.0.2.1/32 dev lo`)
})
beforeEach(() => {
  for (const { pid } of [bed.a, bed.b, bed.node]) goHome(pid)
})
afterAll(async () => {
  await bed.remove()
  for (const dir of made.reverse()) rmdirSync(dir)
})

const scan = (parts: Parameters<typeof query>[0]) =>
  locatePod(query({ namespace: 'default', name: 'bbox', ...parts }), bed.options)

describe('by uid', () => {
  test.each([
    ['cgroupfs', cgroupfs],
    ['systemd', systemd],
  ] as const)('%s', async (_, path) => {
    place(bed.a.pid, path(UID))
    place(bed.b.pid, path(OTHER))
    expect(await scan({ uid: UID })).toMatchObject({
      state: 'known',
      value: {
        namespace: 'default',
        name: 'bbox',
        uid: UID,
        netns: bed.a.inode,
        pid: bed.a.pid,
        hostNetwork: false,
        addresses: ['198.51.100.7', '2001:db8:51::7'],
        foundBy: 'cgroup scan of /proc',
      },
    })
  })

  test('a pod that is only in the node’s namespace is hostNetwork', async () => {
    place(bed.node.pid, systemd(UID))
    expect(await scan({ uid: UID })).toMatchObject({
      state: 'known',
      value: { netns: bed.node.inode, netnsPath: bed.node.path, hostNetwork: true },
    })
  })

  test('a hostNetwork pod has the node’s addresses: another one contradicts', async () => {
    place(bed.node.pid, systemd(UID))
    expect(await scan({ uid: UID, addresses: ['192.0.2.1'] })).toMatchObject({ value: { hostNetwork: true } })
    expect(await scan({ uid: UID, addresses: ['198.51.100.99'] })).toMatchObject({ code: 'NAMESPACE_GONE' })
  })

  test('conmon in the pod’s cgroup is older, but not the pod', async () => {
    place(bed.node.pid, cgroupfs(UID, `crio-conmon-${CONTAINER}`))
    const later = await bed.start(bed.a.name)
    place(later.pid, cgroupfs(UID, `crio-${CONTAINER}`))
    expect(await scan({ uid: UID })).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, hostNetwork: false },
    })
    goHome(later.pid)
  })

  test('a process of the pod that made a namespace of its own is not the pod', async () => {
    place(bed.a.pid, systemd(UID))
    const nested = await bed.start(bed.b.name)
    place(nested.pid, systemd(UID, `cri-containerd-${'e'.repeat(64)}`))
    expect(await scan({ uid: UID })).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
    expect(await scan({ uid: UID, addresses: ['198.51.100.8'] })).toMatchObject({
      state: 'known',
      value: { netns: bed.b.inode },
    })
    goHome(nested.pid)
  })

  test('a hostNetwork pod with a nested namespace stays on the node', async () => {
    place(bed.node.pid, systemd(UID))
    const nested = await bed.start(bed.b.name)
    place(nested.pid, systemd(UID))
    expect(await scan({ uid: UID })).toMatchObject({ state: 'known', value: { hostNetwork: true } })
    goHome(nested.pid)
  })

  test('seen from a private cgroup namespace', async () => {
    place(bed.a.pid, cgroupfs(UID))
    const wanted = query({ name: 'bbox', uid: UID })
    expect(await locateIn(['unshare', '-C'], wanted, bed.options)).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode },
    })
  })

  test('without CAP_SYS_PTRACE the capability is named', async () => {
    place(bed.a.pid, cgroupfs(UID))
    const wanted = query({ name: 'bbox', uid: UID })
    expect(await locateIn(['setpriv', '--bounding-set=-sys_ptrace'], wanted, bed.options)).toMatchObject({
      code: 'PERMISSION_MISSING',
      hint: expect.stringContaining('CAP_SYS_PTRACE'),
    })
  })
})

describe('by address', () => {
  const API = 'dddddddd-0000-4000-8000-000000000000'

  test.each(['198.51.100.7', '2001:db8:51:0::7'])('a static pod holds %s', async (address) => {
    place(bed.a.pid, systemd(STATIC))
    place(bed.b.pid, systemd(OTHER))
    expect(await scan({ uid: API, addresses: [address] })).toMatchObject({
      state: 'known',
      value: { netns: bed.a.inode, uid: STATIC },
    })
  })

  test('without a uid any pod counts', async () => {
    place(bed.a.pid, cgroupfs(UID))
    expect(await scan({ addresses: ['198.51.100.7'] })).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
  })

  test('another pod of the API that holds the address is not the one that is meant', async () => {
    place(bed.a.pid, cgroupfs(OTHER))
    expect(await scan({ uid: API, addresses: ['198.51.100.7'] })).toMatchObject({ code: 'POD_NOT_ON_NODE' })
  })

  test('the node’s own namespace is never taken for the pod’s', async () => {
    place(bed.node.pid, cgroupfs(STATIC))
    expect(await scan({ uid: API, addresses: ['192.0.2.1'] })).toMatchObject({ code: 'POD_NOT_ON_NODE' })
  })

  test('an address in two namespaces is ambiguous', async () => {
    ip(`-n ${bed.b.name} addr add 198.51.100.7/32 dev lo`)
    place(bed.a.pid, cgroupfs(UID))
    place(bed.b.pid, cgroupfs(OTHER))
    expect(await scan({ addresses: ['198.51.100.7'] })).toMatchObject({ code: 'POD_AMBIGUOUS' })
    ip(`-n ${bed.b.name} addr del 198.51.100.7/32 dev lo`)
  })
})

describe('the cgroup of a process that a runtime names', () => {
  /** A runtime that says: bbox is process a, at 198.18.1.2, which namespace a does not hold. */
  async function ask(): Promise<unknown> {
    const answers = recorded('containerd-1.6')
    const bbox = pod(answers, 'bbox')
    bbox.pid(bed.a.pid)
    bbox.pinned(null)
    answers.ListContainers.containers = []
    const path = join(bed.dir, 'cri.sock')
    const server = await serveCri(answers, path)
    const fact = await locatePod(query({ prefix: 'bbox' }), { ...bed.options, endpoint: path })
    server.forceShutdown()
    return fact
  }
  const bbox = '636c1b43-7ff1-4cca-bce5-85b5489bc5ec'

  test('names the pod: that proves it, whatever addresses it has', async () => {
    place(bed.a.pid, systemd(bbox))
    expect(await ask()).toMatchObject({ state: 'known', value: { netns: bed.a.inode } })
  })

  test('names another pod: the process id was reused', async () => {
    ip(`-n ${bed.a.name} addr add 198.18.1.2/32 dev lo`)
    place(bed.a.pid, systemd(OTHER))
    expect(await ask()).toMatchObject({ code: 'NAMESPACE_GONE', reason: expect.stringContaining(OTHER) })
    ip(`-n ${bed.a.name} addr del 198.18.1.2/32 dev lo`)
  })
})

test('a named endpoint that does not answer is not replaced by the scan; an unnamed one is', async () => {
  place(bed.a.pid, cgroupfs(UID))
  const missing = join(bed.dir, 'missing.sock')
  const options = { ...bed.options, endpoint: missing }
  expect(await locatePod(query({ name: 'bbox', uid: UID }), options)).toMatchObject({ code: 'RUNTIME_UNAVAILABLE' })
  const fact = await locatePod(query({ name: 'bbox', uid: UID }), { ...bed.options, sockets: [missing] })
  expect(fact).toMatchObject({ state: 'known', value: { foundBy: 'cgroup scan of /proc' } })
})

test('neither uid nor address: nothing to go by', async () => {
  expect(await scan({})).toMatchObject({ code: 'RUNTIME_UNAVAILABLE', hint: expect.stringContaining('socket') })
})

test('an uid that nobody has is not on this node', async () => {
  place(bed.a.pid, cgroupfs(OTHER))
  expect(await scan({ uid: UID })).toMatchObject({ code: 'POD_NOT_ON_NODE', reason: expect.stringContaining(UID) })
})
