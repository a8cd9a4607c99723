/** kube-proxy's choice of endpoints, and how its rules are compared with them. */
import { describe, expect, test } from 'vitest'
import { candidates, compareRules, differs, type ExpectedService } from '../../../lib/node/services/compare.ts'
import type { ProxyRules } from '../../../lib/node/services/rules.ts'
import { sayDifference } from '../../../lib/question/service-rules.ts'
import type { Endpoint } from '../../../lib/types.ts'
import { endpoint } from '../question/sample-plan.ts'

const [FIRST, SECOND, GONE] = ['198.18.1.2', '198.18.2.3', '198.18.2.99']

const service = (endpoints: readonly Endpoint[], more: Partial<ExpectedService> = {}): ExpectedService => ({
  name: 'default/web',
  clusterIPs: ['198.19.0.20'],
  ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
  internalTrafficLocal: false,
  ...more,
  endpoints,
})

const proxy = (backends: readonly string[] | null, more: Partial<ProxyRules> = {}): ProxyRules => ({
  family: 4,
  mode: 'nftables',
  nodePortAddresses: null,
  rules:
    backends === null
      ? []
      : [
          {
            address: '198.19.0.20',
            port: 80,
            protocol: 'tcp',
            backends: backends.map((address) => ({ address, port: 8080 })),
          },
        ],
  ...more,
})

const compare = (endpoints: readonly Endpoint[], rules: ProxyRules, more: Partial<ExpectedService> = {}) => {
  const [only] = compareRules(service(endpoints, more), [rules], 'n1')
  if (!only) throw new Error('nothing was compared')
  return only
}
const addresses = (list: readonly { readonly address: string }[]) => list.map(({ address }) => address)

describe('which endpoints kube-proxy uses', () => {
  const port = { name: 'http', protocol: 'tcp', port: 80 } as const
  const used = (endpoints: readonly Endpoint[], more: Partial<ExpectedService> = {}) =>
    addresses(candidates(service(endpoints, more), port, 4, 'n1'))

  test('the ready ones of the port, protocol and family', () => {
    const others = [
      endpoint('2001:db8::1'),
      endpoint('198.18.1.9', { portName: 'metrics' }),
      endpoint('198.18.1.8', { protocol: 'udp' }),
    ]
    expect(used([endpoint(FIRST), ...others, endpoint(SECOND, { ready: false })])).toEqual([FIRST])
  })

  test('those that are being deleted and still serve, only where no ready one is left', () => {
    const leaving = endpoint(SECOND, { ready: false, lastResort: true })
    expect(used([endpoint(FIRST), leaving])).toEqual([FIRST])
    expect(used([leaving, endpoint(FIRST, { ready: false })])).toEqual([SECOND])
  })

  test('with internalTrafficPolicy Local only those of this node', () => {
    const endpoints = [endpoint(FIRST, { node: 'n1' }), endpoint(SECOND, { node: 'n2' })]
    expect(used(endpoints, { internalTrafficLocal: true })).toEqual([FIRST])
    expect(used([endpoint(SECOND, { node: 'n2' })], { internalTrafficLocal: true })).toEqual([])
  })
})

describe('rules beside EndpointSlices', () => {
  test('the same backends in any order are equal', () => {
    const compared = compare([endpoint(FIRST), endpoint(SECOND)], proxy([SECOND, FIRST]))
    expect(differs(compared)).toBe(false)
  })

  test('IPv6 addresses are compared by meaning', () => {
    const rules = proxy(null, {
      family: 6,
      rules: [
        {
          address: '2001:db8:19:0::20',
          port: 80,
          protocol: 'tcp',
          backends: [{ address: '2001:db8:18:0:0::1', port: 8080 }],
        },
      ],
    })
    expect(differs(compare([endpoint('2001:db8:18::1')], rules, { clusterIPs: ['2001:db8:19::20'] }))).toBe(false)
  })

  test('a ready endpoint that no rule leads to is missing', () => {
    const compared = compare([endpoint(FIRST), endpoint(SECOND)], proxy([FIRST]))
    expect(addresses(compared.missing)).toEqual([SECOND])
    expect(sayDifference(compared)).toBe('default/web 198.19.0.20:80/tcp lacks ready endpoint 198.18.2.3:8080')
  })

  test('a backend that is no ready endpoint is stale, and so is one of another port', () => {
    expect(addresses(compare([endpoint(FIRST)], proxy([FIRST, GONE])).stale)).toEqual([GONE])
    const moved = compare([endpoint(FIRST, { port: 9090 })], proxy([FIRST]))
    expect([addresses(moved.missing), addresses(moved.stale)]).toEqual([[FIRST], [FIRST]])
  })

  test('no rule at all is said as such', () => {
    const compared = compare([endpoint(FIRST)], proxy(null))
    expect(compared.absent).toBe(true)
    expect(sayDifference(compared)).toBe('default/web 198.19.0.20:80/tcp leads nowhere')
  })

  test('a service without endpoints has no backends, whatever refuses its clients', () => {
    expect(differs(compare([endpoint(FIRST, { ready: false })], proxy([])))).toBe(false)
    expect(differs(compare([], proxy(null)))).toBe(false)
  })

  test('a part of the endpoints is right where topology hints name it, and none is not', () => {
    const endpoints = [endpoint(FIRST, { hinted: true }), endpoint(SECOND, { hinted: true })]
    expect(differs(compare(endpoints, proxy([FIRST])))).toBe(false)
    expect(compare(endpoints, proxy([FIRST, GONE])).stale).toHaveLength(1)
    expect(compare(endpoints, proxy([])).missing).toHaveLength(2)
  })
})
