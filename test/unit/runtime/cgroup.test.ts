import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMonitor, podUids } from '../../../lib/runtime/cgroup.ts'

const UID = '636c1b43-7ff1-4cca-bce5-85b5489bc5ec'
const UID_ = UID.replaceAll('-', '_')
const HASH = '0123456789abcdef0123456789abcdef'
const ID = 'b0821f8063f2c2db9043b947bb77041fecde5adf0bbf5c332717751278bf1398'

describe('podUids', () => {
  test.each([
    ['cgroupfs, Guaranteed', `/kubepods/pod${UID}/${ID}`, UID],
    ['cgroupfs, Burstable', `/kubepods/burstable/pod${UID}/${ID}`, UID],
    ['cgroupfs, CRI-O', `/kubepods/besteffort/pod${UID}/crio-${ID}`, UID],
    ['cgroupfs, below a root', `/main-n1/kubepods/besteffort/pod${UID}/${ID}`, UID],
    ['the pod’s own cgroup', `/kubepods/besteffort/pod${UID}`, UID],
    [
      'systemd, containerd',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice/cri-containerd-${ID}.scope`,
      UID,
    ],
    ['systemd, Guaranteed', `/kubepods.slice/kubepods-pod${UID_}.slice/crio-${ID}.scope`, UID],
    [
      'systemd, Docker',
      `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/docker-${ID}.scope`,
      UID,
    ],
    ['systemd, crun', `/kubepods.slice/kubepods-pod${UID_}.slice/crio-${ID}.scope/container`, UID],
    ['systemd inside', `/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope/init.scope`, UID],
    [
      'cgroupfs runtime under a systemd kubelet',
      `/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${ID}`,
      UID,
    ],
    [
      'kind',
      `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${UID_}.slice/cri-containerd-${ID}.scope`,
      UID,
    ],
    ['static pod', `/kubepods/burstable/pod${HASH}/${ID}`, HASH],
    [
      'static pod, systemd',
      `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${HASH}.slice/crio-${ID}.scope`,
      HASH,
    ],
    ['private cgroup namespace', `/../../../besteffort/pod${UID}/${ID}`, UID],
  ])('%s', (_, path, uid) => {
    expect(podUids(`0::${path}\n`)).toEqual([uid])
    expect(podUids(`9:name=systemd:${path}\n8:pids:${path}\n0::/\n`)).toEqual([uid])
  })

  test.each([
    ['a system service', '0::/system.slice/containerd.service\n'],
    ['the root', '0::/\n'],
    ['the own pod behind a private cgroup namespace', `0::/../${ID}\n`],
    ['a container without a pod', `0::/system.slice/docker-${ID}.scope\n`],
    ['a user’s unit', `0::/user.slice/user-1000.slice/tripod-${ID}.scope\n`],
    ['a longer word before the uid', `0::/tripod${UID}/x\n`],
    ['a longer hash', `0::/kubepods/pod${ID}/x\n`],
    ['capitals', `0::/kubepods/pod${UID.toUpperCase()}/x\n`],
    ['podman', `0::/machine.slice/libpod-${ID}.scope\n`],
    ['an empty file', ''],
  ])('none: %s', (_, cgroup) => {
    expect(podUids(cgroup)).toEqual([])
  })

  test('a pod in a pod has both, the outer one first', () => {
    expect(podUids(`0::/kubepods/pod${UID}/${ID}/kubelet/kubepods/pod${HASH}/${ID}\n`)).toEqual([UID, HASH])
  })

  const hex = (length: number) =>
    fc
      .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
      .map((digits) => digits.join(''))
  const uid = fc.oneof(fc.uuid(), hex(32))
  const qos = fc.constantFrom('', 'burstable', 'besteffort')
  const root = fc.constantFrom('', '/kubelet', '/machine-0', '/../..')

  test('every uid is read back from either driver’s path, whatever surrounds it', () => {
    fc.assert(
      fc.property(uid, hex(64), qos, root, fc.constantFrom('', 'crio-'), (wanted, id, level, above, prefix) => {
        const path = `${above}/kubepods${level && `/${level}`}/pod${wanted}/${prefix}${id}`
        const slices = level ? `kubepods-${level}.slice/kubepods-${level}` : 'kubepods'
        const slice = `${above}/kubepods.slice/${slices}-pod${wanted.replaceAll('-', '_')}.slice/cri-containerd-${id}.scope`
        expect(podUids(`12:cpu,cpuacct:${path}\n`)).toEqual([wanted])
        expect(podUids(`0::${slice}\n`)).toEqual([wanted])
      }),
    )
  })

  test('any text is read without an error, and only uids come out', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0:/-_pod.slice\n', UID, HASH) }), (text) => {
        for (const one of podUids(text))
          expect(one).toMatch(/^[0-9a-f]{32}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      }),
    )
  })
})

test('conmon is told from the container it watches', () => {
  expect(isMonitor(`0::/kubepods/besteffort/pod${UID}/crio-conmon-${ID}\n`)).toBe(true)
  expect(isMonitor(`0::/kubepods.slice/kubepods-pod${UID_}.slice/crio-conmon-${ID}.scope\n`)).toBe(true)
  expect(isMonitor(`0::/kubepods/besteffort/pod${UID}/crio-${ID}\n`)).toBe(false)
})
