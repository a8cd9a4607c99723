/** What stands in the way of looking, told once, by the preflight of the place that it hurts. */
import { describe, expect, it } from 'vitest'
import { nodeAddress, obstaclesOf, preflight } from '../../../lib/preflight.ts'
import type { Plan } from '../../../lib/types.ts'
import { absent, known, plan, service, source, unknown } from '../question/sample-plan.ts'

const codes = (p: Plan) => ({
  node: obstaclesOf(p, 'node').map(({ code }) => code),
  pod: obstaclesOf(p, 'pod').map(({ code }) => code),
})
const withApi = (changes: Partial<Plan['api']>) => {
  const base = plan()
  return { ...base, api: { ...base.api, ...changes } }
}
const { destinations } = plan()

describe('obstaclesOf', () => {
  it('none where everything is known', () => {
    expect(codes(plan())).toEqual({ node: [], pod: [] })
  })

  it.each([
    ['the server', withApi({ server: unknown() }), 'node'],
    ['the service kubernetes', withApi({ service: unknown() }), 'node'],
    ['its endpoints', withApi({ endpoints: unknown() }), 'node'],
    ['the CA', withApi({ ca: unknown() }), 'node'],
    ['the source', plan({ source: unknown() }), 'pod'],
    ['its resolv.conf', plan({ source: known({ ...source, resolv: unknown() }) }), 'pod'],
    ['the DNS service', plan({ dns: unknown() }), 'pod'],
    ['the service', plan({ service: unknown() }), 'pod'],
    ['its endpoints', plan({ service: known({ ...service, endpoints: unknown() }) }), 'pod'],
    ['a destination', plan({ destinations: { ...destinations, 'same-node': unknown() } }), 'pod'],
    ['an external address', plan({ external: { ipv4: absent(), ipv6: unknown() } }), 'pod'],
  ] as const)('%s', (_, p, place) => {
    expect(codes(p)).toEqual({ node: [], pod: [], [place]: ['API_FORBIDDEN'] })
  })

  it('what does not apply is no obstacle', () => {
    const nothing = absent('SRC_POD')
    expect(codes(plan({ source: nothing, service: nothing, dns: nothing }))).toEqual({ node: [], pod: [] })
  })

  it('one reason behind many facts is told once, two reasons of one code twice', () => {
    const why = unknown('API_UNAVAILABLE')
    expect(codes(plan({ source: why, service: why, dns: why })).pod).toEqual(['API_UNAVAILABLE'])
    expect(codes(plan({ service: why, dns: { ...why, reason: 'another' } })).pod).toHaveLength(2)
  })

  it('an obstacle of the set-up belongs to its place', () => {
    const obstacles = [{ place: 'node', code: 'PERMISSION_MISSING', reason: 'r', hint: 'h' }] as const
    expect(codes(plan({ obstacles }))).toEqual({ node: ['PERMISSION_MISSING'], pod: [] })
  })
})

describe('preflight', () => {
  it('passes only without any obstacle, and shows the notes', () => {
    const outcome = preflight(plan({ notes: ['picked x'] }), 'pod')
    expect(outcome).toMatchObject({ ok: true, evidence: [{ name: 'plan', value: 'picked x' }] })
  })

  it('says every reason, with its next step', () => {
    const outcome = preflight(plan({ dns: unknown('A'), service: unknown('B') }), 'pod')
    expect(outcome).toMatchObject({ ok: false, code: 'A', detail: 'reason of A; reason of B' })
    expect(outcome.evidence.at(-1)).toMatchObject({
      rows: [
        ['A', 'reason of A', 'hint of A'],
        ['B', 'reason of B', 'hint of B'],
      ],
    })
  })
})

describe('nodeAddress', () => {
  const withMatch = (addressMatches: boolean | null) => {
    const base = plan()
    return { ...base, node: { ...base.node, addressMatches } }
  }
  it('warns only when it is known that no local address is the node’s', () => {
    expect(nodeAddress(withMatch(true)).ok).toBe(true)
    expect(nodeAddress(withMatch(null)).ok).toBe(true)
    expect(nodeAddress(withMatch(false))).toMatchObject({ ok: false, code: 'NODE_ADDRESS_MISMATCH' })
    expect(nodeAddress(withMatch(false)).detail).toContain('198.51.100.1')
  })
})
