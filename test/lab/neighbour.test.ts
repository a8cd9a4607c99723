import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { resolveGateway } from '../../lib/probe/neighbour.ts'
import { inNamespace, ip, netnsPath } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

const ROUTER_LINK_LOCAL = 'fe80::2'
const MAC = '02:00:00:00:00:02'

let bed: Pair
const client = (line: string) => ip(`-n ${bed.client} ${line}`)
const server = (line: string) => ip(`-n ${bed.server} ${line}`)
const resolve = (gateway: string | null, device = 'eth0') => resolveGateway({ gateway, device })
const told = async (gateway: string | null, device = 'eth0') => {
  const outcome = await resolve(gateway, device)
  return outcome.ok ? outcome.value : outcome
}

const serverMac = () => JSON.parse(server('-j link show eth0'))[0].address

/** An entry of the client for an address that nobody has, in a state and age of its own. */
async function deadEntry(address: string, state: string, ageMs = 0): Promise<void> {
  client(`neigh replace ${address} lladdr ${MAC} dev eth0 nud ${state}`)
  await sleep(ageMs)
}

beforeAll(async () => {
  bed = pair('pb-ne')
  server(`address add ${ROUTER_LINK_LOCAL}/64 dev eth0 nodad`)
  server('address add 2001:db8::9/64 dev eth0 nodad')
  await enterNamespace(netnsPath(bed.client))
})
afterEach(() => {
  client('neigh flush nud all dev eth0')
  flushRules(bed.server)
})
afterAll(() => bed.remove())

describe('a gateway that is there', () => {
  it.each(['198.18.0.2', '2001:db8::2', ROUTER_LINK_LOCAL, `${ROUTER_LINK_LOCAL}%eth0`])(
    'answers at %s, unseen before',
    async (gateway) => {
      client('neigh flush nud all dev eth0')
      const found = await told(gateway)
      expect(found).toMatchObject({ how: 'answered', gateway, device: 'eth0', mac: serverMac() })
      expect((found as { ms: number }).ms).toBeLessThan(1500)
    },
  )

  it('answers although it drops every ping and every datagram', async () => {
    addChain(
      bed.server,
      'inet',
      'filter hook input priority 0',
      'icmp type echo-request drop;icmpv6 type echo-request drop;meta l4proto udp drop',
    )
    expect(await told('198.18.0.2')).toMatchObject({ how: 'answered' })
    expect(await told('2001:db8::2')).toMatchObject({ how: 'answered' })
  })

  it.each(['198.18.0.2', '2001:db8::2'])('has its old entry confirmed at once (%s)', async (gateway) => {
    client(`neigh replace ${gateway} lladdr ${serverMac()} dev eth0 nud stale`)
    const found = await told(gateway)
    expect(found).toMatchObject({ how: 'answered', mac: serverMac() })
    expect((found as { ms: number }).ms).toBeLessThan(1000)
  })

  it('answers for an address it does not have (proxy ARP, as Calico’s 169.254.1.1)', async () => {
    server('link add up0 type veth peer name up1')
    server('link set up1 up')
    server('link set up0 up')
    server('route add default dev up0')
    for (const setting of ['ip_forward=1', 'conf.eth0.proxy_arp=1']) {
      inNamespace(bed.server, 'sysctl', '-qw', `net.ipv4.${setting}`)
    }
    client('route add 169.254.1.1 dev eth0 scope link')
    expect(await told('169.254.1.1')).toMatchObject({ how: 'answered' })
  })
})

it('counts what a gateway says of itself as an answer, although the entry is never REACHABLE', async () => {
  server('address add 198.18.0.77/32 dev eth0')
  server('route add 198.18.0.1 dev eth0 src 198.18.0.77')
  inNamespace(bed.server, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=8')
  try {
    const asked = told('198.18.0.77')
    await sleep(400)
    server('neigh flush dev eth0')
    inNamespace(bed.server, 'bash', '-c', 'echo > /dev/udp/198.18.0.1/9')
    expect(await asked).toMatchObject({ how: 'answered', mac: serverMac() })
  } finally {
    inNamespace(bed.server, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=0')
    server('address del 198.18.0.77/32 dev eth0')
  }
})

describe('a gateway that need not answer', () => {
  it('has a permanent entry, and nobody is there', async () => {
    client(`neigh replace 198.18.0.77 lladdr ${MAC} dev eth0 nud permanent`)
    expect(await told('198.18.0.77')).toMatchObject({ how: 'static', mac: MAC })
  })

  it('is kept by a program', async () => {
    client(`neigh replace 198.18.0.78 lladdr ${MAC} dev eth0 nud stale extern_learn`)
    expect(await told('198.18.0.78')).toMatchObject({ how: 'static' })
  })

  it('lies behind a device without ARP', async () => {
    client('link add tun0 type veth peer name tun1')
    client('link set tun0 arp off up')
    expect(await told('198.51.100.1', 'tun0')).toMatchObject({ how: 'no-neighbours' })
  })

  it('is not named: the route has a device only', async () => {
    expect(await told(null)).toMatchObject({ how: 'no-gateway' })
  })
})

describe('a gateway that is gone', () => {
  it.each(['198.18.0.99', '2001:db8::99', 'fe80::99'])('GATEWAY_UNRESOLVED: %s was never seen', async (gateway) => {
    const found = await told(gateway)
    expect(found).toMatchObject({ ok: false, code: 'GATEWAY_UNRESOLVED' })
    expect((found as { detail: string }).detail).toContain(`${gateway} on eth0`)
  })

  it.each([
    ['198.18.0.99', 'ARP requests'],
    ['2001:db8::99', 'neighbour solicitations'],
  ])('GATEWAY_UNRESOLVED, long before the kernel sees it: %s is still STALE', async (gateway, said) => {
    await deadEntry(gateway, 'stale')
    const started = performance.now()
    const found = await told(gateway)
    expect(found).toMatchObject({ ok: false, code: 'GATEWAY_UNRESOLVED' })
    expect((found as { detail: string }).detail).toMatch(new RegExp(`none of \\d ${said}.*${MAC}`))
    expect(performance.now() - started).toBeLessThan(4500)
  })

  it('GATEWAY_UNPROVEN: the kernel still believes in it, and it does not answer', async () => {
    await deadEntry('198.18.0.99', 'reachable', 2500)
    expect(await told('198.18.0.99')).toMatchObject({ ok: false, code: 'GATEWAY_UNPROVEN' })
  })
})

it('says which interface is missing', async () => {
  expect(await told('198.18.0.2', 'eth7')).toMatchObject({ ok: false, code: 'LINK_MISSING' })
})
