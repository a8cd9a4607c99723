import { expect, test } from 'vitest'
import { refusing } from '../../../lib/diagnose/refusing.ts'
import type { NamespaceState, RouteState, RuleState } from '../../../lib/state.ts'

const route = (destination: string, type: string, more: Partial<RouteState> = {}): RouteState => ({
  ...{ family: 4, table: 'main', destination, gateway: null, device: null, metric: 0, source: null, scope: null, type },
  flags: [],
  ...more,
})
const rule = (selector: RuleState['selector'], more: Partial<RuleState> = {}): RuleState => ({
  ...{ family: 4, priority: 100, selector, table: null, action: 'prohibit' },
  ...more,
})
const state = (routes: readonly RouteState[], rules: readonly RuleState[] = []): NamespaceState => ({
  ...{ links: [], addresses: [], neighbours: [], fdb: [], sysctls: {} },
  ...{ routes, rules },
})
const packet = { family: 4, source: '192.0.2.7', destination: '203.0.113.9' } as const

test('the most specific route refuses', () => {
  const routes = [
    route('default', 'unicast'),
    route('203.0.113.0/24', 'unicast'),
    route('203.0.113.9', 'blackhole', { metric: 5 }),
  ]
  expect(refusing(state(routes), packet)?.remove).toBe('ip route del blackhole 203.0.113.9 metric 5')
})

test('a more specific one that leads somewhere is asked first', () => {
  expect(refusing(state([route('203.0.113.9', 'unicast'), route('203.0.113.0/24', 'blackhole')]), packet)).toBe(null)
})

test('a rule of which everything is known refuses before any route', () => {
  const rules = [rule({ src: '192.0.2.7', dst: '203.0.113.0/24' })]
  expect(refusing(state([], rules), packet)?.remove).toBe('ip rule del priority 100')
  expect(refusing(state([], [rule({ src: '192.0.2.7', fwmark: '0x1' })]), packet)).toBe(null)
  expect(refusing(state([], [rule({ src: '192.0.2.8' })]), packet)).toBe(null)
})

test('IPv6 has its own entries, and the kernel its last one', () => {
  const last = route('default', 'unreachable', { family: 6, metric: 0xffffffff })
  const six = { family: 6, source: null, destination: '2001:db8::9' } as const
  expect(refusing(state([last, route('203.0.113.9', 'blackhole')]), six)).toBe(null)
  expect(refusing(state([route('2001:db8::/32', 'prohibit', { family: 6 })]), six)?.remove).toBe(
    'ip -6 route del prohibit 2001:db8::/32',
  )
})
