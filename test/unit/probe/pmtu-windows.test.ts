import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  dropped,
  followsEach,
  followsMost,
  type Movement,
  passedOn,
  refusedAsTooBig,
} from '../../../lib/probe/pmtu/index.ts'
import { judgeErrors } from '../../../lib/question/mtu-around.ts'

const moved = (busy: number, empty: number, busier: number): Movement => [{ x: busy }, { x: empty }, { x: busier }]
const x = (counters: { readonly x?: number }) => counters.x ?? 0

describe('what follows the windows of 7, 0 and 11 probes', () => {
  test.for([
    [7, 0, 11, true, true],
    [4, 0, 6, true, false],
    [14, 1, 22, true, true],
    [0, 0, 0, false, false],
    [7, 2, 11, false, false],
    [7, 0, 0, false, false],
    [3, 0, 11, false, false],
    [6, 0, 11, true, false],
    [1, 0, 1, false, false],
  ] as const)('%i, %i, %i', ([busy, empty, busier, most, each]) => {
    expect(followsMost(moved(busy, empty, busier), x)).toBe(most)
    expect(followsEach(moved(busy, empty, busier), x)).toBe(each)
  })

  test('each implies most, and what moves in the empty window is noise', () => {
    const count = fc.integer({ min: 0, max: 30 })
    fc.assert(
      fc.property(count, count, count, (busy, empty, busier) => {
        const movement = moved(busy, empty, busier)
        if (followsEach(movement, x)) expect(followsMost(movement, x)).toBe(true)
        if (empty > 1) expect(followsMost(movement, x)).toBe(false)
      }),
    )
  })
})

describe('packets that a namespace drops', () => {
  test('are what came in and went neither up nor on', () => {
    // Linux 6.7 and newer: what is transmitted, less what this host sends itself
    const newer = { 'Ip.InReceives': 20, 'Ip.InDelivers': 3, 'Ip.OutTransmits': 12, 'Ip.OutRequests': 2 }
    expect(passedOn(4)(newer)).toBe(10)
    expect(dropped(4)(newer)).toBe(7)
    const older = { 'Ip.InReceives': 20, 'Ip.InDelivers': 3, 'Ip.ForwDatagrams': 10, 'Ip.OutRequests': 2 }
    expect(dropped(4)(older)).toBe(7)
    const six = { 'Ip6.InReceives': 9, 'Ip6.InDelivers': 1, 'Ip6.OutForwDatagrams': 8 }
    expect(dropped(6)(six)).toBe(0)
    expect(dropped(4)(six)).toBe(0)
  })
})

describe('where "too big" errors get lost', () => {
  const windows = (each: (probes: number) => Readonly<Record<string, number>>): Movement => [each(7), each(0), each(11)]
  /** A pod's node: probes come in and go on, errors come back and go on to the pod or not. */
  const node = (errors: (probes: number) => number, arrive: boolean) =>
    windows((n) => ({
      'Ip.InReceives': n + errors(n),
      'Ip.InDelivers': 0,
      'Ip.OutTransmits': n + (arrive ? errors(n) : 0),
      'Ip.OutRequests': 0,
    }))
  const quiet = windows(() => ({ 'Ip.InReceives': 0, 'Ip.InDelivers': 0, 'Ip.OutTransmits': 0, 'Ip.OutRequests': 0 }))
  const says = windows((n) => ({ 'Ip.InReceives': n, 'Ip.FragFails': n, 'Ip.OutTransmits': 0, 'Ip.OutRequests': 0 }))
  const podDrops = windows((n) => ({
    'Ip.InReceives': n,
    'Ip.InDelivers': 0,
    'Ip.OutTransmits': 0,
    'Ip.OutRequests': 0,
  }))

  test.for([
    ['nobody says anything', { node: node(() => 0, true), own: quiet }, null],
    ['the node says it, the pod hears nothing', { node: says, own: quiet }, { where: 'node', saidByNode: true }],
    ['the node says it, the pod drops it', { node: says, own: podDrops }, { where: 'pod', saidByNode: true }],
    [
      'a router says it, the node drops it',
      { node: node((n) => n, false), own: quiet },
      { where: 'node', saidByNode: false },
    ],
    ['the node drops the probes themselves', { node: podDrops, own: quiet }, null],
    ['asked from the node, which drops the errors', { node: podDrops }, { where: 'node', saidByNode: false }],
  ] as const)('%s', ([, movement, expected]) => {
    expect(judgeErrors(movement, 4)).toEqual(expected)
  })

  test('of IPv6 by its own counters', () => {
    expect(refusedAsTooBig(6)({ 'Ip6.FragFails': 3, 'Ip.FragFails': 9 })).toBe(3)
  })
})
