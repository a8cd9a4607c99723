import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eachWithin } from '../../../lib/probe/pool.ts'
import { attemptsFor, connect, stateOf, type TcpResult, type TcpState, tally } from '../../../lib/probe/tcp.ts'
import { udpStateOf } from '../../../lib/probe/udp.ts'
import type { Target } from '../../../lib/types.ts'

const target: Target = { role: 'a', name: 'b', address: '192.0.2.1', family: 4, protocol: 'tcp', port: 1 }

describe('attemptsFor', () => {
  it.each([
    [0, 1],
    [1, 1],
    [2, 20],
    [3, 35],
    [10, 132],
    [15, 200],
    [16, 200],
    [5000, 200],
  ])('%i backends: %i attempts', (backends, attempts) => {
    expect(attemptsFor(backends)).toBe(attempts)
  })

  it('misses one dead backend with at most one in a million, where the cap allows it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 14 }), (backends) => {
        expect((1 - 1 / backends) ** attemptsFor(backends)).toBeLessThanOrEqual(1e-6)
        expect((1 - 1 / backends) ** (attemptsFor(backends) - 1)).toBeGreaterThan(1e-6)
      }),
    )
  })
})

it.each([
  ['ECONNREFUSED', false, 'refused'],
  ['ECONNREFUSED', true, 'refused'],
  ['ECONNRESET', false, 'connected'],
  ['EHOSTUNREACH', false, 'rejected'],
  ['EHOSTUNREACH', true, 'no-route'],
  ['ENETUNREACH', false, 'rejected'],
  ['ENETUNREACH', true, 'no-route'],
  ['EACCES', false, 'rejected'],
  ['EACCES', true, 'no-route'],
  ['EINVAL', true, 'no-route'],
  ['EPERM', true, 'rejected'],
  ['ETIMEDOUT', false, 'silent'],
  ['EMFILE', true, 'local-error'],
  ['EADDRNOTAVAIL', true, 'local-error'],
  ['EAFNOSUPPORT', true, 'local-error'],
  ['', false, 'local-error'],
] as const)('TCP: %s (local: %s) is %s', (errno, local, state) => {
  expect(stateOf(errno, local)).toBe(state)
})

it.each([
  ['ECONNREFUSED', false, 'refused'],
  ['EHOSTUNREACH', false, 'rejected'],
  ['EHOSTUNREACH', true, 'no-route'],
  ['ENETUNREACH', true, 'no-route'],
  ['EACCES', false, 'rejected'],
  ['EPERM', false, 'rejected'],
  ['EMFILE', true, 'local-error'],
  ['EMSGSIZE', false, 'local-error'],
] as const)('UDP: %s (local: %s) is %s', (errno, local, state) => {
  expect(udpStateOf(errno, local)).toBe(state)
})

it('tally counts every result once', () => {
  const states: TcpState[] = ['connected', 'connected', 'refused', 'rejected', 'silent', 'no-route', 'local-error']
  const results = states.map((state): TcpResult => ({ target, state, ms: null, errno: null, syns: 1 }))
  expect(tally(target, results)).toEqual({
    target,
    asked: 7,
    connected: 2,
    refused: 1,
    rejected: 1,
    silent: 1,
    unsent: 2,
    results,
  })
})

it('a target without a port is a bug of the caller, not of the network', async () => {
  const { port: _, ...portless } = target
  await expect(connect([portless])).rejects.toThrow('has no port')
  expect(await connect([])).toEqual([])
})

describe('eachWithin', () => {
  it('keeps the order and never exceeds its limit', async () => {
    let running = 0
    let most = 0
    const items = Array.from({ length: 50 }, (_, index) => index)
    const results = await eachWithin(
      items,
      async (item) => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, (item * 7) % 5))
        running--
        return item * 2
      },
      8,
    )
    expect(results).toEqual(items.map((item) => item * 2))
    expect(most).toBe(8)
  })
})
