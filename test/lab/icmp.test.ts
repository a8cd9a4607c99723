/** Ping over real routers: what is lost, refused, silent or not routed is told apart, over both families. */
import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { echo, judgeEcho } from '../../lib/probe/icmp.ts'
import type { Family, Target } from '../../lib/types.ts'
import { inNamespace, ip, netnsPath } from '../bed/namespace.ts'
import { B, type Chain, makeChain, R } from './icmp-bed.ts'

let chain: Chain

beforeAll(async () => {
  chain = makeChain(`ice${process.pid}`)
  for (const sweep of ['198.18.64.0/18', '2001:db8:f::/64'])
    inNamespace(chain.b, 'ip', 'route', 'add', 'local', sweep, 'dev', 'lo')
  ip(`-n ${chain.r} route add 198.18.64.0/18 via ${B[4]}`)
  ip(`-n ${chain.r} -6 route add 2001:db8:f::/64 via ${B[6]}`)
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => chain?.remove())
beforeEach(() => chain.clear())

const target = (family: Family, address: string = B[family]): Target => ({
  role: 'the target',
  name: 'b',
  address,
  family,
})
const sweep = (family: Family, count: number): Target[] =>
  Array.from({ length: count }, (_, n) =>
    target(family, family === 4 ? `198.18.${64 + (n >> 8)}.${n & 255}` : `2001:db8:f::${(n + 1).toString(16)}`),
  )
async function ping(family: Family, address?: string, probes = 3) {
  const started = performance.now()
  const [result] = await echo([target(family, address)], { probes })
  if (result === undefined) throw new Error('no result')
  return { result, judged: judgeEcho(result), ms: performance.now() - started }
}

describe.for([4, 6] as const)('IPv%i', (family) => {
  test('an answering target gets no more echoes than asked', async () => {
    const { result, judged, ms } = await ping(family, B[family], 5)
    expect(result).toMatchObject({ sent: 5, received: 5, error: null })
    expect(judged).toMatchObject({ state: 'answered', loss: 0 })
    expect(judged.min).toBeGreaterThan(0)
    expect(ms).toBeLessThan(1000)
  })

  test('a silent target is decided in about 2.5 s, after more echoes', async () => {
    chain.forward('drop')
    const { result, judged, ms } = await ping(family)
    expect(judged).toEqual({ state: 'silent', loss: 1, min: null, avg: null, max: null })
    expect(result).toMatchObject({ sent: 23, received: 0, error: null })
    expect(ms).toBeGreaterThan(2000)
    expect(ms).toBeLessThan(3000)
  })

  test('one lost echo earns 20 more: the loss that is reported is measured', async () => {
    // The third packet and no other.
    chain.forward('numgen inc mod 1000000 == 2 drop')
    const { result, judged } = await ping(family, B[family], 3)
    expect(result).toMatchObject({ sent: 23, received: 22 })
    expect(judged).toMatchObject({ state: 'answered', loss: 1 / 23 })
  })

  test('every tenth echo lost earns 100 more, and is lossy', async () => {
    chain.forward('numgen inc mod 20 == 1 drop')
    const { result, judged } = await ping(family, B[family], 3)
    expect(result.sent).toBe(123)
    expect(judged.state).toBe('lossy')
    expect(judged.loss).toBeCloseTo(0.1, 1)
  })

  test('half of the packets lost is very lossy', async () => {
    chain.forward('numgen inc mod 4 == 1 drop')
    const { result, judged } = await ping(family)
    expect(result.sent).toBe(23)
    expect(judged.state).toBe('very-lossy')
    expect(judged.loss).toBeGreaterThan(0.2)
  })

  test('a reply of more than a second later still counts', async () => {
    const delayed = ping(family, family === 4 ? '203.0.113.77' : '2001:db8:b::77', 1)
    await new Promise((resolve) => setTimeout(resolve, 600))
    // Until now r waited for the neighbour; its queue is sent when the address appears (it asks once a second).
    inNamespace(
      chain.b,
      'ip',
      'addr',
      'add',
      family === 4 ? '203.0.113.77/24' : '2001:db8:b::77/64',
      'dev',
      'eth0',
      ...(family === 6 ? ['nodad'] : []),
    )
    const { result, judged } = await delayed
    expect(judged, JSON.stringify(result)).toMatchObject({ state: 'answered', loss: 0 })
    expect(Math.max(...result.rttsMs)).toBeGreaterThan(500)
  })

  test.for([
    ['admin-prohibited', 'prohibited', 'rejected'],
    ['host-unreachable', 'unreachable', 'rejected'],
    ['port-unreachable', 'unreachable', 'rejected'],
  ] as const)('%s is told with its sender', async ([type, kind, state]) => {
    chain.forward(`reject with icmpx type ${type}`)
    const { result, judged, ms } = await ping(family)
    expect(judged.state).toBe(state)
    expect(result.error).toMatchObject({ kind, from: R[family] })
    expect(ms).toBeLessThan(2000)
  })

  test.for([
    ['no route', null, 'ENETUNREACH', 'no-route'],
    ['unreachable', 'unreachable', 'EHOSTUNREACH', 'no-route'],
    ['blackhole', 'blackhole', 'EINVAL', 'no-route'],
    ['prohibit', 'prohibit', 'EACCES', 'no-route'],
  ] as const)('%s route is decided at once', async ([, type, code, state]) => {
    const address = family === 4 ? '198.18.2.2' : '2001:db8:e::2'
    const route = family === 4 ? ['-n', chain.a] : ['-n', chain.a, '-6']
    execFileSync('ip', [...route, 'route', 'del', 'default'])
    if (type !== null) execFileSync('ip', [...route, 'route', 'add', type, address])
    const { result, judged, ms } = await ping(family, address)
    if (type !== null) execFileSync('ip', [...route, 'route', 'del', type, address])
    execFileSync('ip', [...route, 'route', 'add', 'default', 'via', R[family]])
    expect(result.error).toMatchObject({ kind: 'local', from: null, code })
    expect(judged.state).toBe(state)
    expect(ms).toBeLessThan(500)
  })

  test('a local rule that refuses to send is a rejection, not silence', async () => {
    chain.rules(chain.a, 'output', 'drop')
    const { result, judged } = await ping(family)
    expect(result.error).toMatchObject({ kind: 'local', code: 'EPERM' })
    expect(judged.state).toBe('rejected')
  })

  test('many targets answer quickly, and the silent ones among them are named', async () => {
    const targets = sweep(family, 1000)
    const dead = targets.slice(500, 505)
    chain.forward(`${family === 4 ? 'ip' : 'ip6'} daddr { ${dead.map(({ address }) => address).join(', ')} } drop`)
    const results = await echo(targets, { probes: 3 })
    expect(results.map(({ target }) => target)).toEqual(targets)
    const silent = results.filter((result) => judgeEcho(result).state === 'silent')
    expect(silent.map(({ target }) => target)).toEqual(dead)
    expect(results.filter((result) => judgeEcho(result).state === 'answered')).toHaveLength(995)
  })

  test('5,000 silent targets end within 10 s', async () => {
    chain.forward('drop')
    const started = performance.now()
    const results = await echo(sweep(family, 5000), { probes: 3 })
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(new Set(results.map((result) => judgeEcho(result).state))).toEqual(new Set(['silent']))
  })

  test('the same target twice, and two calls at once, each get their own replies', async () => {
    const both = [target(family), target(family)]
    const results = (await Promise.all([echo(both, { probes: 3 }), echo(both, { probes: 3 })])).flat()
    expect(results.map(({ received }) => received)).toEqual([3, 3, 3, 3])
  })
})

test('an IPv6 link-local target with its zone answers', async () => {
  const linkLocal = /fe80::[0-9a-f:]+/.exec(inNamespace(chain.r, 'ip', '-6', 'addr', 'show', 'dev', 'ra'))?.[0]
  const { judged } = await ping(6, `${linkLocal}%eth0`)
  expect(judged.state).toBe('answered')
})

test('what is no address of its family is a bug of the caller, never a ping of this machine', async () => {
  await expect(echo([target(6, 'fe80::zz%eth0')], { probes: 1 })).rejects.toThrow('not an IPv6 address')
  await expect(echo([target(4, 'localhost')], { probes: 1 })).rejects.toThrow('not an IPv4 address')
})

test('both families in one call keep their order', async () => {
  const results = await echo([target(6), target(4), target(6)], { probes: 1 })
  expect(results.map(({ target, received }) => [target.family, received])).toEqual([
    [6, 1],
    [4, 1],
    [6, 1],
  ])
})
