/** kube-proxy's rules as its three modes leave them: recorded from kube-proxy 1.35 (nft 1.0.6, iptables 1.8.9). */
import { describe, expect, test } from 'vitest'
import { iptablesRules } from '../../../lib/node/services/iptables.ts'
import { parseIpvs } from '../../../lib/node/services/ipvs.ts'
import {
  decodeNft,
  nftRules,
  parseChains,
  parseNodePortAddresses,
  parseServiceIps,
} from '../../../lib/node/services/nft.ts'
import { replacementAmong } from '../../../lib/node/services/read.ts'

const [WEB, DNS] = ['198.19.103.219', '198.19.0.10']

describe('nftables', () => {
  const goto = (target: string) => ({ goto: { target } })
  const endpoint = (address: string) => `endpoint-IQWKWQZB-default/web/tcp/http__${address}/8080`
  const rule = (chain: string, ...expr: readonly object[]) => ({
    rule: { family: 'ip', table: 'kube-proxy', chain, expr },
  })
  const dnat = (address: string) => [
    { chain: { family: 'ip', table: 'kube-proxy', name: endpoint(address) } },
    rule(
      endpoint(address),
      { match: { op: '==', left: {}, right: address } },
      { jump: { target: 'mark-for-masquerade' } },
    ),
    rule(
      endpoint(address),
      { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: 'tcp' } },
      { dnat: { addr: address, port: 8080 } },
    ),
  ]
  const map = {
    map: {
      family: 'ip',
      name: 'service-ips',
      table: 'kube-proxy',
      elem: [
        [{ concat: [WEB, 'tcp', 80] }, goto('service-SUSTUHLJ-default/web/tcp/http')],
        [
          { elem: { val: { concat: [DNS, 'udp', 53] }, comment: 'x' } },
          goto('service-FY5PMXPG-kube-system/kube-dns/udp/dns'),
        ],
      ],
    },
  }
  const choices = (...addresses: readonly string[]) => ({
    vmap: {
      key: { numgen: { mode: 'random', mod: addresses.length, offset: 0 } },
      data: { set: addresses.map((address, at) => [at, goto(endpoint(address))]) },
    },
  })
  const service = rule(
    'service-SUSTUHLJ-default/web/tcp/http',
    { match: { op: '==', left: {}, right: '@affinity-x' } },
    choices('198.18.1.2', '198.18.2.3'),
  )
  const read = (items: readonly object[]) => decodeNft(JSON.stringify({ nftables: items })) ?? []
  const rules = (items: readonly object[]) =>
    nftRules(4, parseServiceIps(read(items)), parseChains(read(items)), null).rules.map(({ address, backends }) => [
      address,
      backends.map((one) => `${one.address} ${one.port}`),
    ])

  test('each service is followed to the addresses of its endpoints', () => {
    expect(rules([map, service, ...dnat('198.18.1.2'), ...dnat('198.18.2.3')])).toEqual([
      [WEB, ['198.18.1.2 8080', '198.18.2.3 8080']],
      [DNS, []],
    ])
  })

  test('an endpoint whose chain is empty leads nowhere', () => {
    expect(rules([map, service, ...dnat('198.18.1.2'), { chain: { name: endpoint('198.18.2.3') } }])[0]).toEqual([
      WEB,
      ['198.18.1.2 8080'],
    ])
  })

  test('of chains that were not read the name tells, also over IPv6', () => {
    expect(rules([map, service])[0]?.[1]).toEqual(['198.18.1.2 8080', '198.18.2.3 8080'])
    const six = read([map, rule('service-SUSTUHLJ-default/web/tcp/http', choices('2001.db8.18.1..2'))])
    const [web] = nftRules(6, parseServiceIps(six), parseChains(six), null).rules
    expect(web?.backends).toEqual([{ address: '2001:db8:18:1::2', port: 8080 }])
  })

  test('node ports are open on the addresses of a set', () => {
    expect(parseNodePortAddresses(read([{ set: { name: 'nodeport-ips', elem: ['198.51.100.1'] } }]))).toEqual([
      '198.51.100.1',
    ])
    expect(parseNodePortAddresses(read([map]))).toBeNull()
  })

  test('what is no list is nothing', () => {
    expect(decodeNft('')).toBeNull()
    expect(decodeNft('Error: No such file or directory')).toBeNull()
  })
})

const IPTABLES =
  `-A KUBE-SEP-32D6FKC7STGXUNYA -s 198.18.1.7/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ
-A KUBE-SEP-32D6FKC7STGXUNYA -p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 198.18.1.7:8080
-A KUBE-SEP-436IE25CDY7LP2JC -p tcp -m comment --comment "default/web:http" -m recent --set --name KUBE-SEP-436IE25CDY7LP2JC -m tcp -j DNAT --to-destination 198.18.1.9:8080
-A KUBE-SERVICES -d 198.19.103.219/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-CDGGSHYLG3RE2FKL
-A KUBE-SERVICES -d 198.51.100.77/32 -p tcp -m comment --comment "default/web:http external IP" -m tcp --dport 80 -j KUBE-EXT-CDGGSHYLG3RE2FKL
-A KUBE-SERVICES -d 198.19.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVL-TCOU7JCQXEZGVUNU
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-CDGGSHYLG3RE2FKL ! -s 198.18.0.0/16 -d 198.19.103.219/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j KUBE-MARK-MASQ
-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 198.18.1.9:8080" -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-436IE25CDY7LP2JC -j KUBE-SEP-436IE25CDY7LP2JC
-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 198.18.1.7:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-32D6FKC7STGXUNYA
-A KUBE-SVC-CDGGSHYLG3RE2FKL -m comment --comment "default/web:http -> 198.18.1.9:8080" -j KUBE-SEP-436IE25CDY7LP2JC
`.split('\n')

describe('iptables', () => {
  test('each address in question is followed to its endpoints, each once', () => {
    const read = iptablesRules(4, IPTABLES, new Set([WEB, DNS]))
    expect(read?.rules).toEqual([
      {
        ...{ address: WEB, port: 80, protocol: 'tcp' },
        backends: [
          { address: '198.18.1.9', port: 8080 },
          { address: '198.18.1.7', port: 8080 },
        ],
      },
      { address: DNS, port: 53, protocol: 'udp', backends: [] },
    ])
  })

  test('IPv6 destinations stand in brackets', () => {
    const lines = `-A KUBE-SERVICES -d 2001:db8:19::a/128 -p udp -m udp --dport 53 -j KUBE-SVC-X
-A KUBE-SVC-X -j KUBE-SEP-Y
-A KUBE-SEP-Y -p udp -m udp -j DNAT --to-destination [2001:db8:18:1::3]:53`.split('\n')
    expect(iptablesRules(6, lines, new Set(['2001:db8:19::a']))?.rules[0]?.backends).toEqual([
      { address: '2001:db8:18:1::3', port: 53 },
    ])
  })

  test('a table without chains of kube-proxy has no rules of it', () => {
    expect(iptablesRules(4, ['', '-A KUBE-SEP-X -j DNAT --to-destination 198.18.1.7:8080'], new Set([WEB]))).toBeNull()
  })

  test.each([
    ['-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS', null],
    ['-A KUBE-SERVICES ! -d ::1/128 -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS', null],
    ['-A KUBE-SERVICES -d 198.51.100.1/32 -m comment --comment "x" -j KUBE-NODEPORTS', ['198.51.100.1']],
  ])('node ports are open: %s', (line, expected) => {
    expect(iptablesRules(4, [line], new Set())?.nodePortAddresses).toEqual(expected)
  })
})

describe('IPVS', () => {
  const IPVS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C613000A:0035 rr
  -> C6120103:0035      Masq    1      0          0
  -> C6120205:0035      Masq    0      3          0
UDP  C613000A:0035 rr
TCP  [2001:0db8:0019:0000:0000:0000:0000:000a]:0035 rr persistent 10800 FFFFFFFF
  -> [2001:0db8:0018:0001:0000:0000:0000:0003]:0035      Masq    1      0          0
`
  test('servers of weight 0 get nobody new, a service may have none', () => {
    expect(parseIpvs(IPVS).map(({ family, rules }) => [family, rules])).toEqual([
      [
        4,
        [
          { address: DNS, port: 53, protocol: 'tcp', backends: [{ address: '198.18.1.3', port: 53 }] },
          { address: DNS, port: 53, protocol: 'udp', backends: [] },
        ],
      ],
      [
        6,
        [
          {
            address: '2001:db8:19::a',
            port: 53,
            protocol: 'tcp',
            backends: [{ address: '2001:db8:18:1::3', port: 53 }],
          },
        ],
      ],
    ])
  })
})

test('what replaces kube-proxy is known by its devices', () => {
  expect(replacementAmong(['lo', 'eth0', 'cilium_host'])).toBe('Cilium (device cilium_host)')
  expect(replacementAmong(['lo', 'eth0', 'cni0', 'flannel.1', 'kube-ipvs0'])).toBeNull()
})
