import { describe, expect, it } from 'vitest'
import { judgePodLink } from '../../../lib/probe/state/pod-link.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import {
  address,
  blocking,
  bridge,
  DECLARED,
  isolated,
  link,
  node,
  otherPort,
  peer,
  pod,
  route,
} from './sample-state.ts'

const judge = (own: NamespaceState, other: NamespaceState) =>
  judgePodLink({ pod: own, node: other, declared: DECLARED, netnsPath: '/run/netns/x' })
const down = { flags: ['BROADCAST', 'MULTICAST'] }
const lo = pod().links.slice(0, 1)

describe('judgePodLink', () => {
  it('a pod on a bridge is fine', () => {
    expect(judge(pod(), node())).toMatchObject({ is: 'fine', detail: 'eth0 is up and ends at veth6 on bridge cni0' })
  })

  it.each([
    [
      'its own interface is down',
      pod({ links: [...lo, link('eth0', down)] }),
      node(),
      'LINK_DOWN',
      /nsenter .* eth0 up/,
    ],
    ['its peer is down', pod(), node([bridge(), peer(down)]), 'LINK_DOWN', /ip link set veth6 up/],
    ['the bridge is down', pod(), node([bridge(down), peer()]), 'LINK_DOWN', /ip link set cni0 up/],
    [
      'its peer is on no bridge',
      pod(),
      node([bridge(), peer({ master: null, port: null })]),
      'VETH_DETACHED',
      /veth6 master cni0/,
    ],
    [
      'its peer is on another bridge',
      pod(),
      node([bridge(), peer({ master: 'br1' })]),
      'VETH_DETACHED',
      /veth6 master cni0/,
    ],
    ['it has no interface', pod({ links: lo, addresses: [] }), node(), 'VETH_DETACHED', /Delete the pod/],
    ['the port is blocked', pod(), node([bridge(), peer({ port: blocking })]), 'PORT_BLOCKED', /state 3/],
    [
      'its port and others are isolated',
      pod(),
      node([bridge(), peer({ port: isolated }), otherPort({ port: isolated })]),
      'PORT_BLOCKED',
      /isolated off/,
    ],
    [
      'it has no carrier and no peer here',
      pod({ links: [...lo, link('eth0', { kind: 'macvlan', flags: ['UP', 'NO-CARRIER'] })] }),
      node([]),
      'LINK_DOWN',
      /ip -d link/,
    ],
  ] as const)('%s', (_, own, other, code, hint) => {
    expect(judge(own, other)).toMatchObject({ is: 'broken', code, hint: expect.stringMatching(hint) })
  })

  it.each([
    ['alone among its bridge’s ports to be isolated', pod(), node([bridge(), peer({ port: isolated }), otherPort()])],
    [
      'whose peer needs no bridge (Calico, ptp)',
      pod({ routes: [route('default', { gateway: '169.254.1.1' })] }),
      node([peer({ master: null, port: null })]),
    ],
    [
      'whose gateway is beside a bridge of the same range',
      pod({ routes: [route('default', { gateway: '169.254.1.1' })] }),
      node([bridge(), peer({ master: null, port: null })]),
    ],
    [
      'on Open vSwitch, whose own device is never up',
      pod({ routes: [] }),
      node([link('ovs-system', { kind: 'openvswitch', ...down }), peer({ master: 'ovs-system', port: null })]),
    ],
    ['with a macvlan', pod({ links: [...lo, link('eth0', { kind: 'macvlan' })] }), node()],
    ['with a netkit device', pod({ links: [...lo, link('eth0', { kind: 'netkit' })] }), node()],
    [
      'whose peer’s index belongs to another pair on the node',
      pod(),
      node([bridge(), peer({ peerIndex: 99, ...down })]),
    ],
    [
      'with a further network that is down',
      pod({
        links: [...pod().links, link('net1', { index: 3, ...down })],
        addresses: [...pod().addresses, address('192.0.2.9', { device: 'net1' })],
      }),
      node(),
    ],
  ] as const)('says nothing of a pod %s', (_, own, other) => {
    expect(judge(own, other)).toMatchObject({ is: 'fine' })
  })

  it('unequal MTUs are evidence: the path MTU checks judge them', () => {
    const verdict = judge(pod({ links: [...lo, link('eth0', { mtu: 9000 })] }), node())
    expect(verdict.is).toBe('fine')
    expect(JSON.stringify(verdict)).toContain('9000')
  })
})
