/**
 * What policies say of a way. Cases after the network policy tests of Kubernetes (test/e2e/network/netpol) and the recipes of
 * ahmetb/kubernetes-network-policy-recipes, over both families.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limitOf } from '../../../lib/kube/policy-ways.ts'
import type { Family } from '../../../lib/types.ts'
import { addressOf, podEnd, policy, type Spec, scene, verdict, wayTo } from './scene.ts'

const all = {}
const pod = (name: string) => ({ podSelector: { matchLabels: { pod: name } } })
const ns = (name: string) => ({ namespaceSelector: { matchLabels: { ns: name } } })
const ingress = (podSelector: object, ...rules: object[]): Spec => ({
  podSelector,
  policyTypes: ['Ingress'],
  ingress: rules,
})
const egress = (podSelector: object, ...rules: object[]): Spec => ({
  podSelector,
  policyTypes: ['Egress'],
  egress: rules as never,
})
const A = { matchLabels: { pod: 'a' } }
const tcp = (port?: number | string, endPort?: number) => ({
  protocol: 'TCP',
  ...(port === undefined ? {} : { port }),
  ...(endPort === undefined ? {} : { endPort }),
})
const udp = (port: number) => ({ protocol: 'UDP', port })

interface Case {
  readonly name: string
  readonly specs: readonly (readonly [Spec, string?])[]
  /** "x/a -> x/b", with ":port" or ":port/udp" or ":ping" at the end. */
  readonly allowed?: readonly string[]
  readonly denied?: readonly string[]
  readonly unsure?: readonly string[]
}

const CASES: readonly Case[] = [
  { name: 'no policy', specs: [], allowed: ['x/a -> y/b', 'x/a -> out', 'x/a -> y/b:ping'] },
  {
    name: 'default-deny-ingress',
    specs: [[ingress(all)]],
    denied: ['y/a -> x/a', 'x/a -> x/b', 'y/a -> x/a:ping'],
    allowed: ['x/a -> y/a', 'y/a -> y/b', 'x/a -> out'],
  },
  {
    name: 'default-deny-all',
    specs: [[{ podSelector: all, policyTypes: ['Ingress', 'Egress'] }]],
    denied: ['x/a -> x/b', 'x/a -> y/a', 'y/a -> x/a', 'x/a -> out', 'x/a -> out:ping'],
    allowed: ['y/a -> y/b', 'y/a -> out'],
  },
  {
    name: 'policyTypes unset: ingress only, egress not isolated',
    specs: [[{ podSelector: all }]],
    denied: ['y/a -> x/a'],
    allowed: ['x/a -> y/a'],
  },
  {
    name: 'policyTypes unset with egress rules: both',
    specs: [[{ podSelector: all, egress: [{ to: [ns('y')] }] }]],
    denied: ['y/a -> x/a', 'x/a -> z/a'],
    allowed: ['x/a -> y/a'],
  },
  {
    name: 'pods of the same namespace by podSelector',
    specs: [[ingress(A, { from: [pod('b')] })]],
    allowed: ['x/b -> x/a', 'x/c -> x/b'],
    denied: ['x/c -> x/a', 'y/b -> x/a'],
  },
  {
    name: 'deny all, then allow all to one pod',
    specs: [[ingress(all)], [ingress(A, { from: [{ podSelector: all, namespaceSelector: all }] })]],
    allowed: ['x/b -> x/a', 'y/a -> x/a'],
    denied: ['x/a -> x/b', 'y/a -> x/b'],
  },
  {
    name: 'an empty namespaceSelector means pods of every namespace, and nothing outside',
    specs: [[egress(all, { to: [{ namespaceSelector: all }] })]],
    allowed: ['x/a -> x/b', 'x/a -> z/c'],
    denied: ['x/a -> out'],
  },
  {
    name: 'an empty podSelector means pods of the policy’s namespace',
    specs: [[ingress(all, { from: [{ podSelector: all }] })]],
    allowed: ['x/b -> x/a'],
    denied: ['y/b -> x/a'],
  },
  {
    name: 'only another namespace',
    specs: [[ingress(A, { from: [ns('y')] })]],
    allowed: ['y/a -> x/a', 'y/c -> x/a'],
    denied: ['x/b -> x/a', 'z/a -> x/a'],
  },
  {
    name: 'matchExpressions',
    specs: [
      [ingress(A, { from: [{ podSelector: { matchExpressions: [{ key: 'pod', operator: 'In', values: ['b'] }] } }] })],
    ],
    allowed: ['x/b -> x/a'],
    denied: ['x/c -> x/a', 'y/a -> x/a'],
  },
  {
    name: 'podSelector or namespaceSelector: two peers',
    specs: [
      [
        ingress(A, {
          from: [
            { namespaceSelector: { matchExpressions: [{ key: 'ns', operator: 'NotIn', values: ['x'] }] } },
            pod('b'),
          ],
        }),
      ],
    ],
    allowed: ['y/a -> x/a', 'x/b -> x/a'],
    denied: ['x/c -> x/a'],
  },
  {
    name: 'podSelector and namespaceSelector: one peer',
    specs: [[ingress(A, { from: [{ ...ns('y'), ...pod('b') }] })]],
    allowed: ['y/b -> x/a'],
    denied: ['x/b -> x/a', 'y/a -> x/a', 'z/b -> x/a'],
  },
  {
    name: 'an empty rule allows everyone on every port',
    specs: [[ingress(A, {})]],
    allowed: ['y/a -> x/a', 'y/a -> x/a:81/udp', 'y/a -> x/a:ping'],
  },
  {
    name: 'an empty from or to means everyone',
    specs: [[ingress(A, { from: [], ports: [tcp(81)] })], [egress(A, { to: [], ports: [] })]],
    allowed: ['y/a -> x/a:81', 'x/a -> out', 'x/a -> y/b:81/udp'],
    denied: ['y/a -> x/a:80'],
  },
  {
    name: 'a port, whose protocol is TCP unless told',
    specs: [[ingress(A, { ports: [{ port: 81 }] })]],
    allowed: ['x/b -> x/a:81'],
    denied: ['x/b -> x/a:80', 'x/b -> x/a:81/udp'],
    unsure: ['x/b -> x/a:ping'],
  },
  {
    name: 'a protocol without a port: all its ports',
    specs: [[ingress(A, { ports: [{ protocol: 'UDP' }] })]],
    allowed: ['x/b -> x/a:81/udp'],
    denied: ['x/b -> x/a:81'],
  },
  {
    name: 'a range of ports',
    specs: [[ingress(A, { ports: [tcp(32768, 65535)] })], [ingress(A, { ports: [tcp(80, 81)] })]],
    allowed: ['x/b -> x/a:80', 'x/b -> x/a:81', 'x/b -> x/a:32768', 'x/b -> x/a:65535'],
    denied: ['x/b -> x/a:79', 'x/b -> x/a:82', 'x/b -> x/a:32767', 'x/b -> x/a:80/udp'],
  },
  {
    name: 'a named port is the destination pod’s, of the same protocol',
    specs: [
      [ingress(A, { ports: [tcp('serve-81-tcp')] })],
      [egress({ matchLabels: { pod: 'b' } }, { ports: [tcp('serve-80-tcp')] })],
    ],
    allowed: ['y/a -> x/a:81', 'x/b -> y/a:80'],
    denied: ['y/a -> x/a:80', 'y/a -> x/a:81/udp', 'x/b -> y/a:81', 'x/b -> out'],
  },
  {
    name: 'egress to pods of a namespace, and DNS',
    specs: [[egress(A, { to: [ns('y')] }, { ports: [udp(53)] })]],
    allowed: ['x/a -> y/b', 'x/a -> z/a:53/udp', 'x/a -> out:53/udp', 'x/b -> z/a'],
    denied: ['x/a -> z/a', 'x/a -> z/a:53', 'x/a -> out'],
  },
  {
    name: 'both ends must allow: egress without ingress is not enough',
    specs: [[egress(A, { to: [ns('y')] })], [ingress(all, { from: [ns('z')] }), 'y']],
    denied: ['x/a -> y/a', 'x/a -> z/a'],
    allowed: ['z/a -> y/a'],
  },
  {
    name: 'ipBlock of one family says nothing of the other',
    specs: [[egress(A, { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }, { ipBlock: { cidr: '2001:db8:113::/48' } }] })]],
    allowed: ['x/a -> out', 'x/a -> out:ping'],
    denied: ['x/a -> y/a'],
  },
  {
    name: 'ipBlock with except',
    specs: [
      [
        egress(A, {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: ['203.0.113.0/24'] } },
            { ipBlock: { cidr: '::/0', except: ['2001:db8:113::/64'] } },
          ],
        }),
      ],
    ],
    denied: ['x/a -> out'],
    // Calico applies an ipBlock to pods, Cilium does not
    unsure: ['x/a -> y/a'],
  },
  {
    name: 'what except takes out another policy may allow',
    specs: [
      [egress(A, { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['203.0.113.0/24'] } }] })],
      [egress(A, { to: [{ ipBlock: { cidr: '203.0.113.9/32' } }, { ipBlock: { cidr: '2001:db8:113::9/128' } }] })],
    ],
    allowed: ['x/a -> out'],
  },
  {
    name: 'web-allow-external: from everyone to one port (recipe 08)',
    specs: [[ingress(all)], [ingress(A, { from: [], ports: [tcp(80)] })]],
    allowed: ['z/c -> x/a'],
    denied: ['z/c -> x/b', 'z/c -> x/a:81'],
  },
  {
    name: 'foo-deny-external-egress: DNS anywhere, else only into the cluster (recipe 14)',
    specs: [[egress(A, { ports: [udp(53), tcp(53)] }, { to: [{ namespaceSelector: all }] })]],
    allowed: ['x/a -> out:53/udp', 'x/a -> out:53', 'x/a -> z/b'],
    denied: ['x/a -> out'],
    unsure: ['x/a -> out:ping'],
  },
]

const OUT: Record<Family, string> = { 4: '203.0.113.9', 6: '2001:db8:113::9' }

function said(specs: Case['specs'], written: string, family: Family): string {
  const [, from = '', to = '', rest = '80'] = /^(\S+) -> ([a-z/]+)(?::(\S+))?$/.exec(written) ?? []
  const [port = '', protocol = 'tcp'] = rest.split('/')
  const policies = specs.map(([spec, namespace], index) => policy(`p${index}`, spec, namespace))
  const way = wayTo(to === 'out' ? OUT[family] : to, family, port === 'ping' ? null : Number(port), protocol as 'tcp')
  return verdict(way, scene(policies, from))
}

describe.each([4, 6] as const)('over IPv%s', (family) => {
  test.each(CASES.map((one) => [one.name, one] as const))(
    '%s',
    (_, { specs, allowed = [], denied = [], unsure = [] }) => {
      const wanted = { allowed, denied, unsure }
      for (const [meaning, ways] of Object.entries(wanted))
        for (const way of ways) expect(said(specs, way, family), way).toBe(meaning)
    },
  )
})

describe('what the API leaves open is no denial', () => {
  const DENY = [policy('deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })]
  test('a source on the host network: no policy on what leaves it', () => {
    expect(verdict(wayTo('203.0.113.9', 4), scene(DENY, 'x/a', { hostNetwork: true }))).toBe('allowed')
  })
  test('nor on what it sends to a pod of its own node; on another node its address may be in any ipBlock', () => {
    const from = scene([policy('deny', ingress({}, { from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }))], 'y/a', {
      hostNetwork: true,
    })
    expect(verdict({ ...wayTo('x/b', 4), node: 'n1' }, from)).toBe('allowed')
    expect(verdict(wayTo('x/b', 4), from)).toBe('unsure')
    expect(verdict(wayTo('x/b', 4), scene(DENY, 'y/a', { hostNetwork: true }))).toBe('denied')
  })
  test('a destination on the host network: policies do not select it, and selectors say nothing sure', () => {
    const at = { ...wayTo('x/b', 4), end: podEnd('x/b', { hostNetwork: true }) }
    expect(verdict(at, scene([policy('deny', ingress({}))], 'y/a'))).toBe('allowed')
    expect(verdict(at, scene([policy('out', egress({}, { to: [pod('b')] }))]))).toBe('unsure')
    expect(verdict(at, scene([policy('out', egress({}, { to: [pod('c')] }))]))).toBe('denied')
  })
  test('labels that could not be read', () => {
    const unread = { ...wayTo('y/b', 4), end: podEnd('y/b', { labels: null, ports: null, namespaceLabels: null }) }
    expect(verdict(unread, scene([policy('out', egress({}, { to: [{ ...ns('y'), ...pod('b') }] }))]))).toBe('unsure')
    expect(verdict(unread, scene([policy('out', egress({}, { to: [{ namespaceSelector: {} }] }))]))).toBe('allowed')
    expect(verdict(unread, scene([policy('in', ingress(A), 'y')]))).toBe('unsure')
    expect(verdict(unread, scene([policy('in', ingress({}), 'y')]))).toBe('denied')
  })
  test('policies of a namespace that could not be read', () => {
    expect(verdict(wayTo('y/b', 4), { ...scene([]), policiesIn: (name) => (name === 'x' ? [] : null) })).toBe('unsure')
  })
  test('an address that may be a pod’s', () => {
    const way = { ...wayTo('198.18.9.9', 4), end: { kind: 'unclear' } as const }
    expect(verdict(way, scene([policy('out', egress({}, { to: [pod('b')] }))]))).toBe('unsure')
    expect(verdict(way, scene([policy('out', egress({}))]))).toBe('denied')
  })
  test('a ping where rules allow ports only; where none of them is asked there, it follows TCP', () => {
    const only81 = scene([policy('in', ingress(A, { ports: [tcp(81)] }))], 'x/b')
    expect(verdict(wayTo('x/a', 4, null), only81)).toBe('unsure')
    expect(verdict({ ...wayTo('x/a', 4, null), tcpPorts: [80, 81] }, only81)).toBe('unsure')
    expect(verdict({ ...wayTo('x/a', 4, null), tcpPorts: [80] }, only81)).toBe('denied')
  })
  test('a denied ping, and a denied own node, are not enforced by every CNI', () => {
    const deny = scene([policy('out', egress({}))])
    expect(limitOf(wayTo('y/b', 4, null), deny)?.varies).toBe(true)
    expect(limitOf({ ...wayTo('192.0.2.1', 4), end: { kind: 'node', here: true } }, deny)?.varies).toBe(true)
    expect(limitOf({ ...wayTo('192.0.2.2', 4), end: { kind: 'node', here: false } }, deny)?.varies).toBe(false)
  })
})

describe('the sentence and the rule', () => {
  test('egress: who is selected, what is missing, what nearly fits, and the most precise policy', () => {
    const at = scene([policy('deny', egress({})), policy('web', egress(A, { to: [ns('y')], ports: [tcp(443)] }))])
    expect(limitOf(wayTo('y/b', 4), at)).toMatchObject({
      verdict: 'denied',
      why: 'NetworkPolicies x/deny and x/web select pod x/a for egress, and no rule allows TCP 80 to pod y/b (only TCP 443)'.replace(
        'pod y/b',
        'pods pod=b of namespace y',
      ),
      missing: [
        {
          direction: 'egress',
          namespace: 'x',
          policy: 'web',
          hasRules: true,
          peer: {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } },
            podSelector: { matchLabels: { pod: 'b' } },
          },
          ports: [{ protocol: 'TCP', port: 80 }],
        },
      ],
    })
  })
  test('ingress: the source by its labels, without those of a rollout', () => {
    const at = scene([policy('deny', ingress({}), 'x')], 'x/c', {
      labels: { app: 'shop', 'pod-template-hash': 'abc', tier: 'web' },
    })
    expect(limitOf(wayTo('x/a', 6), at)).toMatchObject({
      why: 'NetworkPolicy x/deny selects the receiving pod for ingress, and no rule allows TCP 80 from pods app=shop of namespace x',
      missing: [
        {
          direction: 'ingress',
          policy: 'deny',
          hasRules: false,
          peer: { podSelector: { matchLabels: { app: 'shop' } } },
        },
      ],
    })
  })
  test('both ends: both rules', () => {
    const at = scene([policy('out', egress({})), policy('in', ingress({}), 'y')])
    expect(limitOf(wayTo('y/a', 4), at)?.missing.map(({ direction }) => direction)).toEqual(['egress', 'ingress'])
  })
  test('outside: an address by itself', () => {
    const peers = ([4, 6] as const).map(
      (family) => limitOf(wayTo(OUT[family], family), scene([policy('out', egress({}))]))?.missing[0]?.peer,
    )
    expect(peers).toEqual([{ ipBlock: { cidr: '203.0.113.9/32' } }, { ipBlock: { cidr: '2001:db8:113::9/128' } }])
  })
})

const names = fc.constantFrom('a', 'b', 'c')
const peers = fc.oneof(
  names.map(pod),
  fc.constantFrom('x', 'y', 'z').map(ns),
  fc.tuple(fc.constantFrom('x', 'y', 'z'), names).map(([space, name]) => ({ ...ns(space), ...pod(name) })),
  fc
    .constantFrom('198.18.0.0/15', '203.0.113.0/24', '2001:db8::/32', '198.18.2.0/24')
    .map((cidr) => ({ ipBlock: { cidr } })),
)
const ports = fc.oneof(
  fc.constantFrom(80, 81, 'serve-80-tcp').map((port) => tcp(port)),
  fc.constant(tcp(79, 81)),
  fc.constant({ protocol: 'UDP', port: 80 }),
  fc.constant({}),
)
const rules = fc.record({ peers: fc.array(peers, { maxLength: 2 }), ports: fc.array(ports, { maxLength: 2 }) })
const specs = fc.record({
  direction: fc.constantFrom('Ingress' as const, 'Egress' as const),
  space: fc.constantFrom('x', 'y'),
  selected: fc.oneof(
    fc.constant({}),
    names.map((name) => ({ matchLabels: { pod: name } })),
  ),
  rules: fc.array(rules, { maxLength: 3 }),
})
type Drawn = Parameters<Parameters<typeof specs.map>[0]>[0]

const drawn = ({ direction, space, selected, rules }: Drawn, index: number) =>
  policy(
    `p${index}`,
    direction === 'Ingress'
      ? ingress(selected, ...rules.map((rule) => ({ from: rule.peers, ports: rule.ports })))
      : egress(selected, ...rules.map((rule) => ({ to: rule.peers, ports: rule.ports }))),
    space,
  )

const ways = fc
  .tuple(
    fc.constantFrom(4 as const, 6 as const),
    fc.constantFrom('x/b', 'y/a', 'z/c', 'out'),
    fc.constantFrom(80, 81, 443, null),
  )
  .map(([family, to, port]) => wayTo(to === 'out' ? OUT[family] : to, family, port))

/** denied 0, unsure 1, allowed 2 */
const rank = (list: readonly Drawn[], way: Parameters<typeof verdict>[0]) =>
  ['denied', 'unsure', 'allowed'].indexOf(verdict(way, scene(list.map(drawn))))

describe('whatever the policies', () => {
  test('one more rule never denies more', () => {
    fc.assert(
      fc.property(fc.array(specs, { minLength: 1, maxLength: 4 }), fc.nat(), rules, ways, (list, at, rule, way) => {
        const more = list.map((spec, index) =>
          index === at % list.length ? { ...spec, rules: [...spec.rules, rule] } : spec,
        )
        expect(rank(more, way)).toBeGreaterThanOrEqual(rank(list, way))
      }),
      { numRuns: 500 },
    )
  })
  test('a policy on pods that none selected never allows more; on pods that one selects it never denies more', () => {
    fc.assert(
      fc.property(fc.array(specs, { maxLength: 3 }), specs, ways, (list, added, way) => {
        const alone = rank([added], way)
        const after = rank([...list, added], way)
        const before = rank(list, way)
        if (list.length === 0) expect(after).toBeLessThanOrEqual(before)
        // of one direction and one set of pods the rules of all policies add up
        const same = list.filter((one) => one.direction === added.direction && one.space === added.space)
        const sameOnly =
          same.length === list.length &&
          list.every((one) => JSON.stringify(one.selected) === JSON.stringify(added.selected))
        if (sameOnly && list.length > 0) expect(after).toBe(Math.max(before, alone))
      }),
      { numRuns: 500 },
    )
  })
  test('with the rule that is named as missing it is denied no more', () => {
    fc.assert(
      fc.property(fc.array(specs, { minLength: 1, maxLength: 3 }), ways, (list, way) => {
        const policies = list.map(drawn)
        const limit = limitOf(way, scene(policies))
        if (limit?.verdict !== 'denied') return
        const mended = policies.map((one) => {
          const rules = limit.missing.filter(
            ({ policy, namespace }) => one.metadata?.name === policy && one.metadata?.namespace === namespace,
          )
          const add = (direction: string) =>
            rules
              .filter((rule) => rule.direction === direction)
              .map(({ peer, ports }) => ({ [direction === 'egress' ? 'to' : 'from']: [peer], ports }))
          const { ingress = [], egress = [] } = one.spec ?? {}
          return {
            ...one,
            spec: { ...one.spec, ingress: [...ingress, ...add('ingress')], egress: [...egress, ...add('egress')] },
          }
        })
        expect(verdict(way, scene(mended as never))).not.toBe('denied')
      }),
      { numRuns: 500 },
    )
  })
})

test('the addresses of the scene differ by family', () => {
  expect([addressOf('y/b', 4), addressOf('y/b', 6)]).toEqual(['198.18.2.2', '2001:db8:18:2::2'])
})
