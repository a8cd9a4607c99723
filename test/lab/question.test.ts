/**
 * Questions asked for real, in a namespace of this test: pods are addresses on its loopback, firewalls are nftables rules on
 * the way in, so that what is dropped is silent and what is rejected answers with ICMP.
 */
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'
import { decode, encode } from 'dns-packet'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { currentNamespace, enterNamespace } from '../../lib/netns/index.ts'
import { dnsKubernetes, dnsReplicas } from '../../lib/question/dns.ts'
import { defaultGateway } from '../../lib/question/gateway.ts'
import { mtuToDestination } from '../../lib/question/mtu.ts'
import { destinationPing, destinationTcp } from '../../lib/question/pod.ts'
import { endpointPings, endpointPorts, servicePorts } from '../../lib/question/service.ts'
import type { Endpoint, Outcome, Plan, PodTarget } from '../../lib/types.ts'
import { ip, namespaces, netnsPath, nft } from '../bed/namespace.ts'
import { endpoint, known, plan, service, source, unknown } from '../unit/question/sample-plan.ts'

const LIVE = '198.18.2.9'
const GONE = '198.18.2.7'
const FILTERED = '198.18.2.6'
const DNS = ['198.18.2.53', '198.18.2.54'] as const
const ADDRESSES = ['198.18.1.9', LIVE, GONE, FILTERED, ...DNS, '198.19.0.10', '198.19.0.20', '2001:db8:18:1::9']

const made = namespaces('quq')
let name = ''
const closing: (() => void)[] = []

beforeAll(async () => {
  name = made.add('here')
  for (const address of ADDRESSES) ip(`-n ${name} addr add ${address} dev lo`)
  await enterNamespace(netnsPath(name))
})
afterAll(() => {
  for (const close of closing) close()
  made.remove()
})
beforeEach(() => nft(name, 'flush ruleset'))

/** Rules for what arrives; statements of the nftables input chain. */
const firewall = (...rules: string[]) =>
  nft(name, ['table inet qu {', 'chain in {', 'type filter hook input priority 0', ...rules, '}', '}'].join('\n'))

async function listenTcp(address: string, port: number, onSocket: (socket: Socket) => void = () => {}): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    onSocket(socket)
  }).listen(port, address)
  await new Promise((resolve) => server.once('listening', resolve))
  closing.push(() => server.close())
}

const codeOf = (outcome: Outcome<unknown>) => (outcome.ok ? 'ok' : outcome.code)
const v4 = { family: 4 } as const
const row = { family: 4, destination: 'other-node' } as const

const podAt = (address: string, tcpPorts: readonly number[] = []): Plan => {
  const pod: PodTarget = {
    namespace: 'default',
    name: 'web',
    node: 'n2',
    addresses: [address],
    tcpPorts,
    hostNetwork: false,
    why: 'named',
  }
  const base = plan()
  return { ...base, destinations: { ...base.destinations, 'other-node': known(pod) } }
}
const serviceOf = (...endpoints: Endpoint[]) => plan({ service: known({ ...service, endpoints: known(endpoints) }) })

describe('a destination pod', () => {
  it('answers both', async () => {
    await listenTcp(LIVE, 8080)
    const p = podAt(LIVE, [8080])
    const ping = await destinationPing(p, 'pod', row)
    expect([ping.reached, ping.icmp, ping.heavyLoss, ping.someLoss].map(codeOf)).toEqual(Array(4).fill('ok'))
    expect(codeOf((await destinationTcp(p, 'pod', row)).reached)).toBe('ok')
  })

  it.each([
    ['silent to all', [`ip daddr ${GONE} drop`], 'UNREACHABLE', 'ok', 'UNREACHABLE'],
    [
      'silent to ping, no port known, the discard port refuses',
      [`ip daddr ${GONE} icmp type echo-request drop`],
      'ok',
      'ICMP_FILTERED',
      'n/a',
    ],
    // one firewall refuses both with the same words: nothing arrives, though something answers
    [
      'all rejected as ports unreachable',
      [`ip daddr ${GONE} icmp type echo-request reject`, `ip daddr ${GONE} meta l4proto tcp reject`],
      'REJECTED',
      'ok',
      'n/a',
    ],
  ])('%s', async (about, rules, reached, icmp, tcp) => {
    firewall(...rules)
    const p = podAt(GONE, about === 'silent to all' ? [8080] : [])
    const ping = await destinationPing(p, 'pod', row)
    expect([codeOf(ping.reached), codeOf(ping.icmp)]).toEqual([reached, icmp])
    const asked = await destinationTcp(p, 'pod', row).catch(() => null)
    expect(asked === null ? 'n/a' : codeOf(asked.reached)).toBe(tcp)
    const { path } = await mtuToDestination(p, 'pod', row)
    expect(codeOf(path)).toBe(icmp === 'ok' ? reached : 'PROBE_INCONCLUSIVE')
  })

  it('answers ping, and nothing listens', async () => {
    const p = podAt(LIVE, [8081])
    expect(codeOf((await destinationPing(p, 'pod', row)).reached)).toBe('ok')
    expect((await destinationTcp(p, 'pod', row)).reached).toMatchObject({ ok: false, code: 'NOTHING_LISTENING' })
  })
})

describe('endpoints of a service', () => {
  const udp = { port: 9053, protocol: 'udp' } as const

  it('UDP only, ping filtered: its answer over UDP proves the path', async () => {
    const socket = createSocket('udp4').bind(9053, FILTERED)
    socket.on('message', (message, from) => socket.send(message, from.port, from.address))
    await new Promise((resolve) => socket.once('listening', resolve))
    closing.push(() => socket.close())
    firewall(`ip daddr ${FILTERED} icmp type echo-request drop`, `ip daddr ${FILTERED} meta l4proto tcp drop`)
    const p = serviceOf(endpoint(FILTERED, udp))
    const ping = await endpointPings(p, 'pod', v4)
    expect([codeOf(ping.reached), codeOf(ping.icmp)]).toEqual(['ok', 'ICMP_FILTERED'])
    expect(codeOf((await endpointPorts(p, 'pod', v4)).reached)).toBe('ok')
  })

  it('UDP that says nothing, ping filtered: the refusal of another port proves the path, the port stays unproven', async () => {
    firewall(`ip daddr ${GONE} icmp type echo-request drop`, `ip daddr ${GONE} udp dport 9053 drop`)
    const p = serviceOf(endpoint(GONE, udp))
    const ping = await endpointPings(p, 'pod', v4)
    expect([codeOf(ping.reached), codeOf(ping.icmp)]).toEqual(['ok', 'ICMP_FILTERED'])
    expect(codeOf((await endpointPorts(p, 'pod', v4)).reached)).toBe('UDP_SILENT')
  })

  it('the one dead of two is named, and is not taken for filtered', async () => {
    firewall(`ip daddr ${GONE} drop`)
    const p = serviceOf(endpoint(LIVE, { pod: 'web-live' }), endpoint(GONE, { pod: 'web-dead' }))
    const ping = await endpointPings(p, 'pod', v4)
    expect(ping.reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
    expect(ping.reached.detail).toContain('web-dead')
    expect(codeOf(ping.icmp)).toBe('ok')
    const ports = await endpointPorts(p, 'pod', v4)
    expect(ports.reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })

  it('an endpoint that is not ready is not asked', async () => {
    firewall(`ip daddr ${GONE} drop`)
    const p = serviceOf(endpoint(LIVE), endpoint(GONE, { ready: false }))
    expect(codeOf((await endpointPorts(p, 'pod', v4)).reached)).toBe('ok')
  })
})

describe('a service with a UDP and a TCP port', () => {
  it('the silence of the first does not hide that the second is dead', async () => {
    firewall('ip daddr 198.19.0.20 drop')
    const ports = [
      { name: 'u', protocol: 'udp', port: 9053 },
      { name: 't', protocol: 'tcp', port: 80 },
    ] as const
    const p = plan({
      service: known({ ...service, clusterIPs: ['198.19.0.20'], ports, endpoints: known([endpoint(LIVE)]) }),
    })
    expect((await servicePorts(p, 'pod', v4)).reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })
})

describe('cluster DNS', () => {
  type Zone = Readonly<Partial<Record<'A' | 'AAAA', string>>>

  /** A DNS server that knows one name; NODATA for the type that the zone lacks. */
  async function serve(address: string, zone: () => Zone): Promise<void> {
    const answer = (query: Buffer): Buffer => {
      const { id, questions } = decode(query)
      const [asked] = questions ?? []
      const data = zone()[asked?.type as 'A' | 'AAAA']
      const answers = data && asked ? [{ type: asked.type as 'A', name: asked.name, data }] : []
      return encode({ type: 'response', id: id ?? 0, questions: questions ?? [], answers })
    }
    const socket = createSocket('udp4').bind(53, address)
    socket.on('message', (message, from) => socket.send(answer(message), from.port, from.address))
    await new Promise((resolve) => socket.once('listening', resolve))
    closing.push(() => socket.close())
    await listenTcp(address, 53, (tcp) =>
      tcp.on('data', (chunk) => {
        const reply = answer(chunk.subarray(2))
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.length)
        tcp.end(Buffer.concat([length, reply]))
      }),
    )
  }

  let zone: Zone = {}
  let stale: Zone = {}
  beforeAll(async () => {
    await serve('198.19.0.10', () => zone)
    await serve(DNS[0], () => zone)
    await serve(DNS[1], () => stale)
  })

  const withApi = (clusterIPs: readonly string[] | null): Plan => {
    const replicas = DNS.map((address) => endpoint(address, { port: 53, protocol: 'udp' }))
    const dns = known({ clusterIPs: ['198.19.0.10'], service: 'kube-system/kube-dns', replicas })
    const base = plan({ dns })
    const kubernetes = clusterIPs ? known({ clusterIPs, port: 443 }) : unknown('API_UNAVAILABLE')
    return { ...base, api: { ...base.api, service: kubernetes } }
  }
  const asked = async (p: Plan) => {
    const [nameservers, replicas] = [await dnsKubernetes(p, 'pod', v4), await dnsReplicas(p, 'pod', v4)]
    return [codeOf(nameservers.answered), codeOf(replicas.answered)]
  }

  const v4Only: Zone = { A: '198.19.0.1' }
  const v6Only: Zone = { AAAA: '2001:db8:19::1' }
  it.each<[string, Zone, Zone, readonly string[] | null, string[]]>([
    ['right, and NODATA for the other family', v4Only, v4Only, ['198.19.0.1'], ['ok', 'ok']],
    ['a cluster of IPv6 only', v6Only, v6Only, ['2001:db8:19::1'], ['ok', 'ok']],
    ['a stale replica', v4Only, { A: '198.19.0.2' }, ['198.19.0.1'], ['ok', 'DNS_WRONG_ANSWER']],
    ['a replica that lost its data', v4Only, {}, ['198.19.0.1'], ['ok', 'DNS_WRONG_ANSWER']],
    [
      'a record of a family that the service lacks',
      { ...v4Only, ...v6Only },
      v4Only,
      ['198.19.0.1'],
      ['DNS_WRONG_ANSWER', 'DNS_WRONG_ANSWER'],
    ],
    ['without the API any address will do', v4Only, v4Only, null, ['ok', 'ok']],
    ['without the API, a cluster of IPv6 only', v6Only, v6Only, null, ['ok', 'ok']],
    ['without the API, no address at all will not', {}, v4Only, null, ['DNS_WRONG_ANSWER', 'DNS_WRONG_ANSWER']],
  ])('%s', async (_, now, old, clusterIPs, codes) => {
    zone = now
    stale = old
    expect(await asked(withApi(clusterIPs))).toEqual(codes)
  })

  it('one replica that drops UDP', async () => {
    zone = v4Only
    stale = v4Only
    firewall(`ip daddr ${DNS[1]} udp dport 53 drop`)
    expect(await asked(withApi(['198.19.0.1']))).toEqual(['ok', 'DNS_NO_ANSWER'])
  })
})

describe('the default gateway', () => {
  const node = (internalIPs: readonly string[]): Plan => {
    const base = plan()
    return { ...base, node: { ...base.node, netns: currentNamespace(), internalIPs } }
  }
  const gatewayOf = async (p: Plan, family: 4 | 6, place: 'node' | 'pod' = 'node') =>
    codeOf((await defaultGateway(p, place, { family })).gateway)

  it('none at all is a fault, whatever is known of the node', async () => {
    expect(await gatewayOf(node(['198.51.100.1']), 4)).toBe('NO_DEFAULT_ROUTE')
    expect(await gatewayOf(node([]), 4)).toBe('NO_DEFAULT_ROUTE')
    expect(await gatewayOf(plan({ source: known({ ...source, addresses: ['198.18.1.9'] }) }), 4, 'pod')).toBe(
      'NO_DEFAULT_ROUTE',
    )
  })

  it('a node whose InternalIPs are not known may need none for its second family', async () => {
    ip(`-n ${name} link add qu1 type veth peer name qu2`)
    for (const link of ['qu1', 'qu2']) ip(`-n ${name} link set ${link} up`)
    ip(`-n ${name} route add default via 203.0.113.1 dev qu1 onlink`)
    expect(await gatewayOf(node([]), 6)).toBe('NODE_NOT_FOUND')
    expect(await gatewayOf(node(['2001:db8:51::1']), 6)).toBe('NO_DEFAULT_ROUTE')
    await expect(gatewayOf(node(['198.51.100.1']), 6)).rejects.toThrow(/needs an IPv6 address/)
  })

  it('nobody answers for the one that there is', async () => {
    expect(await gatewayOf(node(['198.51.100.1']), 4)).toBe('GATEWAY_UNRESOLVED')
  })
})
