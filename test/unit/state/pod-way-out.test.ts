import { describe, expect, it } from 'vitest'
import { judgeWayOut, type KernelSaid, mayRefuse } from '../../../lib/probe/state/pod-way-out.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import { bridge, DECLARED, GATEWAY, link, neighbour, node, PEER_MAC, peer, pod, route, rule } from './sample-state.ts'

const facts = (own: NamespaceState, family: 4 | 6 = 4, other = node()) => ({
  ...{ pod: own, node: other, declared: DECLARED, family, netnsPath: '/run/netns/x' },
})
const SERVICE = '198.19.0.20'
const SERVICE6 = '2001:db8:19::20'
const said = (address: string, refusal: string | null): KernelSaid => ({
  target: { role: 'the destination service', name: 'web', address, family: address.includes(':') ? 6 : 4 },
  refusal,
})
const withRoute = (...more: ReturnType<typeof route>[]) => pod({ routes: [...pod().routes, ...more] })
const withRule = (...more: ReturnType<typeof rule>[]) => pod({ rules: [...pod().rules, ...more] })
const hole = route('198.19.0.0/16', { type: 'blackhole', device: null })

describe('mayRefuse', () => {
  it('a default route and the usual rules refuse nothing: the kernel is not asked', () => {
    expect(mayRefuse(facts(pod()))).toBe(false)
    expect(mayRefuse(facts(pod(), 6))).toBe(false)
  })

  it('nor for a rule that looks up another table (AWS, Istio)', () => {
    expect(mayRefuse(facts(withRule(rule(100, { table: '133', selector: { fwmark: '0x539' } }))))).toBe(false)
  })

  it.each([
    ['no default route', pod({ routes: [] })],
    ['a route that refuses', withRoute(hole)],
    ['a rule that refuses', withRule(rule(100, { table: null, action: 'prohibit' }))],
  ])('%s', (_, own) => {
    expect(mayRefuse(facts(own))).toBe(true)
    expect(mayRefuse(facts({ ...own, routes: [...own.routes, ...pod().routes.slice(2)] }, 6))).toBe(false)
  })
})

describe('judgeWayOut', () => {
  it('what the kernel sends is fine, whatever stands in the tables', () => {
    expect(judgeWayOut(facts(withRoute(hole)), [said('198.18.2.9', null)])).toMatchObject({ is: 'fine' })
  })

  it.each([
    [
      'a blackhole route',
      withRoute(hole),
      'Invalid argument',
      '`nsenter --net=/run/netns/x ip route del blackhole 198.19.0.0/16`',
    ],
    [
      'a route of another table',
      withRule(rule(100, { table: '50' })),
      'No route to host',
      'ip route del unreachable default table 50',
    ],
    [
      'a rule about the pod’s address',
      withRule(rule(100, { table: null, action: 'prohibit', selector: { src: '198.18.1.4', dst: '198.19.0.0/16' } })),
      'Permission denied',
      'ip rule del priority 100',
    ],
  ])('%s is named, with the command that takes it away', (_, own, refusal, command) => {
    const other = {
      ...own,
      routes: [...own.routes, route('default', { type: 'unreachable', table: '50', device: null })],
    }
    const verdict = judgeWayOut(facts(other), [said(SERVICE, refusal), said('198.18.2.9', null)])
    expect(verdict).toMatchObject({ is: 'broken', code: 'POD_ROUTE_BLOCKED', hint: expect.stringContaining(command) })
  })

  it('an IPv6 rule that says unreachable sounds like no route at all', () => {
    const own = withRule(
      rule(100, { family: 6, table: null, action: 'unreachable', selector: { dst: '2001:db8:19::/64' } }),
    )
    expect(judgeWayOut(facts(own, 6), [said(SERVICE6, 'Network is unreachable')])).toMatchObject({
      code: 'POD_ROUTE_BLOCKED',
      hint: expect.stringContaining('ip -6 rule del priority 100'),
    })
  })

  it('a rule about another pod’s address is not blamed', () => {
    const own = withRule(rule(100, { table: null, action: 'prohibit', selector: { src: '198.18.1.99' } }))
    const verdict = judgeWayOut(facts({ ...own, routes: [...own.routes, hole] }), [said(SERVICE, 'Invalid argument')])
    expect(verdict).toMatchObject({ hint: expect.stringContaining('route del blackhole') })
  })

  it.each([
    ['no default route', pod({ routes: pod().routes.slice(1) }), 'NO_DEFAULT_ROUTE'],
    ['the interface is down', pod({ routes: [], links: [link('eth0', { flags: [] })] }), 'LINK_DOWN'],
    ['the address is gone', pod({ routes: [], addresses: [] }), 'ADDRESS_MISSING'],
    ['a default route that does not lead there', withRoute(), 'NO_ROUTE'],
  ])('%s', (_, own, code) => {
    expect(judgeWayOut(facts(own), [said(SERVICE, 'Network is unreachable')])).toMatchObject({ is: 'broken', code })
  })

  const WRONG = '02:aa:aa:aa:aa:aa'
  it('a permanent entry that leads past the node', () => {
    const own = pod({ neighbours: [neighbour(GATEWAY, WRONG)] })
    expect(judgeWayOut(facts(own), [])).toMatchObject({
      is: 'broken',
      code: 'GATEWAY_MAC_WRONG',
      hint: expect.stringContaining(`ip neigh del ${GATEWAY} dev eth0`),
    })
  })

  const routed = { routes: [route('default', { gateway: '169.254.1.1' })] }
  it.each([
    [
      'with the MAC of the node’s end (AWS)',
      pod({ ...routed, neighbours: [neighbour('169.254.1.1', PEER_MAC.toUpperCase())] }),
      node([peer({ master: null })]),
    ],
    ['that the kernel learned', pod({ neighbours: [neighbour(GATEWAY, WRONG, { state: 'REACHABLE' })] }), node()],
    ['of who is no gateway', pod({ neighbours: [neighbour('198.18.1.9', WRONG)] }), node()],
    [
      'of a gateway behind the bridge, a router of the network',
      pod({ routes: [route('default', { gateway: '198.18.1.254' })], neighbours: [neighbour('198.18.1.254', WRONG)] }),
      node(),
    ],
    [
      'on a macvlan',
      pod({ links: [link('eth0', { kind: 'macvlan' })], neighbours: [neighbour(GATEWAY, WRONG)] }),
      node([bridge()]),
    ],
  ])('no alarm for an entry %s', (_, own, other) => {
    expect(judgeWayOut(facts(own, 4, other), [])).toMatchObject({ is: 'fine' })
  })
})
