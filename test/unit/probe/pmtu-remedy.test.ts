import { describe, expect, test } from 'vitest'
import { type Link, parseLink } from '../../../lib/node/links.ts'
import { cniSetting, letErrorsThrough, setPodMtu, tunnelOf } from '../../../lib/probe/pmtu/remedy.ts'

/** What `ip -j -d link` prints of these devices. */
const link = (ifname: string, ifindex: number, mtu: number, kind?: string, data: object = {}): Link => {
  const [parsed] = parseLink({
    ifname,
    ifindex,
    mtu,
    ...(kind ? { linkinfo: { info_kind: kind, info_data: data } } : {}),
  })
  if (!parsed) throw new Error('no link')
  return parsed
}
const eth0 = link('eth0', 2, 1500)

describe('the tunnel that the node sends packets into', () => {
  test.for([
    ['vxlan', { local: '198.51.100.1', link: 'eth0' }, 50],
    ['vxlan', { local6: '2001:db8::1', link: 'eth0' }, 70],
    ['vxlan', { remote6: '2001:db8::2' }, 70],
    ['geneve', { remote: '198.51.100.2' }, 50],
    ['ipip', { remote: 'any', local: '198.51.100.1', link: 'eth0' }, 20],
    ['gre', { local: '198.51.100.1' }, 24],
    // a WireGuard peer may be of either family: the larger one is sure to fit
    ['wireguard', {}, 80],
    // external: the outer addresses come with each packet
    ['vxlan', { external: true }, null],
  ] as const)('%s %j takes %s bytes', ([kind, data, overhead]) => {
    const tunnel = tunnelOf('t0', [eth0, link('t0', 5, 1450, kind, data)])
    expect(tunnel).toMatchObject({ device: 't0', kind, mtu: 1450, overhead })
    expect(tunnel?.underlay).toEqual('link' in data ? { device: 'eth0', mtu: 1500 } : null)
  })

  test('is none where the device is no tunnel, or unknown', () => {
    expect(tunnelOf('eth0', [eth0])).toBeNull()
    expect(tunnelOf('br0', [link('br0', 3, 1500, 'bridge')])).toBeNull()
    expect(tunnelOf('gone', [eth0])).toBeNull()
  })
})

describe('where the MTU is set', () => {
  test.for([
    ['vxlan.calico', /calicoNetwork":\{"mtu":1400/],
    ['cali0123456789a', /^Calico/],
    ['cilium_vxlan', /`cilium config set mtu 1400`/],
    ['flannel.1', /"MTU": 1400.*net-conf\.json/],
    ['antrea-gw0', /defaultMTU: 1400/],
    ['ovn-k8s-mp0', /mtu=1400/],
    ['weave', /WEAVE_MTU=1400/],
    ['cni0', /`"mtu": 1400` in the CNI configuration/],
  ] as const)('%s', ([device, words]) => {
    expect(cniSetting([eth0, link(device, 7, 1450)], 1400)).toMatch(words)
  })

  test('with the overhead that explains it, and the other way out', () => {
    const tunnel = { device: 'vx0', kind: 'vxlan', mtu: 1450, overhead: 50, underlay: { device: 'eth0', mtu: 1500 } }
    expect(setPodMtu(1380, 1450, tunnel, [])).toBe(
      'Set the pod network\'s MTU to 1380. `"mtu": 1380` in the CNI configuration on every node (/etc/cni/net.d); then restart the pods. The tunnel vx0 (VXLAN) puts 50 bytes before each packet, and the network between the nodes carries 1430 bytes where eth0 promises 1500. Or let that network carry 1500 bytes.',
    )
    expect(setPodMtu(1380, 1450, null, [])).not.toContain('tunnel')
  })
})

test('the errors are named as each family calls them', () => {
  expect(letErrorsThrough(4, 'path')).toMatch(/ICMP type 3 code 4 .* through every firewall/)
  expect(letErrorsThrough(6, 'node')).toMatch(/ICMPv6 type 2 .* this node’s firewall/)
})
