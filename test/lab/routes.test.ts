import { createSocket } from 'node:dgram'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { localAddresses, needsNoNeighbour, readLink, readLinks } from '../../lib/node/links.ts'
import { defaultRoutes, promisedMtu, routeTo } from '../../lib/node/routes.ts'
import type { Family, Outcome } from '../../lib/types.ts'
import { inNamespace, ip, netnsPath } from '../bed/namespace.ts'
import { type Pair, pair } from '../bed/pair.ts'

let bed: Pair
let cleanUp: string[] = []
const client = (line: string) => ip(`-n ${bed.client} ${line}`)
/** Adds a route for one test. */
const route = (line: string) => {
  const family = line.includes('::/') || line.startsWith('default via fe80:') ? 6 : 4
  client(`-${family} route add ${line}`)
  cleanUp.push(`-${family} route del ${line}`)
}
const value = <T>(outcome: Outcome<T>): T => {
  if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.detail}`)
  return outcome.value
}
const defaults = async (family: Family) => value(await defaultRoutes(family))

beforeAll(async () => {
  bed = pair('pb-rt')
  await enterNamespace(netnsPath(bed.client))
})
afterEach(() => {
  for (const line of cleanUp) client(line)
  cleanUp = []
})
afterAll(() => bed.remove())

describe('defaultRoutes', () => {
  it('is empty when there is none', async () => {
    expect(await defaults(4)).toEqual([])
    expect(await defaults(6)).toEqual([])
  })

  it('reads both families, each for itself', async () => {
    route('default via 198.18.0.2 src 198.18.0.1')
    route('default via fe80::2 dev eth0')
    expect(await defaults(4)).toEqual([
      {
        family: 4,
        destination: 'default',
        gateway: '198.18.0.2',
        device: 'eth0',
        metric: 0,
        mtu: null,
        source: '198.18.0.1',
        onlink: false,
        type: 'unicast',
      },
    ])
    expect(await defaults(6)).toMatchObject([{ family: 6, gateway: 'fe80::2', device: 'eth0', metric: 1024 }])
  })

  it('puts the best metric first', async () => {
    route('default via 198.18.0.3 metric 200')
    route('default via 198.18.0.2 metric 100 mtu 1400')
    expect(await defaults(4)).toMatchObject([
      { gateway: '198.18.0.2', metric: 100, mtu: 1400 },
      { gateway: '198.18.0.3', metric: 200, mtu: null },
    ])
  })

  it('gives one entry for each next hop of a multipath route', async () => {
    route('default mtu 1300 nexthop via 198.18.0.2 dev eth0 nexthop via 198.18.0.3 dev eth0')
    expect(await defaults(4)).toMatchObject([
      { gateway: '198.18.0.2', mtu: 1300 },
      { gateway: '198.18.0.3', mtu: 1300 },
    ])
  })

  it('reads routes without gateway, beyond the prefix, and over an IPv6 next hop', async () => {
    route('default dev eth0 metric 1')
    route('default via 192.0.2.1 dev eth0 onlink metric 2')
    route('default via inet6 fe80::2 dev eth0 metric 3')
    expect(await defaults(4)).toMatchObject([
      { gateway: null, device: 'eth0', onlink: false },
      { gateway: '192.0.2.1', onlink: true },
      { gateway: 'fe80::2', family: 4 },
    ])
  })

  it('finds the one that only another table holds', async () => {
    route('default via 198.18.0.2 table 100')
    expect(await defaults(4)).toMatchObject([{ gateway: '198.18.0.2' }])
  })

  it('does not take an unreachable default for a way out', async () => {
    route('unreachable default metric 4278198272')
    expect(await defaults(4)).toEqual([])
  })
})

describe('routeTo', () => {
  it('names next hop, device and source of remote, connected and own addresses', async () => {
    route('203.0.113.0/24 via 198.18.0.2')
    const base = { device: 'eth0', learnedMtu: null, local: false }
    const choice = async (address: string) => value(await routeTo(address))
    expect(await choice('203.0.113.7')).toMatchObject({ ...base, gateway: '198.18.0.2', source: '198.18.0.1' })
    expect(await choice('198.18.0.2')).toMatchObject({ ...base, gateway: null })
    expect(await choice('2001:db8::2')).toMatchObject({ ...base, gateway: null, source: '2001:db8::1' })
    expect(await choice('198.18.0.1')).toMatchObject({ local: true })
  })

  it.each([
    ['203.0.113.7', null],
    ['2001:db8:1::7', null],
    ['203.0.113.7', 'unreachable 203.0.113.0/24'],
    ['203.0.113.7', 'prohibit 203.0.113.0/24'],
    ['203.0.113.7', 'blackhole 203.0.113.0/24'],
  ])('says NO_ROUTE to %s (%s)', async (address, line) => {
    if (line) route(line)
    for (const asked of [await routeTo(address), await promisedMtu(address)]) {
      expect(asked).toMatchObject({ ok: false, code: 'NO_ROUTE', detail: expect.stringContaining(address) })
    }
  })
})

describe('promisedMtu', () => {
  it.each([
    ['the link alone', '203.0.113.0/24 via 198.18.0.2', { mtu: 1500, routeMtu: null }],
    ['a smaller route', '203.0.113.0/24 via 198.18.0.2 mtu 1400', { mtu: 1400, routeMtu: 1400 }],
    ['a locked route', '203.0.113.0/24 via 198.18.0.2 mtu lock 1380', { mtu: 1380, routeMtu: 1380 }],
    ['a larger route', '203.0.113.0/24 via 198.18.0.2 mtu 9000', { mtu: 1500, routeMtu: 9000 }],
    ['a multipath route', '203.0.113.0/24 mtu 1420 nexthop via 198.18.0.2 nexthop via 198.18.0.3', { mtu: 1420 }],
  ])('is that of %s', async (_name, line, expected) => {
    route(line)
    const promised = value(await promisedMtu('203.0.113.7'))
    expect(promised).toMatchObject({ ...expected, linkMtu: 1500, device: 'eth0', learnedMtu: null })
  })

  it('is that of an IPv6 route', async () => {
    route('2001:db8:1::/64 via 2001:db8::2 mtu 1400')
    expect(value(await promisedMtu('2001:db8:1::7'))).toMatchObject({ mtu: 1400, routeMtu: 1400, linkMtu: 1500 })
  })

  it.each([
    [4, '203.0.113.0/24', '203.0.113.7', '198.18.0.2', '198.18.64.1/24'],
    [6, '2001:db8:1::/64', '2001:db8:1::7', '2001:db8::2', '2001:db8:64::1/64'],
  ] as const)('is not what an ICMP error taught (IPv%i)', async (family, prefix, address, via, own) => {
    const server = (line: string) => ip(`-n ${bed.server} ${line}`)
    if (family === 4) {
      server('link add narrow type veth peer name far')
      server('link set far up')
      server('link set narrow mtu 1400 up')
      inNamespace(bed.server, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
    }
    server(`address add ${own} dev narrow`)
    server(`route add ${prefix} dev narrow`)
    route(`${prefix} via ${via} mtu 1480`)
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6')
    await vi.waitFor(
      async () => {
        await new Promise<void>((resolve) => socket.send(Buffer.alloc(1420), 9, address, () => resolve()))
        const promised = value(await promisedMtu(address))
        expect(promised).toEqual({ mtu: 1480, device: 'eth0', linkMtu: 1500, routeMtu: 1480, learnedMtu: 1400 })
      },
      { timeout: 5000, interval: 100 },
    )
    socket.close()
  })
})

describe('links and addresses', () => {
  it('reads the cable', async () => {
    expect(value(await readLink('eth0'))).toMatchObject({ kind: 'veth', mtu: 1500, operstate: 'UP', linkType: 'ether' })
    expect(value(await readLink('eth0')).peerIndex).toBeGreaterThan(0)
    expect(await readLink('eth7')).toMatchObject({ ok: false, code: 'LINK_MISSING' })
  })

  it('knows loopback as a link without neighbours, and the cable as one with', async () => {
    const links = value(await readLinks())
    expect(links.map((link) => [link.name, needsNoNeighbour(link)])).toEqual(
      expect.arrayContaining([
        ['lo', true],
        ['eth0', false],
      ]),
    )
  })

  it('lists the addresses of this namespace', async () => {
    const addresses = value(await localAddresses())
    expect(addresses).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          address: '198.18.0.1',
          family: 4,
          device: 'eth0',
          prefixLength: 24,
          scope: 'global',
        }),
        expect.objectContaining({ address: '2001:db8::1', family: 6, tentative: false, dadFailed: false }),
        expect.objectContaining({ address: '::1', device: 'lo', scope: 'host' }),
      ]),
    )
  })
})
