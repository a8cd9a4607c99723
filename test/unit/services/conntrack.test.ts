/** UDP entries of connection tracking, as conntrack-tools 1.4.7 and /proc print them, and which of them are stale. */
import { describe, expect, test } from 'vitest'
import { parseConntrack } from '../../../lib/node/services/conntrack.ts'
import { staleOf, wasUsed } from '../../../lib/question/conntrack.ts'
import { endpoint } from '../question/sample-plan.ts'

const DNS = '198.19.0.10'
const TOOL = `udp      17 29 src=198.18.1.4 dst=198.19.0.10 sport=40000 dport=53 [UNREPLIED] src=198.18.9.9 dst=198.18.1.4 sport=53 dport=40000 mark=0 use=1
udp      17 118 src=198.18.1.4 dst=198.19.0.10 sport=40001 dport=53 src=198.18.2.2 dst=198.18.1.4 sport=53 dport=40001 [ASSURED] mark=0 use=1
udp      17 10 src=198.18.1.4 dst=203.0.113.9 sport=40002 dport=53 src=203.0.113.9 dst=198.51.100.1 sport=53 dport=40002 mark=0 use=1
udp      17 10 src=2001:db8:18:1::4 dst=2001:db8:19::a sport=40002 dport=53 src=2001:db8:18:2::2 dst=2001:db8:18:1::4 sport=53 dport=40002 mark=0 use=1
`
const PROC = `ipv4     2 udp      17 29 src=198.18.1.4 dst=198.19.0.10 sport=40000 dport=53 [UNREPLIED] src=198.18.9.9 dst=198.18.1.4 sport=53 dport=40000 mark=0 zone=0 use=2
ipv6     10 udp      17 7 src=2001:0db8:0018:0001:0000:0000:0000:0004 dst=2001:0db8:0019:0000:0000:0000:0000:000a sport=1 dport=53 src=2001:0db8:0018:0002:0000:0000:0000:0002 dst=2001:0db8:0018:0001:0000:0000:0000:0004 sport=53 dport=1 mark=0 use=2
ipv4     2 tcp      6 86399 ESTABLISHED src=198.18.1.4 dst=198.19.0.10 sport=40000 dport=53 src=198.18.9.9 dst=198.18.1.4 sport=53 dport=40000 mark=0 use=2
`

describe('entries', () => {
  test('of the addresses in question, by what was asked and who is to answer', () => {
    const entries = parseConntrack(TOOL, new Set([DNS, '2001:db8:19::a']))
    expect(entries.map(({ backend, secondsLeft }) => [backend, secondsLeft])).toEqual([
      ['198.18.9.9', 29],
      ['198.18.2.2', 118],
      ['2001:db8:18:2::2', 10],
    ])
    expect(entries[0]).toMatchObject({
      source: '198.18.1.4',
      sourcePort: 40000,
      address: DNS,
      port: 53,
      backendPort: 53,
    })
  })

  test('of /proc as well, UDP only', () => {
    const entries = parseConntrack(PROC, new Set([DNS, '2001:db8:19::a']))
    expect(entries.map(({ backend }) => backend)).toEqual(['198.18.9.9', '2001:db8:18:2::2'])
  })
})

describe('stale', () => {
  const service = {
    name: 'kube-system/kube-dns',
    clusterIPs: [DNS],
    ports: [{ name: 'dns', protocol: 'udp', port: 53 }],
    endpoints: [endpoint('198.18.2.2', { port: 53, protocol: 'udp', ready: false })],
    internalTrafficLocal: false,
  } as const
  const [gone, kept] = parseConntrack(TOOL, new Set([DNS]))
  if (!gone || !kept) throw new Error('two entries are recorded')

  test('is an entry to an address that is no endpoint, ready or not', () => {
    expect(staleOf([gone, kept], [service])).toEqual([gone])
  })

  test('is none that was not translated, of another port, or of another service', () => {
    const others = [
      { ...gone, backend: DNS },
      { ...gone, port: 5353 },
      { ...gone, address: '198.19.0.99' },
    ]
    expect(staleOf(others, [service])).toEqual([])
  })

  test('is used when its time was set anew meanwhile', () => {
    expect([wasUsed(29, 26, 3), wasUsed(29, 27, 3), wasUsed(29, 28, 3), wasUsed(20, 29, 3)]).toEqual([
      false,
      false,
      true,
      true,
    ])
  })
})
