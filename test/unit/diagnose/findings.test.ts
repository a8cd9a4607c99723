/** From where packets end to findings: each stage with and without what the state says about it, and what follows from what. */
import { describe, expect, test } from 'vitest'
import { type Case, diagnose } from '../../../lib/diagnose/index.ts'
import type { FilterSeen, NeighbourState, RouteSaid } from '../../../lib/state.ts'
import {
  about,
  EACH,
  failing,
  flow,
  HERE,
  NODE,
  OTHER_NODE,
  OTHER_THERE,
  POD,
  passing,
  result,
  SERVICE,
  seen,
  states,
  THERE,
  target,
  WAY,
} from './flows.ts'

const first = (cases: readonly Case[]) => diagnose(about, cases).findings[0]
const lone = (...flows: Parameters<typeof failing>[2]) => [failing('pod/destination-tcp', 'UNREACHABLE', flows)]
const node = (ok = true): Case =>
  passing('host/mtu-node', ok ? [target(OTHER_NODE, { role: 'another node', name: 'n2' })] : [])

const filter = (more: Partial<FilterSeen>): FilterSeen => ({
  ...{ side: 'node', hook: 'forward', of: 'probe', verdict: 'drop', certain: true },
  ...{ rule: 'tcp dport 8080 drop', chain: 'chain inet x forward', show: 'nft -a list chain inet x forward' },
  remove: 'nft delete rule inet x forward handle 7',
  destination: THERE,
  ...more,
})
const route = (said: string, ok = false): RouteSaid => ({ ok, device: ok ? 'eth0' : null, gateway: null, said })
const neighbour = (address: string, device: string, state: string): NeighbourState => ({
  address,
  device,
  state,
  mac: null,
})

test('names from outside that do not resolve follow from a node that does not forward, whatever family the pod asks over', () => {
  const replica = target('198.18.1.7', { role: 'a DNS replica', protocol: 'udp', port: 53 })
  const off: Case = { result: result('host/forwarding', 'FORWARDING_OFF', [], { family: 4 }), observed: null }
  const upstream: Case = {
    result: result('pod/dns-external', 'DNS_UPSTREAM_BROKEN', [replica], { family: 6 }),
    observed: null,
  }
  expect(diagnose(about, [off, upstream]).findings).toMatchObject([
    { code: 'FORWARDING_OFF', explains: ['host/forwarding', 'pod/dns-external'] },
  ])
  expect(first([upstream])?.code).toBe('DNS_UPSTREAM_BROKEN')
})

test('a run in which nothing fails has no findings', () => {
  expect(diagnose(about, [passing('pod/a', [target(THERE)])])).toEqual({ findings: [], follows: new Map() })
})

describe('where the packets end', () => {
  test('they leave in the tunnel and nothing comes back, and the node itself answers', () => {
    const found = first([...lone(flow(WAY.gone)), node()])
    expect(found).toMatchObject({ code: 'TUNNEL_UNANSWERED', confidence: 'likely', explains: ['pod/destination-tcp'] })
    expect(found?.cause).toContain('from node n1 to node n2 on UDP 8472 (VXLAN)')
    expect(found?.cause).toContain('18 sent, 0 answered; node n2 itself answers')
    expect(found?.hides).toContain('n2')
  })

  test('the same, and the node does not answer either', () => {
    expect(first([...lone(flow(WAY.gone)), node(false)])?.code).toBe('NODE_UNREACHABLE')
  })

  test('another pod on that node answers: it is that pod', () => {
    const found = first([...lone(flow(WAY.gone)), node(), passing('pod/endpoints-port', [target(OTHER_THERE)])])
    expect(found?.code).toBe('POD_UNANSWERED')
    expect(found?.cause).toContain('default/web-4')
  })

  test('the address answers something else: just that is dropped beyond', () => {
    const ping = passing('pod/destination-ping', [target(THERE, { protocol: 'icmp' })])
    expect(first([...lone(flow(WAY.gone)), node(), ping])).toMatchObject({
      code: 'FILTERED_BEYOND',
      confidence: 'likely',
    })
  })

  test('they come in on the node and do not leave it', () => {
    const found = first(lone(flow(WAY.nodeIn)))
    expect(found).toMatchObject({ code: 'LOST_ON_NODE', confidence: 'proven' })
    expect(found?.cause).toContain('come in on cni0 of node n1')
  })

  test('less than every probe was seen there: only likely', () => {
    const stations = [...WAY.podOut, seen('node veth7 in', { times: [5, 0, 9] })]
    expect(first(lone(flow(stations)))).toMatchObject({ code: 'LOST_ON_NODE', confidence: 'likely' })
  })

  test('something was seen in the empty window: only likely', () => {
    const stations = [...WAY.podOut, seen('node veth7 in', { times: [7, 3, 11] })]
    expect(first(lone(flow(stations)))?.confidence).toBe('likely')
  })

  test.each([
    ['a rule drops them', { filters: [filter({})] }, 'FIREWALL_DROPS', 'tcp dport 8080 drop'],
    ['a rule refuses them', { filters: [filter({ verdict: 'reject' })] }, 'FIREWALL_REJECTS', 'tcp dport 8080 drop'],
    [
      'kube-proxy refuses them',
      { filters: [filter({ verdict: 'reject', chain: 'chain ip kube-proxy reject-chain' })] },
      'SERVICE_WITHOUT_BACKENDS',
      'knows no endpoint',
    ],
    [
      'the route refuses them',
      { routes: { own: null, node: { [THERE]: route('Permission denied') }, back: {} } },
      'ROUTE_REFUSES',
      'Permission denied',
    ],
  ] as const)('%s on the node', (_, more, code, said) => {
    const found = first(lone(flow(WAY.nodeIn, more)))
    expect(found).toMatchObject({ code, confidence: 'proven' })
    expect(found?.cause).toContain(said)
  })

  test('a rule that only may match makes a cause likely, and a certain refusal of the route goes before it', () => {
    const filters = [filter({ certain: false })]
    expect(first(lone(flow(WAY.nodeIn, { filters })))).toMatchObject({ code: 'FIREWALL_DROPS', confidence: 'likely' })
    const routes = { own: null, node: { [THERE]: route('Permission denied') }, back: {} }
    expect(first(lone(flow(WAY.nodeIn, { filters, routes })))?.code).toBe('ROUTE_REFUSES')
  })

  test('the next hop of the node does not answer', () => {
    const routes = { own: null, node: { [THERE]: { ...route('x', true), gateway: '198.51.100.254' } }, back: {} }
    const observed = { states: states({ neighbours: [neighbour('198.51.100.254', 'eth0', 'FAILED')] }) }
    const cases = [failing('pod/destination-tcp', 'UNREACHABLE', [flow(WAY.nodeIn, { routes })], observed)]
    expect(first(cases)).toMatchObject({ code: 'NEIGHBOUR_UNRESOLVED', confidence: 'proven' })
  })

  test('they go into the tunnel and no tunnel packet leaves: the missing entry is named', () => {
    expect(first(lone(flow(WAY.inTunnel)))).toMatchObject({ code: 'TUNNEL_SENDS_NOTHING', confidence: 'proven' })
    const neighbours = [{ address: THERE, device: 'vx0', state: 'PERMANENT', mac: '02:00:00:00:00:02' }]
    const cases = [failing('pod/x', 'UNREACHABLE', [flow(WAY.inTunnel)], { states: states({ neighbours }) })]
    expect(first(cases)?.cause).toContain('no forwarding entry of vx0 says which node has 02:00:00:00:00:02')
  })

  test('they leave the pod and do not come in on the node: the peer is down', () => {
    const down = states()
    const links = down.node.links.map((one) => (one.name === 'veth7' ? { ...one, flags: [] } : one))
    const cases = [failing('pod/x', 'UNREACHABLE', [flow(WAY.podOut)], { states: states({ links }) })]
    expect(first(cases)).toMatchObject({ code: 'LOST_AT_VETH', confidence: 'proven' })
    expect(first(cases)?.remedy).toContain('`ip link set veth7 up`')
  })

  test.each([
    ['the route', { routes: { own: route('Network is unreachable'), node: {}, back: {} } }, 'ROUTE_REFUSES'],
    ['a rule', { filters: [filter({ side: 'own', hook: 'output' })] }, 'FIREWALL_DROPS'],
    ['nothing that is known', {}, 'LOST_IN_POD'],
  ] as const)('they do not leave the pod because of %s', (_, more, code) => {
    expect(first(lone(flow([], more)))?.code).toBe(code)
  })

  test('answers come back to the node in the tunnel and its input rule drops them', () => {
    const filters = [filter({ hook: 'input', of: 'tunnel in', rule: 'udp dport 8472 drop' })]
    const found = first(lone(flow([...WAY.gone, ...WAY.back.slice(0, 1)], { filters })))
    expect(found).toMatchObject({ code: 'FIREWALL_DROPS', confidence: 'proven' })
    expect(found?.cause).toContain('udp dport 8472 drop')
  })

  test('answers come out of the tunnel and are not handed on', () => {
    expect(first(lone(flow([...WAY.gone, ...WAY.back])))?.code).toBe('ANSWER_LOST_ON_NODE')
    const filters = [filter({ of: 'answer', rule: 'ct state established drop' })]
    expect(first(lone(flow([...WAY.gone, ...WAY.back], { filters })))?.cause).toContain('ct state established drop')
    const astray = {
      own: null,
      node: {},
      back: { [THERE]: { ...route('198.18.1.4/32 dev eth0', true), device: 'eth0' } },
    }
    const found = first(lone(flow([...WAY.gone, ...WAY.back], { routes: astray })))
    expect(found).toMatchObject({ code: 'ROUTE_REFUSES', confidence: 'proven' })
    expect(found?.remedy).toContain('`ip route del 198.18.1.4/32 dev eth0`')
  })

  test('answers reach the pod, but not who asked', () => {
    const stations = [...WAY.gone, ...WAY.back, ...WAY.home]
    expect(first(lone(flow(stations)))?.code).toBe('ANSWER_LOST_IN_POD')
    const filters = [filter({ side: 'own', hook: 'input', of: 'answer' })]
    expect(first(lone(flow(stations, { filters })))?.code).toBe('FIREWALL_DROPS')
  })

  test('an endpoint behind a Service answers with its own address', () => {
    const asked = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const stations = [
      seen('own eth0 out', { destination: SERVICE }),
      seen('node veth7 in', { destination: SERVICE }),
      seen('node veth8 out', { destination: HERE }),
      seen('answer node veth8 in', { source: HERE, destination: POD }),
      seen('answer own eth0 in', { source: HERE, destination: POD }),
    ]
    expect(first(lone(flow(stations, { target: asked })))).toMatchObject({ code: 'ANSWER_NOT_TRANSLATED' })
  })

  test('a rule’s reset with the endpoint’s own address is the rule’s, not a translation that is missing', () => {
    const asked = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const stations = [
      ...[seen('own eth0 out', { destination: SERVICE }), seen('node cni0 in', { destination: SERVICE })],
      seen('answer node cni0 out', { source: THERE, destination: POD, refusal: 'reset' }),
      seen('answer own eth0 in', { source: THERE, destination: POD, refusal: 'reset' }),
      seen('node cni0 in', { destination: THERE }),
    ]
    const rejects = [filter({ verdict: 'reject', destination: THERE })]
    const about = (filters: typeof rejects) => first(lone(flow(stations, { target: asked, filters })))
    expect(about(rejects)?.code).toBe('FIREWALL_REJECTS')
    expect(about([filter({ verdict: 'reject', destination: HERE })])?.code).toBe('ANSWER_NOT_TRANSLATED')
  })

  test('of two backends of a Service the node itself answers well, and the other one refuses', () => {
    const asked = target(SERVICE, { role: 'the API server by ClusterIP', name: 'kubernetes', port: 443 })
    const stations = [
      ...[seen('own eth0 out', { destination: SERVICE }), seen('node cni0 in', { destination: SERVICE })],
      ...[seen('node cni0 in', { destination: NODE }), seen('node eth0 out', { destination: OTHER_NODE })],
      seen('answer node eth0 in', { source: OTHER_NODE, destination: NODE, refusal: 'reset' }),
      seen('answer own eth0 in', { source: SERVICE, destination: POD }),
    ]
    const { findings } = diagnose(about, lone(flow(stations, { target: asked, answered: 9 })))
    expect(findings.map(({ code }) => code)).toEqual(['NOTHING_LISTENING'])
  })

  test('of two backends of a Service one answers, and the packets to the other one end on the node', () => {
    const asked = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const stations = [
      ...[seen('own eth0 out', { destination: SERVICE }), seen('node cni0 in', { destination: SERVICE })],
      ...[seen('node veth7 in', { destination: OTHER_THERE }), seen('node eth0 out', { destination: THERE })],
      ...[seen('answer node eth0 in'), seen('answer own eth0 in', { source: SERVICE, destination: POD })],
    ].map((one) => (one.kind === 'answer' && one.side === 'node' ? { ...one, source: THERE, destination: POD } : one))
    expect(first(lone(flow(stations, { target: asked, answered: 9 })))?.code).toBe('LOST_ON_NODE')
  })

  test('what was answered did leave, although no tap saw it', () => {
    expect(first(lone(flow([], { answered: 18 })))?.code).toBe('LEFT_NODE_UNANSWERED')
    expect(first(lone(flow([])))?.code).toBe('LOST_IN_POD')
  })

  test('a Service address leaves the node as it is', () => {
    const asked = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const stations = ['own eth0 out', 'node veth7 in', 'node cni0 in', 'node eth0 out'].map((text) =>
      seen(text, { destination: SERVICE }),
    )
    expect(first(lone(flow(stations, { target: asked })))).toMatchObject({
      code: 'SERVICE_NOT_TRANSLATED',
      confidence: 'proven',
    })
  })

  test('handed to a pod on this node, and nothing comes back', () => {
    const stations = [
      ...[seen('own eth0 out', { destination: HERE }), seen('node veth7 in', { destination: HERE })],
      seen('node veth8 out', { destination: HERE }),
    ]
    expect(first(lone(flow(stations, { target: target(HERE) })))?.code).toBe('TARGET_SILENT')
    const filters = [filter({ side: 'target', hook: 'input' })]
    const inside = [...stations, seen('target eth0 in', { destination: HERE })]
    expect(first(lone(flow(inside, { target: target(HERE), filters })))?.cause).toContain('default/web-9')
  })

  test('a DNS server on this node gets the questions and says nothing', () => {
    const stations = [
      ...[seen('own eth0 out', { destination: HERE }), seen('node veth7 in', { destination: HERE })],
      ...[seen('node veth8 out', { destination: HERE }), seen('target eth0 in', { destination: HERE })],
    ].map((one) => ({ ...one, destinationPort: 53 }))
    const asked = target(HERE, { protocol: 'udp', port: 53 })
    expect(first(lone(flow(stations, { target: asked })))?.code).toBe('DNS_UPSTREAM_BROKEN')
    const unseenThere = stations.slice(0, 3)
    expect(first(lone(flow(unseenThere, { target: asked })))?.code).toBe('TARGET_SILENT')
  })

  test('a pod of the other node that was heard through a Service only: the tunnel to its node is sound', () => {
    const silent = flow(WAY.gone)
    const named = [passing('pod/z', []), failing('pod/x', 'UNREACHABLE', [silent])]
    expect(diagnose(about, named).findings.map(({ code }) => code)).toEqual(['NODE_UNREACHABLE'])
    const service = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const heard = flow([seen('answer node vx0 in', { source: OTHER_THERE, destination: POD })], { target: service })
    const known = failing('pod/y', 'BACKEND_DEAD', [heard])
    const backend = result('pod/endpoints', 'UNREACHABLE', [target(OTHER_THERE)])
    const cases = [...named, known, { result: backend, observed: null }]
    expect(diagnose(about, cases).findings.map(({ code }) => code)).toContain('POD_UNANSWERED')
  })

  test('a rule in the bridge, which a silent pod behind it meets by its neighbour discovery alone', () => {
    const rule = filter({ chain: 'chain bridge lab forward', rule: 'ip6 saddr 2001:db8:18:1::2 drop' })
    const onBridge = flow([seen('own eth0 out', { destination: HERE }), seen('node veth7 in', { destination: HERE })], {
      target: target(HERE),
      filters: [{ ...rule, destination: HERE }],
    })
    const byService = flow(
      [
        ...[seen('own eth0 out', { destination: SERVICE }), seen('node veth7 in', { destination: SERVICE })],
        ...[seen('node cni0 out', { destination: HERE }), seen('node veth8 out', { destination: HERE })],
      ],
      { target: target(SERVICE, { role: 'the destination service', name: 'web', port: 80 }) },
    )
    const cases = [failing('pod/x', 'UNREACHABLE', [onBridge]), failing('pod/y', 'BACKEND_DEAD', [byService])]
    expect(diagnose(about, cases).findings.map(({ code, explains }) => [code, explains.length])).toEqual([
      ['FIREWALL_DROPS', 2],
    ])
    expect(first(cases.slice(1))?.code).toBe('TARGET_SILENT')
  })

  test('a reset that came in from outside: nothing listens; one that did not: the node refuses', () => {
    const reset = { refusal: 'reset' }
    const outside = [
      ...WAY.gone,
      seen('answer node vx0 in', { source: THERE, destination: POD, ...reset }),
      seen('answer own eth0 in', { source: THERE, destination: POD, ...reset }),
    ]
    const refused = (stations: typeof outside) =>
      first([failing('pod/x', 'NOTHING_LISTENING', [flow(stations, { answered: 18 })])])
    expect(refused(outside)).toMatchObject({ code: 'NOTHING_LISTENING', confidence: 'proven' })
    const here = [...WAY.nodeIn, seen('answer own eth0 in', { source: THERE, destination: POD, ...reset })]
    expect(refused(here)?.code).toBe('FIREWALL_REJECTS')
  })

  test('an ICMP error from a host beyond, from the other node about its tunnel, and from the node itself', () => {
    const error = (text: string, source: string, more = {}) =>
      seen(`error ${text}`, { source, destination: POD, refusal: 'administratively prohibited', ...more })
    const by = (stations: readonly ReturnType<typeof seen>[]) => first([failing('pod/x', 'REJECTED', [flow(stations)])])
    expect(by([...WAY.gone, error('node eth0 in', '203.0.113.1')])).toMatchObject({
      code: 'REFUSED_BEYOND',
      confidence: 'proven',
    })
    const tunnel = error('node eth0 in', OTHER_NODE, { refusal: 'port unreachable', destination: NODE })
    expect(by([...WAY.gone, tunnel])).toMatchObject({ code: 'TUNNEL_REFUSED', confidence: 'proven' })
    const forbidden = error('node eth0 in', OTHER_NODE, { destination: NODE })
    expect(by([...WAY.gone, forbidden])).toMatchObject({
      code: 'TUNNEL_REFUSED',
      remedy: expect.stringContaining('its firewall rules'),
    })
    expect(by([...WAY.nodeIn, error('node veth7 out', '198.18.1.1')])?.code).toBe('FIREWALL_REJECTS')
  })

  test('an ICMP error that the check heard, and that was not sent again: such errors are rate-limited', () => {
    const said = '0 of 25 echoes answered: host unreachable, says 198.51.100.254'
    const { result: silent, observed } = failing('pod/x', 'REJECTED', [flow(WAY.gone)])
    const answers = (silent.answers ?? []).map((one) => ({ ...one, said }))
    expect(first([{ result: { ...silent, answers }, observed }])).toMatchObject({
      code: 'REFUSED_BEYOND',
      confidence: 'likely',
      cause: expect.stringContaining('198.51.100.254 refuses packets'),
    })
    expect(first([{ result: silent, observed }])?.code).not.toBe('REFUSED_BEYOND')
  })

  test('an error about the tunnel that only some of its packets met tells of all of them', () => {
    const error = seen('error node eth0 in', { source: OTHER_NODE, destination: NODE, refusal: 'port unreachable' })
    const cases = [
      failing('pod/x', 'UNREACHABLE', [flow([...WAY.gone, error])]),
      failing('pod/y', 'UNREACHABLE', [flow(WAY.gone, { target: target(OTHER_THERE) })]),
    ]
    expect(diagnose(about, cases).findings.map(({ code }) => code)).toEqual(['TUNNEL_REFUSED'])
  })

  test('an error that came out of the tunnel tells of those of its family that met none', () => {
    const outer = { source: OTHER_NODE, destination: NODE, port: 8472 }
    const error = { ...seen('error node eth0 in', { source: '198.18.2.0', refusal: 'net unreachable' }), outer }
    const cases = [
      failing('pod/x', 'UNREACHABLE', [flow([...WAY.gone, error])]),
      failing('pod/y', 'UNREACHABLE', [flow(WAY.gone, { target: target(OTHER_THERE) })]),
    ]
    expect(diagnose(about, cases).findings.map(({ code }) => code)).toEqual(['REFUSED_BEYOND'])
  })

  test('a pod on this node drops what it answers, or resets by a rule of its own', () => {
    const asked = target(HERE)
    const stations = [
      ...[seen('own eth0 out', { destination: HERE }), seen('node veth7 in', { destination: HERE })],
      seen('node veth8 out', { destination: HERE }),
    ]
    const dropping = filter({ side: 'target', hook: 'output', of: 'answer', destination: HERE })
    expect(first(lone(flow(stations, { target: asked, filters: [dropping] })))?.code).toBe('FIREWALL_DROPS')
    const reset = { source: HERE, destination: POD, refusal: 'reset' }
    const back = [seen('answer node veth8 in', reset), seen('answer own eth0 in', reset)]
    const rejecting = filter({ side: 'target', hook: 'input', verdict: 'reject', destination: HERE })
    const flows = [flow([...stations, ...back], { target: asked, answered: 18, filters: [rejecting] })]
    expect(first([failing('pod/x', 'NOTHING_LISTENING', flows)])?.code).toBe('FIREWALL_REJECTS')
  })

  test('a rule in the target pod that one check saw explains what another, which did not read it, met there', () => {
    const stations = [
      ...[seen('own eth0 out', { destination: HERE }), seen('node veth7 in', { destination: HERE })],
      seen('node veth8 out', { destination: HERE }),
    ]
    const dropping = filter({ side: 'target', hook: 'input', destination: HERE })
    const cases = [
      failing('pod/x', 'UNREACHABLE', [flow(stations, { target: target(HERE), filters: [dropping] })]),
      failing('pod/y', 'BACKEND_DEAD', [flow(stations, { target: target(HERE, { port: 80 }) })]),
    ]
    expect(diagnose(about, cases).findings.map(({ code, explains }) => [code, explains.length])).toEqual([
      ['FIREWALL_DROPS', 2],
    ])
  })

  test('a state that another broken state brings with it follows from that one', () => {
    const state = (check: string, code: string, family: 4 | 6) => ({
      result: { ...result(check, code, []), family },
      observed: null,
    })
    const cases = [
      state('pod/routes', 'NO_DEFAULT_ROUTE', 4),
      state('pod/addresses', 'ADDRESS_MISSING', 4),
      state('pod/gateway', 'GATEWAY_UNRESOLVED', 6),
    ]
    const { findings } = diagnose(about, cases)
    expect(findings.map(({ code, explains }) => [code, explains.length])).toEqual([
      ['ADDRESS_MISSING', 2],
      ['GATEWAY_UNRESOLVED', 1],
    ])
  })

  test('the node’s state brings broken states with it, its pod’s too', () => {
    const state = (check: string, code: string) => ({ result: result(check, code, []), observed: null })
    const explained = (...cases: Case[]) =>
      diagnose(about, cases).findings.map(({ code, explains }) => [code, explains.length])
    expect(explained(state('host/reverse-path', 'RP_FILTER'), state('pod/gateway', 'GATEWAY_UNRESOLVED'))).toEqual([
      ['RP_FILTER', 2],
    ])
    expect(
      explained(state('host/kube-proxy', 'KUBE_PROXY_UNHEALTHY'), state('host/rules', 'SERVICE_RULES_STALE')),
    ).toEqual([['KUBE_PROXY_UNHEALTHY', 2]])
    expect(explained(state('host/x', 'ADDRESS_MISSING'), state('pod/gateway', 'GATEWAY_UNRESOLVED'))).toHaveLength(2)
  })

  test('nothing could be watched', () => {
    const routes = { own: null, node: {}, back: {} }
    const cases = [failing('pod/x', 'UNREACHABLE', [flow([], { routes })], { states: {}, blind: { own: 'no right' } })]
    expect(first(cases)?.confidence).toBe('likely')
  })
})

describe('what follows from what', () => {
  test('all checks that end in the same place follow from one finding', () => {
    const cases = [
      failing('pod/a', 'UNREACHABLE', [flow(WAY.gone)]),
      failing('pod/b', 'DNS_NO_ANSWER', [
        flow(WAY.gone, { target: target(OTHER_THERE, { protocol: 'udp', port: 53 }) }),
      ]),
      node(),
    ]
    const { findings, follows } = diagnose(about, cases)
    expect(findings.map(({ code }) => code)).toEqual(['TUNNEL_UNANSWERED'])
    expect([...follows.keys()].sort()).toEqual(['pod/a', 'pod/b'])
  })

  test('a check that was not asked again follows from the only cause of its kind', () => {
    const late: Case = { result: result('pod/late', 'UNREACHABLE', [target('203.0.113.9')]), observed: null }
    const { findings } = diagnose(about, [failing('pod/a', 'UNREACHABLE', [flow(WAY.nodeIn)]), late])
    expect(findings).toHaveLength(1)
    expect(findings[0]?.explains.toSorted()).toEqual(['pod/a', 'pod/late'])
  })

  test('half of a Service fails: it follows from what its endpoints tell', () => {
    const endpoint = target(THERE, { role: 'a ready endpoint' })
    const service = target(SERVICE, { role: 'the destination service', name: 'web', port: 80 })
    const half: Case = { result: result('pod/service', 'BACKEND_DEAD', [service]), observed: null }
    const { findings } = diagnose(about, [
      failing('pod/endpoints', 'UNREACHABLE', [flow(WAY.gone, { target: endpoint })]),
      node(),
      half,
    ])
    expect(findings.map(({ explains }) => explains.length)).toEqual([2])
  })

  test('what the node is set to explains what ends there, of its family only', () => {
    const off = { ...result('host/forwarding', 'FORWARDING_OFF', []), seen: 'net.ipv4.ip_forward is 0' }
    const six = flow(WAY.nodeIn, { target: target('2001:db8::4', { family: 6 }) })
    const other = failing('pod/b', 'UNREACHABLE', [six])
    const cases: Case[] = [
      { result: off, observed: null },
      failing('pod/a', 'UNREACHABLE', [flow(WAY.nodeIn)]),
      { ...other, result: { ...other.result, family: 6 } },
    ]
    const { findings } = diagnose(about, cases)
    expect(findings.map(({ code, explains }) => [code, explains.toSorted()])).toEqual([
      ['FORWARDING_OFF', ['host/forwarding', 'pod/a']],
      ['LOST_ON_NODE', ['pod/b']],
    ])
  })

  test('what is vague beside a cause of everything that the pod gets is that cause', () => {
    const astray = {
      own: null,
      node: {},
      back: { [THERE]: { ...route('198.18.1.4/32 dev eth0', true), device: 'eth0' } },
    }
    const cases = [
      failing('pod/a', 'UNREACHABLE', [flow([...WAY.gone, ...WAY.back], { routes: astray })]),
      failing('pod/b', 'UNREACHABLE', [flow(WAY.nodeIn, { target: target('203.0.113.9') })]),
    ]
    const { findings } = diagnose(about, cases)
    expect(findings.map(({ code, explains }) => [code, explains.toSorted()])).toEqual([
      ['ROUTE_REFUSES', ['pod/a', 'pod/b']],
    ])
  })

  test('two causes at once are both named', () => {
    const cases = [
      failing('pod/a', 'UNREACHABLE', [flow(WAY.gone)]),
      failing('pod/b', 'UNREACHABLE', [flow(WAY.nodeIn, { target: target(HERE), filters: [filter({})] })]),
      node(),
    ]
    expect(
      diagnose(about, cases)
        .findings.map(({ code }) => code)
        .sort(),
    ).toEqual(['FIREWALL_DROPS', 'TUNNEL_UNANSWERED'])
  })

  test('a hanging handshake follows from a black hole', () => {
    const hole = { ...result('pod/mtu', 'PATH_MTU_BLACK_HOLE', [target(THERE)]), hint: 'Set the MTU.' }
    const hang = result('pod/api', 'TLS_STALLED', [target(THERE)])
    const { findings } = diagnose(about, [
      { result: hole, observed: null },
      { result: hang, observed: null },
    ])
    expect(findings.map(({ code, explains }) => [code, explains.length])).toEqual([['PATH_MTU_BLACK_HOLE', 2]])
  })

  test('and not from one on the way to somebody else', () => {
    const hole = result('pod/mtu-external', 'PATH_MTU_BLACK_HOLE', [target('203.0.113.9')])
    const hang = result('host/api-endpoints', 'TLS_STALLED', [target(NODE)])
    const codes = (...results: (typeof hole)[]) =>
      diagnose(
        about,
        results.map((one) => ({ result: one, observed: null })),
      )
        .findings.map(({ code }) => code)
        .sort()
    expect(codes(hole, hang)).toEqual(['PATH_MTU_BLACK_HOLE', 'TLS_STALLED'])
    const toApi = { ...hole, id: 'pod/mtu-api', file: 'checks/pod/mtu-api.test.ts' }
    expect(codes(toApi, hang)).toEqual(['PATH_MTU_BLACK_HOLE'])
  })

  test('the pod itself gets no answer for a hardware address: what counts is how it was just after, not when the state was read', () => {
    const hop = (state: string) => [neighbour('198.18.1.1', 'eth0', state)]
    const asked = (before: string, after: string) =>
      first([
        failing('pod/x', 'UNREACHABLE', [flow([])], {
          states: states({}, { neighbours: hop(before) }),
          neighbours: { own: hop(after) },
        }),
      ])
    const found = asked('REACHABLE', 'INCOMPLETE')
    expect(found).toMatchObject({ code: 'NEIGHBOUR_UNRESOLVED' })
    expect(found?.cause).toContain('198.18.1.1 on eth0 are not sent')
    expect(asked('FAILED', 'REACHABLE')?.code).toBe('LOST_IN_POD')
  })

  test('the node says host unreachable, and no rule or route of it refuses: its next hop does not answer', () => {
    const error = ['error node cni0 out', 'error own eth0 in'].map((text) =>
      seen(text, { source: '198.18.1.1', destination: POD, refusal: 'host unreachable' }),
    )
    const asked = target('203.0.113.9')
    const way = ['own eth0 out', 'node veth7 in', 'node cni0 in'].map((text) =>
      seen(text, { destination: asked.address }),
    )
    const node = { [asked.address]: { ok: true, device: 'eth0', gateway: '198.51.100.254', said: 'default' } }
    const about = (more: object) => {
      const routes = { own: null, back: {}, node }
      return first(lone(flow([...way, ...error], { target: asked, routes, ...more })))
    }
    expect(about({})).toMatchObject({ code: 'NEIGHBOUR_UNRESOLVED', confidence: 'proven' })
    expect(about({})?.cause).toContain('198.51.100.254 on eth0')
    const rule = filter({ verdict: 'reject', destination: asked.address })
    expect(about({ filters: [rule] })?.code).toBe('FIREWALL_REJECTS')
  })

  test('the asking side’s own kernel gives up: nobody on the way refuses', () => {
    const own = seen('error own lo in', { source: POD, destination: POD, refusal: 'host unreachable' })
    const down: Case = { result: result('pod/link', 'LINK_DOWN', []), observed: null }
    const codes = (...cases: Case[]) => diagnose(about, cases).findings.map(({ code }) => code)
    expect(codes(...lone(flow([own])), down)).toEqual(['LINK_DOWN'])
    const router = seen('error node eth0 in', {
      source: '198.51.100.254',
      destination: POD,
      refusal: 'host unreachable',
    })
    expect(codes(...lone(flow([...WAY.gone, router])))).toEqual(['REFUSED_BEYOND'])
  })

  test('a cause that ends all of a way says what it hides', () => {
    const hides = (code: string) => first([{ result: result('pod/x', code, []), observed: null }])?.hides
    expect(hides('LINK_DOWN')).toMatch(/beyond the pod/)
    expect(hides('DNS_NXDOMAIN')).toBeNull()
  })

  test('part of the packets is lost: between which two points', () => {
    const times = (n: number) => ({ times: [n, 0, n] as const })
    const stations = [
      ...['own eth0 out', 'node veth7 in', 'node cni0 in', 'node vx0 out'].map((text) => seen(text, times(60))),
      seen('node eth0 out', { ...times(60), outer: OTHER_NODE }),
      seen('answer node vx0 in', { source: THERE, destination: POD, ...times(58) }),
      seen('answer node veth7 out', { source: THERE, destination: POD, ...times(40) }),
      seen('answer own eth0 in', { source: THERE, destination: POD, ...times(40) }),
    ]
    const found = first([failing('pod/ping', 'PACKET_LOSS', [flow(stations, { sent: [60, 0, 60], answered: 80 })])])
    expect(found).toMatchObject({ code: 'PACKET_LOSS', confidence: 'proven' })
    expect(found?.cause).toContain('36 of 116 are lost between entering vx0 of node n1 and leaving veth7')
    const chance = filter({ of: 'answer', certain: false, rule: 'numgen random mod 100 < 30 drop' })
    const ruled = flow(stations, { sent: [60, 0, 60], answered: 80, filters: [filter({ certain: false }), chance] })
    expect(first([failing('pod/ping', 'PACKET_LOSS', [ruled])])).toMatchObject({
      cause: expect.stringContaining('the rule "numgen random mod 100 < 30 drop"'),
      remedy: expect.stringContaining('`nft delete rule'),
    })
  })

  test('the line that asks again names the pod and the files', () => {
    expect(first(lone(flow(WAY.nodeIn)))?.again).toBe(
      'SRC_POD=default/bbox npx vitest run checks/pod/destination-tcp.test.ts',
    )
    const many = ['pod/a', 'pod/b', 'pod/c', 'pod/d'].map((check) => failing(check, 'UNREACHABLE', [flow(WAY.nodeIn)]))
    expect(first(many)?.again).toBe('SRC_POD=default/bbox npx vitest run checks/pod')
    const installed = diagnose({ ...about, command: 'k8snetlook' }, many)
    expect(installed.findings[0]?.again).toBe('SRC_POD=default/bbox k8snetlook checks/pod')
  })

  test('every failing check is in a finding, and every finding explains one', () => {
    const cases = [
      failing('pod/a', 'UNREACHABLE', [flow(WAY.gone, { sent: EACH })]),
      { result: result('pod/tls', 'TLS_UNTRUSTED', [target(THERE)]), observed: null },
      { result: result('host/x', 'API_NOT_HEALTHY', []), observed: null },
    ]
    const { findings, follows } = diagnose(about, cases)
    expect(follows.size).toBe(3)
    expect(findings.every(({ explains }) => explains.length > 0)).toBe(true)
    expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length)
  })
})
