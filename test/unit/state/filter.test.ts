import { describe, expect, test } from 'vitest'
import { type ChainName, parseNftChains, parseSaved } from '../../../lib/node/netfilter.ts'
import type { Health } from '../../../lib/probe/healthz.ts'
import { judgeBackEnds } from '../../../lib/probe/state/back-ends.ts'
import { judgeBridgeFilter } from '../../../lib/probe/state/bridge-filter.ts'
import { judgeKubelet, judgeKubeProxy } from '../../../lib/probe/state/daemons.ts'
import { calico, flannel, link, PODS, told } from './sample.ts'

describe('bridged packets', () => {
  const off = () => flannel({ sysctls: { 'bridge/bridge-nf-call-iptables': '0' } })
  const NFT = 'ip daddr 198.19.0.10 tcp dport 53 ip saddr != 198.18.0.0/16 jump mark-for-masquerade'
  const IPTABLES = '-A KUBE-SVC-X ! -s 198.18.0.0/16 -d 198.19.0.10/32 -p tcp -j KUBE-MARK-MASQ'

  test.each([
    ['met by both sysctls', flannel(), null, 'fine'],
    ['not met, with nftables', off(), NFT, 'broken BRIDGE_NF_OFF'],
    ['not met, with iptables', off(), IPTABLES, 'broken BRIDGE_NF_OFF'],
    ['br_netfilter not loaded', flannel({ sysctls: {} }), NFT, 'broken BRIDGE_NF_OFF'],
    ['not met, and something else serves ClusterIPs', off(), null, 'not-applicable'],
    ['not met, all is masqueraded (nftables)', off(), NFT.replace('ip saddr != 198.18.0.0/16 ', ''), 'fine'],
    ['not met, all is masqueraded (iptables)', off(), IPTABLES.replace('! -s 198.18.0.0/16 ', ''), 'fine'],
    ['no bridge', calico(), NFT, 'not-applicable'],
  ])('%s', (_, state, rules, verdict) => {
    expect(told(judgeBridgeFilter(state, PODS, rules, 4))).toBe(verdict)
  })

  test('the bridge’s own flag does as well', () => {
    const state = off()
    const links = state.links.map((one) =>
      one.kind === 'bridge' ? { ...one, bridge: { callsIptables: true, callsIp6tables: false } } : one,
    )
    expect(told(judgeBridgeFilter({ ...state, links }, PODS, NFT, 4))).toBe('fine')
    expect(told(judgeBridgeFilter({ ...state, links }, PODS, NFT, 6))).toBe('broken BRIDGE_NF_OFF')
  })
})

describe('back ends of iptables', () => {
  const chain = (table: string, name: string, family: 4 | 6 = 4): ChainName => ({ family, table, name })
  const services = chain('nat', 'KUBE-SERVICES')
  const own = chain('kube-proxy', 'services')

  test.each([
    ['services in both', [services], [services], 'broken IPTABLES_MIXED'],
    ["kube-proxy's nftables, and services in the legacy one", [own], [services], 'broken IPTABLES_MIXED'],
    ['services of two families apart', [chain('nat', 'KUBE-SERVICES', 6)], [services], 'fine'],
    [
      "kubelet's chains in both",
      [chain('filter', 'KUBE-FIREWALL')],
      [chain('filter', 'KUBE-FIREWALL')],
      'doubtful IPTABLES_MIXED',
    ],
    [
      "Calico's chains in both",
      [chain('filter', 'cali-FORWARD')],
      [chain('raw', 'cali-PREROUTING')],
      'doubtful IPTABLES_MIXED',
    ],
    [
      'marks for others in both',
      [chain('mangle', 'KUBE-KUBELET-CANARY')],
      [chain('mangle', 'KUBE-KUBELET-CANARY')],
      'fine',
    ],
    ['two writers apart', [services], [chain('filter', 'cali-FORWARD')], 'fine'],
    ['legacy alone', [], [services], 'fine'],
    ["nobody's chains", [chain('filter', 'DOCKER')], [chain('filter', 'DOCKER')], 'fine'],
  ])('%s', (_, nft, legacy, verdict) => {
    expect(told(judgeBackEnds(nft, legacy))).toBe(verdict)
  })

  test('chains as nft and iptables-save print them', () => {
    const printed = {
      nftables: [
        { metainfo: { version: '1.0.6' } },
        { chain: { family: 'ip6', table: 'nat', name: 'KUBE-SERVICES', handle: 1 } },
        { chain: { family: 'inet', table: 'filter', name: 'input', handle: 1 } },
      ],
    }
    expect(parseNftChains(JSON.stringify(printed))).toEqual([{ family: 6, table: 'nat', name: 'KUBE-SERVICES' }])
    expect(parseNftChains('nft: not found')).toBeNull()
    expect(
      parseSaved('*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n'),
    ).toEqual(['PREROUTING', 'KUBE-SERVICES'])
  })
})

const health = (state: Health['state'], status: number | null = null): Health => ({
  state,
  url: 'http://127.0.0.1:10248/healthz',
  status,
  said: 'said',
})

describe('the kubelet', () => {
  const refused = health('refused')
  test.each([
    ['is well', health('well', 200), null, null, 'fine'],
    ['says that it is not', health('ill', 500), null, true, 'broken KUBELET_UNHEALTHY'],
    ['hangs', health('silent'), null, null, 'broken KUBELET_UNHEALTHY'],
    ['hangs on another machine', health('silent'), null, false, 'not-applicable'],
    ['is gone', refused, [refused, refused], true, 'broken KUBELET_UNHEALTHY'],
    ['has its health port switched off', refused, [refused, health('ill', 400)], true, 'not-applicable'],
    ['is asked for where no Node is known', refused, [refused], null, 'not-applicable'],
    ['has a port that the Node object does not name', refused, null, true, 'not-applicable'],
  ])('%s', (_, said, api, isNode, verdict) => {
    expect(told(judgeKubelet(said, api, isNode))).toBe(verdict)
  })
})

describe('kube-proxy', () => {
  const refused = health('refused')
  const rules: ChainName[] = [{ family: 4, table: 'kube-proxy', name: 'services' }]
  test.each([
    ['is well', health('well', 200), null, null, [], 'fine'],
    ['says that it is not', health('ill', 503), null, null, [], 'broken KUBE_PROXY_UNHEALTHY'],
    ['hangs', health('silent'), null, null, [], 'broken KUBE_PROXY_UNHEALTHY'],
    ['is gone, its rules are there', refused, refused, rules, [], 'broken KUBE_PROXY_UNHEALTHY'],
    ['was never there', refused, refused, [], [], 'not-applicable'],
    ['was replaced, its rules are left', refused, refused, rules, [link('cilium_host', 'veth')], 'not-applicable'],
    ['has its health port switched off', refused, health('ill', 404), rules, [], 'not-applicable'],
    ['cannot be told from no nft', refused, refused, null, [], 'not-applicable'],
  ])('%s', (_, said, metrics, chains, links, verdict) => {
    expect(told(judgeKubeProxy(said, metrics, chains, links))).toBe(verdict)
  })
})
