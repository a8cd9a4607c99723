import { expect, it } from 'vitest'
import { wayToPod } from '../../../lib/probe/state/way-to-pod.ts'
import type { NamespaceState } from '../../../lib/state.ts'
import { address, link, node, route, rule } from './sample-state.ts'

const vxlan = { id: 1, port: 8472, local: '198.51.100.1', device: null, learning: false }
const eth0 = link('eth0', { index: 9, mtu: 1500, kind: null, peerIndex: null })
const tunnel = link('vx0', { index: 8, kind: 'vxlan', peerIndex: null, vxlan })
const to = '198.18.2.5'
const tunnelled = route('198.18.2.0/24', { device: 'vx0', gateway: '198.18.2.0' })
const standard = route('default', { device: 'eth0', gateway: '198.51.100.254' })

const rowsOf = (state: NamespaceState, target = to) =>
  wayToPod(state, target).flatMap((item) => (item.kind === 'table' ? item.rows : []))
const with_ = (routes: NamespaceState['routes'], changes: Partial<NamespaceState> = {}) =>
  node([eth0, tunnel], { addresses: [address('198.51.100.1', { device: 'eth0' })], routes, ...changes })

it('a tunnel and what its packets leave by, in the order of travel', () => {
  expect(rowsOf(with_([standard, tunnelled]))).toEqual([
    ['vx0', 'vxlan', 'UP', 1450],
    ['eth0', '', 'UP', 1500],
  ])
})

it('a tunnel that is bound to a device names it; of one that says nothing only itself is known', () => {
  const bound = { ...tunnel, vxlan: { ...vxlan, local: null, device: 'eth0' } }
  const loose = { ...tunnel, vxlan: { ...vxlan, local: null } }
  expect(rowsOf(with_([tunnelled], { links: [eth0, bound] }))).toHaveLength(2)
  expect(rowsOf(with_([tunnelled], { links: [eth0, loose] }))).toEqual([['vx0', 'vxlan', 'UP', 1450]])
})

it('without a tunnel it is the device of the longest route, of those the least metric', () => {
  const worse = route('198.18.2.0/24', { device: 'vx0', metric: 50 })
  const better = route('198.18.2.0/24', { device: 'eth0', gateway: '198.51.100.2', metric: 10 })
  expect(rowsOf(with_([standard, worse, better]))).toEqual([['eth0', '', 'UP', 1500]])
  expect(rowsOf(with_([standard]))).toEqual([['eth0', '', 'UP', 1500]])
})

it.each([
  ['no route leads there', with_([])],
  ['the route refuses', with_([standard, route('198.18.2.0/24', { type: 'blackhole', device: null })])],
  ['rules send some packets elsewhere', with_([tunnelled], { rules: [rule(100, { table: '2' })] })],
  ['the route is in another table', with_([{ ...tunnelled, table: '7' }])],
  ['the other family has the only route', with_([route('default', { family: 6, device: 'eth0' })])],
])('nothing is said where %s', (_, state) => {
  expect(wayToPod(state, to)).toEqual([])
})
