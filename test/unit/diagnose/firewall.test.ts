import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressNumber, addressRange, addressText } from '../../../lib/diagnose/firewall/packet.ts'
import {
  describe as describeFinding,
  dropsFor,
  type FirewallPacket,
  type Hook,
  walkHook,
  walkPath,
} from '../../../lib/diagnose/firewall.ts'
import { parseIptablesSave } from '../../../lib/node/firewall/iptables.ts'
import type {
  FirewallChain,
  FirewallMatch,
  FirewallRule,
  FirewallSet,
  FirewallState,
  FirewallStep,
  FirewallVerdict,
} from '../../../lib/state.ts'
import { recorded, recordedLegacy } from './firewall-recorded.ts'

const TCP: FirewallPacket = {
  ...{
    family: 4,
    protocol: 'tcp',
    source: '192.0.2.1',
    destination: '203.0.113.9',
    sourcePort: 40000,
    destinationPort: 80,
  },
  ...{ iif: 'eth0', oif: 'eth1', mark: 0, ctState: 'new', length: 60, tcpFlags: ['syn'] },
}
const PING: FirewallPacket = { ...TCP, protocol: 'icmp', icmpType: 8 }
const V6: FirewallPacket = { ...TCP, family: 6, source: '2001:db8::1', destination: '2001:db8:1::9' }

const values = (...elements: string[]): FirewallSet => ({ elements, verdicts: null, conditional: false })
const is = (field: string, ...elements: string[]): FirewallMatch => ({
  ...{ kind: 'match', fields: field.split(', '), mask: null, op: '==', values: values(...elements) },
})
const not = (field: string, ...elements: string[]): FirewallMatch => ({ ...is(field, ...elements), op: '!=' })
const any = (field: string, ...elements: string[]): FirewallMatch => ({ ...is(field, ...elements), op: 'any' })
const none = (field: string, ...elements: string[]): FirewallMatch => ({ ...is(field, ...elements), op: 'none' })
const end = (verdict: FirewallVerdict): FirewallStep => ({ kind: 'verdict', verdict })
const drop = end({ kind: 'drop' })
const accept = end({ kind: 'accept' })
const back = end({ kind: 'return' })
const jump = (chain: string) => end({ kind: 'jump', chain })
const goto = (chain: string) => end({ kind: 'goto', chain })
const unknown: FirewallStep = { kind: 'unknown', text: 'limit rate 1/second' }
const mark = (and: number, xor: number): FirewallStep => ({ kind: 'mark', change: { and, xor } })

let handles = 0
const rule = (...steps: FirewallStep[]): FirewallRule => {
  handles += 1
  return { text: `rule ${handles}`, handle: handles, steps, packets: null }
}
type Base = Partial<NonNullable<FirewallChain['base']>>
const chain = (name: string, base: Base | null, ...rules: FirewallRule[]): FirewallChain => ({
  ...{ backend: 'nft', family: 'inet', table: 't', name, rules },
  base: base && { hook: 'forward', type: 'filter', priority: 0, policy: 'accept', devices: null, ...base },
})
const state = (...chains: FirewallChain[]): FirewallState => ({ chains, sets: {}, missing: null })
const forward = (of: FirewallState, packet = TCP, hook: Hook = 'forward') => walkHook(of, { hook, packet })
/** true, false or null: what one condition makes of a packet. */
function holds(step: FirewallStep, packet: FirewallPacket, hook: Hook = 'forward', base: Base = {}): boolean | null {
  const said = forward(state(chain('c', { hook, ...base }, rule(step, drop))), packet, hook)
  if (said.verdict === 'accept') return false
  return 'certain' in said && said.certain ? true : null
}

describe('conditions', () => {
  const cases: readonly (readonly [FirewallMatch, FirewallPacket, boolean | null, string])[] = [
    [is('ip saddr', '192.0.2.1'), TCP, true, 'address'],
    [is('ip saddr', '192.0.2.2'), TCP, false, 'another address'],
    [is('ip daddr', '192.0.2.1'), TCP, false, 'source is not destination'],
    [not('ip saddr', '192.0.2.2'), TCP, true, 'negated'],
    [is('ip saddr', '192.0.2.0/31'), TCP, true, 'prefix'],
    [is('ip saddr', '192.0.2.2/31'), TCP, false, 'next prefix'],
    [is('ip saddr', '192.0.2.0-192.0.2.1'), TCP, true, 'last of a range'],
    [is('ip saddr', '192.0.2.2-192.0.2.9'), TCP, false, 'before a range'],
    [is('ip saddr', '0.0.0.0/0'), TCP, true, 'everything'],
    [is('ip6 saddr', '2001:db8::/32'), V6, true, 'IPv6 prefix'],
    [is('ip6 saddr', '2001:db8::2-2001:db8::9'), V6, false, 'IPv6 range'],
    [is('ip6 daddr', '2001:db8:1::9'), V6, true, 'IPv6 address'],
    [is('ip saddr', '0.0.0.0/0'), V6, false, 'IPv4 condition on IPv6'],
    [not('ip saddr', '10.0.0.0/8'), V6, false, 'even negated'],
    [is('ip6 saddr', '::/0'), TCP, false, 'IPv6 condition on IPv4'],
    [is('ip saddr', '192.0.2.1'), { ...TCP, source: undefined }, null, 'source not known'],
    [is('ip saddr', 'somewhere'), TCP, null, 'value not understood'],
    [is('meta l4proto', 'tcp'), TCP, true, 'protocol'],
    [is('meta l4proto', '6'), TCP, true, 'protocol by number'],
    [is('meta l4proto', 'udp', 'tcp'), TCP, true, 'one of two protocols'],
    [is('meta l4proto', 'icmp'), PING, true, 'ICMP'],
    [is('meta l4proto', 'ipv6-icmp'), { ...PING, family: 6 }, true, 'ICMPv6'],
    [is('meta l4proto', 'icmp'), { ...PING, family: 6 }, false, 'ICMP is not ICMPv6'],
    [is('meta l4proto', 'constructor'), TCP, null, 'a word that every object knows'],
    [any('ct state', 'constructor'), TCP, null, 'such a state'],
    [is('meta l4proto', 'strange'), TCP, null, 'protocol not known'],
    [is('ip protocol', 'tcp'), TCP, true, 'in the IPv4 header'],
    [is('ip6 nexthdr', 'tcp'), V6, true, 'in the IPv6 header'],
    [is('meta nfproto', 'ipv4'), TCP, true, 'family'],
    [is('meta nfproto', 'ipv6'), TCP, false, 'other family'],
    [is('meta protocol', 'ip6'), V6, true, 'EtherType'],
    [is('meta protocol', 'arp'), TCP, false, 'other EtherType'],
    [is('tcp dport', '80'), TCP, true, 'port'],
    [is('tcp dport', '1-79'), TCP, false, 'port above a range'],
    [is('tcp dport', '22', '80-90'), TCP, true, 'range in a set'],
    [is('tcp sport', '40000'), TCP, true, 'source port'],
    [is('tcp sport', '80'), TCP, false, 'source port is not destination port'],
    [is('udp dport', '80'), TCP, false, 'other protocol’s port'],
    [not('udp dport', '80'), TCP, false, 'even negated'],
    [is('th dport', '80'), TCP, true, 'port of any protocol'],
    [is('th dport', '80'), PING, null, 'port of a ping'],
    [is('tcp dport', '80'), { ...TCP, destinationPort: undefined }, null, 'port not known'],
    [{ ...is('tcp dport', '80'), op: '<' }, TCP, false, 'below'],
    [{ ...is('tcp dport', '81'), op: '<' }, TCP, true, 'just below'],
    [{ ...is('tcp dport', '80'), op: '<=' }, TCP, true, 'not above'],
    [{ ...is('tcp dport', '79'), op: '<=' }, TCP, false, 'above'],
    [{ ...is('tcp dport', '80'), op: '>' }, TCP, false, 'not above itself'],
    [{ ...is('tcp dport', '79'), op: '>' }, TCP, true, 'just above'],
    [{ ...is('tcp dport', '80'), op: '>=' }, TCP, true, 'not below'],
    [{ ...is('tcp dport', '81'), op: '>=' }, TCP, false, 'below it'],
    [is('meta iifname', 'eth0'), TCP, true, 'interface'],
    [is('meta iifname', 'eth'), TCP, false, 'its start alone'],
    [is('meta iifname', 'eth*'), TCP, true, 'wildcard'],
    [is('meta iifname', 'veth*'), TCP, false, 'other wildcard'],
    [is('meta oifname', 'eth1'), TCP, true, 'outgoing interface'],
    [not('meta oifname', 'eth1'), TCP, false, 'negated interface'],
    [is('meta iif', 'eth0'), TCP, true, 'interface by index'],
    [is('meta iif', '5'), TCP, null, 'index without a name'],
    [is('meta iifname', 'eth0'), { ...TCP, iif: undefined }, null, 'interface not known'],
    [is('meta mark', '0'), TCP, true, 'mark'],
    [is('meta mark', '1'), TCP, false, 'other mark'],
    [not('meta mark', '0'), TCP, false, 'negated mark'],
    [is('meta mark', '1'), { ...TCP, mark: undefined }, null, 'mark not known'],
    [is('meta mark', '5-9'), { ...TCP, mark: 9 }, true, 'range of marks'],
    [{ ...is('meta mark', '1'), mask: 0xff }, { ...TCP, mark: 0x101 }, true, 'masked'],
    [{ ...is('meta mark', '1'), mask: 0xff }, { ...TCP, mark: 0x102 }, false, 'masked, other'],
    [{ ...not('meta mark', '0'), mask: 0x3 }, { ...TCP, mark: 4 }, false, 'masked, negated'],
    [{ ...is('meta mark', '2147483648'), mask: 0x80000000 }, { ...TCP, mark: 0x80000000 }, true, 'highest bit'],
    [any('ct state', 'new'), TCP, true, 'state'],
    [any('ct state', 'established', 'related'), TCP, false, 'other states'],
    [none('ct state', 'established'), TCP, true, 'none of the states'],
    [is('ct state', 'new', 'invalid'), TCP, true, 'state in a set'],
    [not('ct state', 'new'), TCP, false, 'negated state'],
    [any('ct state', 'new'), { ...TCP, ctState: undefined }, null, 'state not known'],
    [any('ct state', 'strange'), TCP, null, 'state not understood'],
    [any('ct status', 'dnat'), { ...TCP, dnat: true }, true, 'translated'],
    [any('ct status', 'dnat'), { ...TCP, dnat: false }, false, 'not translated'],
    [any('ct status', 'snat'), { ...TCP, snat: true }, true, 'source translated'],
    [any('ct status', 'assured'), TCP, null, 'another status'],
    [any('xt ctstate', 'established', 'dnat'), { ...TCP, dnat: true }, true, 'iptables: state or translation'],
    [any('xt ctstate', 'established', 'dnat'), { ...TCP, dnat: false }, false, 'iptables: neither'],
    [none('xt ctstate', 'established', 'dnat'), { ...TCP, ctState: 'established' }, false, 'iptables: not the state'],
    [
      any('xt ctstate', 'dnat'),
      { ...TCP, ctState: 'invalid', dnat: true },
      false,
      'without an entry nothing is translated',
    ],
    [is('ct direction', 'original'), TCP, true, 'direction of a new connection'],
    [is('ct direction', 'reply'), { ...TCP, ctState: 'established' }, null, 'direction of an old one'],
    [is('ct mark', '0'), TCP, null, 'the connection’s mark'],
    [is('icmp type', 'echo-request'), PING, true, 'ICMP type'],
    [is('icmp type', 'echo-reply'), PING, false, 'other ICMP type'],
    [is('icmp type', '8'), PING, true, 'ICMP type by number'],
    [is('icmp type', 'echo-request'), TCP, false, 'ICMP type of TCP'],
    [is('icmpv6 type', 'echo-request'), { ...PING, family: 6, icmpType: 128 }, true, 'ICMPv6 type'],
    [is('icmpv6 type', 'echo-request'), PING, false, 'ICMPv6 type of ICMP'],
    [is('icmp type', 'echo-request'), { ...PING, icmpType: undefined }, null, 'ICMP type not known'],
    [is('icmp code', '0'), PING, null, 'ICMP code'],
    [is('meta length', '60'), TCP, true, 'length'],
    [is('meta length', '61-100'), TCP, false, 'other length'],
    [is('ip length', '60'), TCP, true, 'length in the header'],
    [any('tcp flags', 'syn'), TCP, true, 'flag'],
    [any('tcp flags', 'ack', 'rst'), TCP, false, 'other flags'],
    [{ ...is('tcp flags', 'syn'), mask: ['syn', 'ack'] }, TCP, true, 'flags under a mask'],
    [{ ...is('tcp flags', 'syn'), mask: ['syn', 'ack'] }, { ...TCP, tcpFlags: ['syn', 'ack'] }, false, 'one more flag'],
    [
      { ...is('tcp flags', 'syn'), mask: ['syn', 'ack'] },
      { ...TCP, tcpFlags: ['syn', 'psh'] },
      true,
      'a flag outside the mask',
    ],
    [{ ...not('tcp flags', 'syn'), mask: ['syn', 'ack'] }, TCP, false, 'flags, negated'],
    [{ ...is('tcp flags', '0'), mask: ['fin', 'syn'] }, TCP, false, 'no flag'],
    [any('tcp flags', 'syn'), { ...TCP, tcpFlags: undefined }, null, 'flags not known'],
    [is('fib daddr type', 'local'), { ...TCP, localAddresses: ['203.0.113.0/24'] }, true, 'local'],
    [is('fib daddr type', 'local'), { ...TCP, localAddresses: ['203.0.113.8'] }, false, 'not local'],
    [not('fib saddr type', 'local'), { ...TCP, localAddresses: ['203.0.113.8'] }, true, 'source not local'],
    [is('fib saddr type', 'local'), TCP, null, 'local addresses not known'],
    [is('fib daddr type', 'local'), TCP, false, 'what is forwarded is not local'],
    [is('fib daddr type', 'broadcast'), { ...TCP, localAddresses: [] }, null, 'broadcast or not'],
    [is('fib saddr . iif oif', '0'), TCP, null, 'reverse path'],
    [is('numgen 0-0', '0'), TCP, true, 'one of one'],
    [is('numgen 0-1', '0'), TCP, null, 'one of two'],
    [is('numgen 0-1', '2'), TCP, false, 'none of two'],
    [is('meta skuid', '0'), TCP, null, 'a field that is not modelled'],
    [is('ip saddr, tcp dport', '192.0.2.1 . 80'), TCP, true, 'concatenation'],
    [is('ip saddr, tcp dport', '192.0.2.1 . 81'), TCP, false, 'half a concatenation'],
    [is('ip saddr, tcp dport', '192.0.2.0/24 . 1-1023'), TCP, true, 'concatenation of ranges'],
    [
      is('ip saddr, tcp dport', '192.0.2.9 . 80'),
      { ...TCP, destinationPort: undefined },
      false,
      'the known half differs',
    ],
    [
      is('ip saddr, tcp dport', '192.0.2.1 . 80'),
      { ...TCP, destinationPort: undefined },
      null,
      'the known half agrees',
    ],
    [is('meta iifname, ip saddr', 'eth0 . 192.0.2.1'), TCP, true, 'concatenation with a name'],
    [{ ...is('ip saddr'), values: { set: 'inet t none' } }, TCP, null, 'a set that was not read'],
    [
      { ...is('ip saddr'), values: { ...values('192.0.2.1'), conditional: true } },
      TCP,
      true,
      'hit in a set with conditions',
    ],
    [
      { ...is('ip saddr'), values: { ...values('192.0.2.2'), conditional: true } },
      TCP,
      null,
      'no hit in a set with conditions',
    ],
  ]
  it.each(cases.map((one) => [one[3], ...one] as const))('%s', (_, step, packet, expected) => {
    expect(holds(step, packet)).toBe(expected)
  })

  it('a named set is looked up', () => {
    const step = { ...is('ip saddr'), values: { set: 'inet t s' } }
    const of = {
      ...state(chain('c', {}, rule(step, drop))),
      sets: { 'inet t s': values('198.18.0.0/15', '192.0.2.1') },
    }
    expect(forward(of)).toMatchObject({ verdict: 'drop', certain: true })
    expect(forward(of, { ...TCP, source: '192.0.2.2' })).toMatchObject({ verdict: 'accept' })
  })

  it('an interface that the hook does not have is no other either, as far as kernels agree', () => {
    expect(holds(is('meta iifname', 'eth0'), TCP, 'output')).toBe(false)
    expect(holds(not('meta iifname', 'eth0'), TCP, 'output')).toBe(null)
    expect(holds(is('meta oifname', 'eth1'), TCP, 'prerouting')).toBe(false)
    expect(holds(is('meta iifname', 'eth0'), TCP, 'postrouting')).toBe(null)
  })

  it('before conntrack a packet from the wire is invalid', () => {
    const early = { hook: 'prerouting', priority: -300 }
    expect(holds(any('ct state', 'invalid'), TCP, 'prerouting', early)).toBe(true)
    expect(holds(any('ct state', 'new'), TCP, 'prerouting', early)).toBe(false)
    expect(holds(any('ct state', 'new'), { ...TCP, iif: 'lo' }, 'prerouting', early)).toBe(null)
    expect(holds(any('ct state', 'new'), TCP, 'prerouting', { priority: -200 })).toBe(null)
    expect(holds(any('ct state', 'new'), TCP, 'prerouting', { priority: -199 })).toBe(true)
  })
})

describe('chains', () => {
  it('a policy is a finding', () => {
    const said = forward(state(chain('c', { policy: 'drop' }, rule(is('tcp dport', '22'), accept))))
    expect(said).toMatchObject({
      verdict: 'drop',
      rule: 'policy drop',
      chain: 'c',
      handle: null,
      certain: true,
      after: null,
    })
    expect(forward(state(chain('c', { policy: 'drop' }, rule(accept))))).toMatchObject({ verdict: 'accept' })
  })

  it('an accept ends its own base chain, a drop everything', () => {
    const first = chain('a', { priority: -5 }, rule(accept), rule(drop))
    expect(forward(state(first))).toMatchObject({ verdict: 'accept' })
    expect(forward(state(first, chain('b', {}, rule(drop))))).toMatchObject({
      verdict: 'drop',
      chain: 'b',
      priority: 0,
    })
  })

  it('lower priorities come first, whatever the order of reading', () => {
    const of = state(chain('late', { priority: 10 }, rule(drop)), chain('early', { priority: -10 }, rule(drop)))
    expect(forward(of)).toMatchObject({ chain: 'early', certain: true })
  })

  it('only chains of the hook and family are asked', () => {
    const other = [
      chain('a', { hook: 'input' }, rule(drop)),
      { ...chain('b', {}, rule(drop)), family: 'ip6' },
      { ...chain('c', {}, rule(drop)), family: 'bridge' },
      { ...chain('d', {}, rule(drop)), family: 'arp' },
    ]
    expect(forward(state(...other))).toMatchObject({ verdict: 'accept' })
    expect(forward(state(...other), V6)).toMatchObject({ verdict: 'drop', chain: 'b' })
    expect(walkHook(state(...other), { family: 'bridge', hook: 'forward', packet: TCP })).toMatchObject({ chain: 'c' })
  })

  it('a jump comes back to the next rule, a goto to the caller’s caller', () => {
    const body = (how: FirewallStep) =>
      state(
        chain('base', {}, rule(jump('one')), rule(end({ kind: 'reject', with: '' }))),
        chain('one', null, rule(how), rule(drop)),
        chain('two', null, rule(is('tcp dport', '22'), accept)),
      )
    expect(forward(body(jump('two')))).toMatchObject({ verdict: 'drop', chain: 'one' })
    expect(forward(body(goto('two')))).toMatchObject({ verdict: 'reject', chain: 'base' })
  })

  it('a return leaves the chain; in a base chain the policy follows', () => {
    const of = state(chain('base', {}, rule(jump('one')), rule(drop)), chain('one', null, rule(back), rule(accept)))
    expect(forward(of)).toMatchObject({ verdict: 'drop', chain: 'base' })
    expect(forward(state(chain('base', { policy: 'drop' }, rule(back), rule(accept))))).toMatchObject({
      rule: 'policy drop',
    })
    expect(forward(state(chain('base', { policy: 'drop' }, rule(goto('one'))), chain('one', null)))).toMatchObject({
      rule: 'policy drop',
    })
  })

  it('a chain that is not there makes what follows uncertain', () => {
    expect(forward(state(chain('c', {}, rule(jump('gone')))))).toMatchObject({ verdict: 'unknown' })
    expect(forward(state(chain('c', {}, rule(jump('gone')), rule(drop))))).toMatchObject({
      verdict: 'drop',
      certain: false,
    })
  })

  it('a loop is not followed for ever', () => {
    const of = state(chain('base', {}, rule(jump('one'))), chain('one', null, rule(jump('one'))))
    expect(forward(of)).toMatchObject({ verdict: 'unknown', because: expect.stringContaining('jumps') })
  })

  it('both back ends of iptables may have a table of one name', () => {
    const table = (backend: 'iptables-nft' | 'iptables-legacy', ...rules: FirewallRule[]): FirewallChain[] => [
      { ...chain('FORWARD', {}, rule(jump('user'))), backend, family: 'ip', table: 'filter' },
      { ...chain('user', null, ...rules), backend, family: 'ip', table: 'filter' },
    ]
    const of = state(...table('iptables-nft'), ...table('iptables-legacy', rule(drop)))
    expect(forward(of)).toMatchObject({ verdict: 'drop', backend: 'iptables-legacy', certain: true })
  })
})

describe('what is not known', () => {
  it('a possible drop is told, and is not certain', () => {
    const said = forward(state(chain('c', {}, rule(unknown, drop))))
    expect(said).toMatchObject({ verdict: 'drop', certain: false, candidates: [{ chain: 'c' }] })
    expect(said.after).not.toBeNull()
  })

  it('a drop after a possible drop is sure to drop, but not which one does', () => {
    const said = forward(state(chain('c', {}, rule(unknown, drop), rule(drop))))
    expect(said).toMatchObject({ verdict: 'drop', certain: false, after: null, candidates: [{}, {}] })
  })

  it('a possible accept makes the policy uncertain', () => {
    expect(forward(state(chain('c', { policy: 'drop' }, rule(unknown, accept))))).toMatchObject({ certain: false })
    expect(
      forward(state(chain('c', {}, rule(unknown, accept)), chain('d', { priority: 1 }, rule(drop)))),
    ).toMatchObject({ certain: true })
  })

  it('a possible return makes the rest of its chain uncertain, and no more', () => {
    const user = chain('one', null, rule(unknown, back), rule(mark(0, 0)))
    expect(forward(state(chain('c', {}, rule(jump('one')), rule(drop)), user))).toMatchObject({ certain: true })
    const dropping = chain('one', null, rule(unknown, back), rule(drop))
    expect(forward(state(chain('c', {}, rule(jump('one'))), dropping))).toMatchObject({ certain: false })
  })

  it('a possible jump that changes nothing changes nothing', () => {
    const of = state(
      chain('c', {}, rule(unknown, jump('one')), rule(drop)),
      chain('one', null, rule(is('tcp dport', '22'), accept)),
    )
    expect(forward(of)).toMatchObject({ verdict: 'drop', chain: 'c', certain: true })
  })

  it('a possible change of the mark leaves its other bits known', () => {
    const of = (step: FirewallStep) => state(chain('c', {}, rule(unknown, mark(0xffffffff, 0x4)), rule(step, drop)))
    expect(forward(of({ ...is('meta mark', '0'), mask: 0x3 }))).toMatchObject({ certain: true })
    expect(forward(of({ ...is('meta mark', '4'), mask: 0x4 }))).toMatchObject({ certain: false })
    expect(forward(of({ ...is('meta mark', '5'), mask: 0x5 }))).toMatchObject({ verdict: 'accept' })
  })

  it('a part that could not be read leaves nothing certain', () => {
    const part = (...rules: FirewallRule[]) => ({ ...state(chain('c', {}, ...rules)), missing: 'no iptables' })
    expect(forward(part())).toMatchObject({ verdict: 'unknown', because: 'no iptables' })
    expect(forward(part(rule(drop)))).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('who hands packets to a program has the last word', () => {
    expect(forward(state(chain('c', {}, rule(end({ kind: 'taken' })))))).toMatchObject({ verdict: 'unknown' })
  })

  it('chains of one priority come in an order that is not known', () => {
    const marks = chain('a', {}, rule(mark(0, 1)))
    const drops = chain('b', {}, rule(is('meta mark', '1'), drop))
    expect(forward(state(marks, drops))).toMatchObject({ certain: false })
    expect(forward(state(drops, marks))).toMatchObject({ certain: false })
    expect(forward(state(chain('a', {}, rule(accept)), chain('b', {}, rule(drop))))).toMatchObject({
      chain: 'b',
      certain: true,
    })
  })

  it('a device that nft does not tell may be any', () => {
    const at = (devices: readonly string[] | null) =>
      walkHook(state({ ...chain('c', { hook: 'ingress', devices }, rule(drop)), family: 'netdev' }), {
        family: 'netdev',
        hook: 'ingress',
        packet: TCP,
      })
    expect(at(['eth0'])).toMatchObject({ verdict: 'drop', certain: true })
    expect(at(['eth9'])).toMatchObject({ verdict: 'accept' })
    expect(at(null)).toMatchObject({ verdict: 'drop', certain: false })
  })
})

describe('marks and maps', () => {
  it('a rule’s steps are carried out in order', () => {
    expect(forward(state(chain('c', {}, rule(mark(0, 1), is('meta mark', '1'), drop))))).toMatchObject({
      certain: true,
    })
    expect(forward(state(chain('c', {}, rule(is('meta mark', '1'), mark(0, 1), drop))))).toMatchObject({
      verdict: 'accept',
    })
    expect(
      forward(state(chain('c', {}, rule(mark(0, 1), is('tcp dport', '1')), rule(is('meta mark', '1'), drop)))),
    ).toMatchObject({ certain: true })
  })

  it('a mark reaches later chains and hooks', () => {
    const of = state(
      chain('a', { hook: 'prerouting' }, rule(mark(0, 2))),
      chain('b', {}, rule(is('meta mark', '2'), drop)),
    )
    const answers = walkPath(of, TCP, [{ hook: 'prerouting' }, { hook: 'forward' }])
    expect(answers).toMatchObject([
      { verdict: 'accept', after: { mark: 2 } },
      { verdict: 'drop', certain: true },
    ])
  })

  const vmap = (...verdicts: (readonly [string, FirewallVerdict])[]): FirewallStep => ({
    ...{ kind: 'vmap', fields: ['tcp dport'] },
    values: {
      elements: verdicts.map(([key]) => key),
      verdicts: verdicts.map(([, verdict]) => verdict),
      conditional: false,
    },
  })

  it('the element that holds the key decides; none ends the rule', () => {
    const of = (step: FirewallStep) => state(chain('c', {}, rule(step, drop)))
    expect(forward(of(vmap(['80', { kind: 'accept' }], ['1-79', { kind: 'drop' }])))).toMatchObject({
      verdict: 'accept',
    })
    expect(forward(of(vmap(['1-79', { kind: 'accept' }])))).toMatchObject({ verdict: 'accept' })
    expect(forward(of(vmap(['80', { kind: 'continue' }])))).toMatchObject({ verdict: 'drop', certain: true })
    expect(forward(of(vmap(['1', { kind: 'accept' }], ['*', { kind: 'reject', with: 'x' }])))).toMatchObject({
      verdict: 'reject',
      how: 'x',
    })
    expect(forward(of(vmap(['80', { kind: 'accept' }], ['*', { kind: 'drop' }])))).toMatchObject({ verdict: 'accept' })
  })

  it('a key that is not known may be any that agrees', () => {
    const step = vmap(['80', { kind: 'accept' }], ['22', { kind: 'drop' }])
    const said = forward(state(chain('c', {}, rule(step))), { ...TCP, destinationPort: undefined })
    expect(said).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('everything else means what no other element holds', () => {
    const names = (...elements: string[]): FirewallStep => ({
      ...{ kind: 'vmap', fields: ['meta iifname'] },
      values: { elements, verdicts: [{ kind: 'drop' }, { kind: 'accept' }], conditional: false },
    })
    expect(forward(state(chain('c', {}, rule(names('*', 'eth0')))))).toMatchObject({ verdict: 'accept' })
    expect(forward(state(chain('c', {}, rule(names('*', 'eth9')))))).toMatchObject({ verdict: 'drop', certain: true })
    const step = vmap(['80', { kind: 'accept' }], ['*', { kind: 'drop' }])
    const said = forward(state(chain('c', {}, rule(step))), { ...TCP, destinationPort: undefined })
    expect(said).toMatchObject({ verdict: 'drop', certain: false })
    expect(said.after).not.toBeNull()
  })

  it('a mark that is set is known, whatever it was', () => {
    const of = state(chain('c', {}, rule(mark(0, 1)), rule(is('meta mark', '1'), drop)))
    expect(forward(of, { ...TCP, mark: undefined })).toMatchObject({ certain: true })
  })

  it('an element of a named map is named', () => {
    const step: FirewallStep = { kind: 'vmap', fields: ['tcp dport'], values: { set: 'inet t m' } }
    const sets = { 'inet t m': { elements: ['80'], verdicts: [{ kind: 'drop' } as const], conditional: false } }
    const said = forward({ ...state(chain('c', {}, rule(step))), sets })
    expect(said).toMatchObject({ verdict: 'drop', certain: true, element: { map: 'inet t m', key: '80' } })
    expect('element' in said && describeFinding(said)).toMatchObject({ remove: "nft delete element inet t m '{ 80 }'" })
  })
})

describe('address translation', () => {
  const nat = (hook: Hook, verdict: FirewallVerdict, base: Base = {}, ...conditions: FirewallStep[]) =>
    chain('nat', { hook, type: 'nat', priority: -100, ...base }, rule(...conditions, end(verdict)))
  const dnat = { kind: 'dnat', to: '198.18.1.2', port: 8080 } as const
  it('a nat chain is not asked for sure where nothing tracks connections', () => {
    const only = chain('nat', { hook: 'prerouting', type: 'nat', priority: -100 }, rule(drop))
    expect(at(state(only))).toMatchObject({ verdict: 'drop', certain: false })
    const tracking = chain('f', { hook: 'output' }, rule(any('ct state', 'new'), accept))
    expect(at(state(only, tracking))).toMatchObject({ verdict: 'drop', certain: true })
    expect(at(state(only, { ...tracking, family: 'ip6' }))).toMatchObject({ certain: false })
    const masquerades = (...steps: FirewallStep[]) =>
      chain('m', { hook: 'output' }, rule(...steps, end({ kind: 'snat' })))
    expect(at(state(only, masquerades()))).toMatchObject({ certain: true })
    expect(at(state(only, masquerades(is('meta protocol', 'ip'))))).toMatchObject({ certain: true })
    expect(at(state(only, masquerades(is('meta protocol', 'ip6'))))).toMatchObject({ certain: false })
  })

  const at = (of: FirewallState, packet = TCP) => walkHook(of, { hook: 'prerouting', packet })

  it('tells where to, and later chains see the new destination', () => {
    const later = chain(
      'f',
      { hook: 'prerouting', priority: 0 },
      rule(is('ip daddr, tcp dport', '198.18.1.2 . 8080'), drop),
    )
    expect(at(state(nat('prerouting', dnat)))).toMatchObject({
      ...{ verdict: 'dnat', certain: true, how: '198.18.1.2:8080' },
      after: { destination: '198.18.1.2', destinationPort: 8080, dnat: true },
    })
    expect(at(state(nat('prerouting', dnat), later))).toMatchObject({ verdict: 'drop', certain: true })
    const earlier = { ...later, base: later.base && { ...later.base, priority: -150 } }
    expect(at(state(nat('prerouting', dnat), earlier))).toMatchObject({ verdict: 'dnat' })
  })

  it('happens at the hook’s own priority, whatever the chain’s is', () => {
    const filter = chain('f', { hook: 'prerouting', priority: -90 }, rule(is('ip daddr', '198.18.1.2'), drop))
    expect(at(state(nat('prerouting', dnat, { priority: 50 }), filter))).toMatchObject({
      verdict: 'drop',
      certain: true,
    })
  })

  it('is done once: the first chain that translates decides', () => {
    const second = {
      ...nat('prerouting', { kind: 'dnat', to: '198.18.1.3', port: null }, { priority: -90 }),
      name: 'second',
    }
    expect(at(state(second, nat('prerouting', dnat)))).toMatchObject({ how: '198.18.1.2:8080', certain: true })
  })

  it('of two chains of one priority either may decide', () => {
    const second = { ...nat('prerouting', { kind: 'dnat', to: '198.18.1.3', port: null }), name: 'second' }
    const said = at(state(second, nat('prerouting', dnat)))
    expect(said).toMatchObject({ verdict: 'dnat', certain: false, candidates: [{}, {}] })
    expect(said.after).not.toHaveProperty('destination')
  })

  it('of two chains of one priority the one that drops may not be asked', () => {
    const drops = chain('d', { hook: 'prerouting', type: 'nat', priority: -100 }, rule(drop))
    expect(at(state(drops, nat('prerouting', dnat)))).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('is for new connections alone; later packets go where the first one went', () => {
    const of = state(
      nat('prerouting', dnat),
      chain('f', { hook: 'prerouting' }, rule(is('ip daddr', '203.0.113.9'), drop)),
    )
    expect(at(of, { ...TCP, ctState: 'established' })).toMatchObject({ verdict: 'drop', certain: false })
    expect(at(of, { ...TCP, ctState: 'untracked' })).toMatchObject({ verdict: 'drop', certain: true })
    expect(at(of)).toMatchObject({ verdict: 'dnat' })
  })

  it('a redirect keeps the port that it does not name', () => {
    expect(at(state(nat('prerouting', { kind: 'redirect', port: 15001 })))).toMatchObject({
      ...{ verdict: 'redirect', how: '15001', certain: true },
      after: { destinationPort: 15001 },
    })
    expect(at(state(nat('prerouting', { kind: 'redirect', port: null })))).toMatchObject({
      after: { destinationPort: 80 },
    })
  })

  it('what is not translated is known not to be', () => {
    const of = state(
      nat('prerouting', dnat, {}, is('tcp dport', '22')),
      chain('f', {}, rule(any('ct status', 'dnat'), accept), rule(drop)),
    )
    expect(walkPath(of, TCP, [{ hook: 'prerouting' }, { hook: 'forward' }]).at(-1)).toMatchObject({
      verdict: 'drop',
      certain: true,
    })
    expect(forward(of)).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('a masqueraded source is not known any more', () => {
    const of = state(chain('n', { hook: 'postrouting', type: 'nat', priority: 100 }, rule(end({ kind: 'snat' }))))
    const said = walkHook(of, { hook: 'postrouting', packet: TCP })
    expect(said.verdict).toBe('accept')
    expect(said.after).not.toHaveProperty('source')
  })

  it('a local proxy may take it, and iptables’ drops without one', () => {
    const proxy = (drops: boolean) =>
      at(state(chain('c', { hook: 'prerouting' }, rule(end({ kind: 'tproxy', drops })))))
    expect(proxy(false)).toMatchObject({ verdict: 'redirect' })
    expect(proxy(true)).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('notrack counts only before conntrack has seen the packet; what else it leaves out is not sure', () => {
    const of = (priority: number) =>
      state(
        chain('c', { hook: 'prerouting', priority }, rule({ kind: 'notrack' })),
        chain('d', { hook: 'prerouting' }, rule(any('ct state', 'untracked'), drop)),
      )
    expect(at(of(-300))).toMatchObject({ verdict: 'drop', certain: true })
    expect(at(of(-100))).toMatchObject({ certain: false })
  })

  it('an address that is written over is not known any more', () => {
    const of = state(
      chain('c', {}, rule({ kind: 'overwrite', field: 'ip daddr' }), rule(is('ip daddr', '203.0.113.9'), drop)),
    )
    expect(forward(of)).toMatchObject({ certain: false })
  })
})

describe('recorded rule sets', () => {
  const pod: FirewallPacket = { ...TCP, source: '198.18.1.3', iif: 'cni0', oif: 'eth0' }
  const path = [{ hook: 'prerouting' }, { hook: 'forward' }, { hook: 'postrouting' }] as const

  it.each([
    ['nftables', recorded('kube-proxy-nftables'), '198.19.75.150'],
    ['iptables', recorded('kube-proxy-iptables', ['filter', 'nat']), '198.19.140.49'],
  ])('kube-proxy’s %s mode: a service’s address leads to its endpoints, others nowhere', (_, of, service) => {
    const asked = { ...pod, destination: service, localAddresses: ['198.51.100.1'] }
    const said = walkHook(of, { hook: 'prerouting', packet: asked })
    expect(said).toMatchObject({ verdict: 'dnat', certain: false })
    expect('candidates' in said && said.candidates.map(({ how }) => how?.split(':')[1])).toEqual([
      '8080',
      '8080',
      '8080',
      '8080',
    ])
    expect(dropsFor(of, { ...pod, localAddresses: [] }, path)).toEqual([])
  })

  it('kube-proxy refuses a port that a service does not have', () => {
    const of = recorded('kube-proxy-nftables')
    const asked = { ...pod, destination: '198.19.75.150', destinationPort: 81, localAddresses: [] }
    const [found, ...more] = dropsFor(of, asked, path)
    expect(more).toEqual([])
    expect(found).toMatchObject({ verdict: 'reject', chain: 'cluster-ips-check', certain: true })
    expect(dropsFor(of, { ...asked, destination: '198.19.9.9' }, path)).toMatchObject([
      { verdict: 'drop', handle: 41, certain: true },
    ])
  })

  it('one endpoint alone is certain', () => {
    const asked = { ...pod, destination: '198.19.0.1', destinationPort: 443, localAddresses: [] }
    const said = walkHook(recorded('kube-proxy-nftables'), { hook: 'prerouting', packet: asked })
    expect(said).toMatchObject({ verdict: 'dnat', certain: true, how: '198.51.100.1:6443', after: { mark: 0 } })
  })

  it('ufw: what is not allowed meets the policy; the rate of logging does not matter', () => {
    const of = recorded('ufw', ['filter'])
    const asked: FirewallPacket = { ...TCP, localAddresses: ['203.0.113.9'] }
    expect(walkHook(of, { hook: 'input', packet: { ...asked, destinationPort: 6443 } })).toMatchObject({
      verdict: 'accept',
    })
    expect(walkHook(of, { hook: 'input', packet: { ...asked, ctState: 'invalid' } })).toMatchObject({
      verdict: 'drop',
      certain: true,
      chain: 'ufw-before-input',
    })
    expect(walkHook(of, { hook: 'forward', packet: asked })).toMatchObject({
      rule: 'policy drop',
      chain: 'FORWARD',
      certain: true,
    })
    expect(walkHook(of, { hook: 'forward', packet: PING })).toMatchObject({ verdict: 'accept' })
    expect(walkHook(of, { hook: 'input', packet: { ...asked, destinationPort: 22 } })).toMatchObject({
      verdict: 'reject',
      certain: false,
    })
  })

  it('ufw without iptables-save: not known rather than wrong', () => {
    const said = walkHook(recorded('ufw'), { hook: 'input', packet: { ...TCP, destinationPort: 6443 } })
    expect(said).toMatchObject({ certain: false })
  })

  it('firewalld: the zone of the interface decides', () => {
    const of = recorded('firewalld')
    const at = (packet: FirewallPacket) => walkHook(of, { hook: 'input', packet })
    expect(at({ ...TCP, destinationPort: 22 })).toMatchObject({ verdict: 'accept' })
    expect(at(PING)).toMatchObject({ verdict: 'accept' })
    expect(at(TCP)).toMatchObject({
      verdict: 'reject',
      how: 'icmpx admin-prohibited',
      chain: 'filter_INPUT',
      certain: true,
    })
    expect(forward(of, { ...TCP, dnat: false, oif: 'cni0' })).toMatchObject({ verdict: 'accept' })
    expect(forward(of, { ...TCP, iif: 'cni0' })).toMatchObject({
      verdict: 'reject',
      chain: 'filter_FORWARD',
      certain: true,
    })
    expect(walkHook(of, { hook: 'prerouting', packet: TCP })).toMatchObject({ verdict: 'accept' })
    expect(walkHook(of, { hook: 'prerouting', packet: V6 })).toMatchObject({ verdict: 'drop', certain: false })
  })

  it('Calico: a policy that does not pass the packet drops it', () => {
    const of = recorded('calico', ['filter'])
    const from = (destination: string, iif = 'cali0123456789a') => forward(of, { ...TCP, destination, iif })
    expect(from('192.0.2.7')).toMatchObject({ verdict: 'accept', after: { mark: 0x10000 } })
    expect(from('203.0.113.9')).toMatchObject({ verdict: 'drop', chain: 'cali-fw-cali0123456789a', certain: true })
    expect(from('192.0.2.7', 'califfffffffff')).toMatchObject({ chain: 'cali-from-wl-dispatch', certain: true })
    expect(from('192.0.2.7', 'eth0')).toMatchObject({ verdict: 'accept' })
  })

  it('Docker: the old back end’s policy drops what is forwarded between other interfaces', () => {
    const of = recordedLegacy('docker')
    const said = forward(of, { ...TCP, iif: 'cni0', oif: 'eth0' })
    expect(said).toMatchObject({ rule: 'policy drop', backend: 'iptables-legacy', certain: true })
    expect(forward(of, { ...TCP, iif: 'docker0', oif: 'eth0' })).toMatchObject({ verdict: 'accept' })
    const published = { ...TCP, destinationPort: 8080, localAddresses: ['203.0.113.9'] }
    expect(walkHook(of, { hook: 'prerouting', packet: published })).toMatchObject({
      verdict: 'dnat',
      how: '192.0.2.2:80',
      certain: true,
    })
  })
})

describe('what a person is told', () => {
  const of = state(chain('forward', {}, rule(is('ip daddr', '203.0.113.9'), drop)))
  const find = (save: string, hook: Hook = 'input', family: 'ip' | 'ip6' = 'ip') => {
    const said = walkHook(
      { ...state(...parseIptablesSave(save, family)) },
      { hook, packet: family === 'ip' ? TCP : V6 },
    )
    if (!('rule' in said)) throw new Error(`nothing found: ${said.verdict}`)
    return said
  }

  it('nft: the rule, and the commands that show and remove it', () => {
    const said = forward(of)
    if (!('rule' in said)) throw new Error('nothing found')
    expect(describeFinding(said)).toEqual({
      text: `\`${said.rule}\` in chain inet t forward`,
      show: 'nft -a list chain inet t forward',
      remove: `nft delete rule inet t forward handle ${said.handle}`,
    })
    expect(describeFinding({ ...said, rule: 'policy drop', handle: null }).remove).toBe(
      "nft chain inet t forward '{ policy accept ; }'",
    )
  })

  it('iptables: with the command of the right back end', () => {
    const save = '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j DROP\nCOMMIT\n'
    expect(describeFinding(find(save))).toEqual({
      text: "`-A INPUT -p tcp -m tcp --dport 80 -j DROP` in chain INPUT of iptables-legacy's table filter",
      show: 'iptables-legacy -t filter -S INPUT',
      remove: 'iptables-legacy -t filter -D INPUT -p tcp -m tcp --dport 80 -j DROP',
    })
    expect(describeFinding({ ...find(save), backend: 'iptables-nft' }).remove).toMatch(
      /^iptables-nft -t filter -D INPUT/,
    )
    expect(describeFinding(find(save, 'input', 'ip6')).remove).toMatch(/^ip6tables-legacy /)
    expect(describeFinding(find('*filter\n:INPUT DROP [0:0]\nCOMMIT\n')).remove).toBe(
      'iptables-legacy -t filter -P INPUT ACCEPT',
    )
  })
})

describe('addresses', () => {
  it('have one number and one text', () => {
    const written = (text: string) => addressText(addressNumber(text) ?? -1)
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(written(text)).toBe(text)
      }),
    )
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        expect(written(text)).toBe(new URL(`http://[${text}]`).hostname.slice(1, -1))
      }),
    )
  })

  it('a prefix holds its first and last address', () => {
    expect(addressRange('192.0.2.77/24')?.map(addressText)).toEqual(['192.0.2.0', '192.0.2.255'])
    expect(addressRange('2001:db8::77/125')?.map(addressText)).toEqual(['2001:db8::70', '2001:db8::77'])
    expect(addressRange('0.0.0.0/0')?.map(addressText)).toEqual(['0.0.0.0', '255.255.255.255'])
    for (const text of ['', 'x', '1.2.3', '1.2.3.4/x', ':::', '1::2::3', '1.2.3.4-x'])
      expect(addressRange(text)).toBeNull()
  })
})

it('10 000 services are walked in milliseconds', { timeout: 60_000 }, () => {
  const rules = Array.from({ length: 10_000 }, (_, i) =>
    rule(is('ip daddr', `198.19.${i >> 8}.${i & 255}`), jump('one')),
  )
  const of = state(chain('c', {}, ...rules), chain('one', null, rule(is('tcp dport', '1'), drop)))
  const walks = Array.from({ length: 10 }, () => {
    const start = process.cpuUsage()
    forward(of)
    return process.cpuUsage(start).user
  })
  expect(Math.min(...walks)).toBeLessThan(200_000)
})
