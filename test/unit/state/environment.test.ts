/** What a run remembers of node and cluster: the same names in every run, and what is not known is said. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cniPlugins, environmentFacts } from '../../../lib/environment.ts'
import { serviceFacts, stateFacts } from '../../../lib/probe/state/environment.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import type { StateFact } from '../../../lib/types.ts'
import { absent, endpoint, known, unknown } from '../question/sample-plan.ts'
import { link, pod, route } from './sample-state.ts'

const values = (facts: readonly StateFact[], topic: StateFact['topic']) =>
  Object.fromEntries(facts.filter((fact) => fact.topic === topic).map(({ name, value }) => [name, value]))

describe("the node's namespace", () => {
  const node = (changes: Partial<NamespaceState> = {}) =>
    stateFacts(
      pod({
        links: [
          link('lo', { kind: null, mtu: 65_536 }),
          link('eth0', { kind: null, mtu: 1500 }),
          link('vx0', { kind: 'vxlan', mtu: 1450 }),
          link('veth1a2b', { mtu: 1450 }),
          link('veth3c4d', { mtu: 1400 }),
        ],
        ...changes,
      }),
    )

  test('interfaces that stay have their MTU, ends of pods only what they have together', () => {
    expect(values(node(), 'mtu')).toEqual({ eth0: 1500, vx0: 1450, 'veth interfaces': '1400, 1450' })
  })

  test('of a node that is a container the way out is a veth too', () => {
    const links = [link('eth0', { mtu: 1500 }), link('veth1a2b', { mtu: 1450 })]
    const routes = [route('default', { gateway: '198.51.100.254' })]
    expect(values(node({ links, routes }), 'mtu')).toEqual({ eth0: 1500, 'veth interfaces': '1450' })
  })

  test('sysctls of the whole namespace and of what stays; no counter', () => {
    const sysctls = {
      'ipv4/ip_forward': '1',
      'ipv4/conf/all/rp_filter': '0',
      'ipv4/conf/eth0/rp_filter': '1',
      'ipv4/conf/veth1a2b/rp_filter': '1',
      'netfilter/nf_conntrack_count': '4711',
      'netfilter/nf_conntrack_max': '262144',
    }
    expect(Object.keys(values(node({ sysctls }), 'sysctl'))).toEqual([
      'ipv4/ip_forward',
      'ipv4/conf/all/rp_filter',
      'ipv4/conf/eth0/rp_filter',
      'netfilter/nf_conntrack_max',
    ])
  })

  test('routes of the main table, but those to single addresses', () => {
    const routes = [
      route('default', { gateway: '198.51.100.254' }),
      route('default', { family: 6, gateway: '2001:db8:51::fe' }),
      route('198.18.2.0/24', { gateway: '198.51.100.2' }),
      route('198.18.3.0/24', { gateway: '198.51.100.4' }),
      route('198.18.3.0/24', { gateway: '198.51.100.3' }),
      route('198.18.9.0/24', { type: 'blackhole', device: null }),
      route('198.18.1.7', { device: 'cali1' }),
      route('2001:db8::7/128', { family: 6 }),
      route('fe80::/64', { family: 6 }),
      route('198.18.1.0/24', { table: 'local' }),
    ]
    expect(values(node({ routes }), 'route')).toEqual({
      'routes of the main table': 5,
      'default, IPv4': 'via 198.51.100.254 dev eth0',
      'default, IPv6': 'via 2001:db8:51::fe dev eth0',
      '198.18.2.0/24': 'via 198.51.100.2 dev eth0',
      '198.18.3.0/24': 'via 198.51.100.3 dev eth0 + via 198.51.100.4 dev eth0',
      '198.18.9.0/24': 'blackhole',
    })
  })

  test('of a thousand routes only their number', () => {
    const routes = Array.from({ length: 1000 }, (_, i) => route(`198.18.${i >> 2}.${(i & 3) * 64}/26`))
    expect(values(node({ routes }), 'route')).toEqual({ 'routes of the main table': 1000 })
  })
})

describe('what serves the services', () => {
  test('the mode of kube-proxy and how much it wrote', () => {
    const proxy = { mode: 'iptables' as const, rules: [], nodePortAddresses: null }
    const facts = serviceFacts({
      proxies: [
        { family: 4, ...proxy },
        { family: 6, ...proxy },
      ],
      replacement: null,
      counts: [
        { family: 4, mode: 'iptables', rules: 40 },
        { family: 6, mode: 'iptables', rules: 12 },
      ],
    })
    expect(values(facts, 'kube-proxy')).toEqual({
      'mode of kube-proxy': 'iptables',
      'in its place or beside it': 'nothing that is known',
    })
    expect(values(facts, 'rules')).toEqual({
      "kube-proxy's iptables rules, IPv4": 40,
      "kube-proxy's iptables rules, IPv6": 12,
    })
  })

  test('something in its place', () => {
    const facts = serviceFacts({ proxies: [], replacement: 'Cilium (device cilium_host)', counts: [] })
    expect(values(facts, 'kube-proxy')).toEqual({
      'mode of kube-proxy': 'no rules of it',
      'in its place or beside it': 'Cilium (device cilium_host)',
    })
  })
})

describe('what the set-up knows', () => {
  let root = ''
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'qu-cni-'))
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  const cluster = known({ uid: 'u', version: 'v1.35.0' })
  const dns = known({
    clusterIPs: ['198.19.0.10'],
    service: 'kube-system/kube-dns',
    replicas: [
      endpoint('198.18.1.2', { pod: 'kube-system/coredns-a' }),
      endpoint('2001:db8:18:1::2', { pod: 'kube-system/coredns-a' }),
      endpoint('198.18.1.3', { pod: 'kube-system/coredns-b', ready: false }),
      endpoint('198.18.2.3', { pod: 'kube-system/coredns-c' }),
    ],
  })

  test('all of it', () => {
    const dir = join(root, 'etc/cni/net.d')
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, '99-loopback.conf'), '{"type": "loopback"}')
    writeFileSync(
      join(dir, '10-flannel.conflist'),
      '{"cniVersion": "0.3.1", "plugins": [{"type": "flannel"}, {"type": "portmap"}]}',
    )
    const facts = environmentFacts({ cluster, runtimeVersion: 'containerd://2.1.4', dns, root })
    expect(facts.map(({ topic, value }) => [topic, value])).toEqual([
      ['kernel', expect.stringMatching(/^\d+\.\d+/)],
      ['kubernetes', 'v1.35.0'],
      ['runtime', 'containerd://2.1.4'],
      ['cni', '10-flannel.conflist: flannel, portmap (CNI 0.3.1)'],
      ['dns', 2],
    ])
  })

  test('what is not known is said, with its reason, and never guessed', () => {
    const facts = environmentFacts({
      cluster: unknown(),
      runtimeVersion: null,
      dns: absent('a DNS service'),
      root: `${root}/none`,
    })
    const [kernel, ...others] = facts
    expect(kernel?.value).not.toBeNull()
    expect(others.map(({ value }) => value)).toEqual([null, null, null, null])
    expect(others.map(({ why }) => why)).toEqual([
      'reason of API_FORBIDDEN',
      'the Node object could not be read',
      '/etc/cni/net.d cannot be read (ENOENT)',
      'needs a DNS service, not set',
    ])
  })

  test.each([
    ['{"type": "calico", "cniVersion": "1.0.0", "kubernetes": {"token": "secret"}}', 'calico (CNI 1.0.0)'],
    ['{"plugins": [{"type": "ptp"}]}', 'ptp'],
    ['{"plugins": []}', null],
    ['{"plugins": [null]}', null],
    ['{}', null],
    ['nonsense', null],
    ['null', null],
  ])('a CNI configuration: %s', (text, said) => {
    expect(cniPlugins(text)).toBe(said)
  })
})
