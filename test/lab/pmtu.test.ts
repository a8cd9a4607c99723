/** Path MTU over real routers: exact where the path says so, a black hole where it does not, never a wrong number. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { judgePathMtu, type PathMtu, pathMtu, plainContext } from '../../lib/probe/pmtu/index.ts'
import type { Family, Target } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { B, type Chain, makeChain, R, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
let chain: Chain

beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = makeChain(`icp${process.pid}`)
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => chain?.remove())
beforeEach(() => {
  chain.clear()
  chain.nearMtu(1500)
  chain.farMtu(1500)
  // the kernel never raises what it has learned of a path before it expires
  for (const family of ['-4', '-6']) ip(`${family} -n ${chain.a} route flush cache`)
})

const target = (family: Family, address: string = B[family]): Target => ({
  role: 'the target',
  name: 'b',
  address,
  family,
})
const measure = (family: Family, promised = 1500, budgetMs?: number) =>
  pathMtu(target(family), { promised, linkMtu: promised, ...(budgetMs === undefined ? {} : { budgetMs }) })

const judged = (path: PathMtu, insideCluster: boolean) => {
  const { promised: mtu } = path
  const promise = { mtu, device: 'eth0', linkMtu: mtu, routeMtu: null, learnedMtu: null }
  return judgePathMtu(path, plainContext(promise, insideCluster)).path
}

describe.for([4, 6] as const)('IPv%i', (family) => {
  test('a healthy path is ok with very few probes', async () => {
    const near = pick(1300, 9000)
    chain.nearMtu(near)
    chain.farMtu(near)
    const path = await measure(family, near)
    expect(path).toMatchObject({ state: 'ok', mtu: near, signalledBy: null, error: null })
    expect(path.probesSent).toBeLessThanOrEqual(3)
  })

  test('a lower MTU that the router signals is exact, also when the kernel has learned it', async () => {
    const far = pick(1280, 1499)
    chain.farMtu(far)
    for (const round of ['first', 'with a cached exception']) {
      const path = await measure(family)
      expect(path, round).toMatchObject({
        state: 'lower-signalled',
        mtu: far,
        signalledBy: R[family],
        signalledMtu: far,
        smallestLost: far + 1,
      })
      // The first three, and both sides of what was named, twice: adopted and verified, not searched.
      expect(path.probesSent, round).toBeLessThanOrEqual(7)
    }
    expect(ip(`-n ${chain.a} route get ${B[family]}`)).toContain(`mtu ${far}`)
  })

  test('what the kernel has learned does not hold once the path carries more', async () => {
    chain.farMtu(1300)
    await measure(family)
    chain.farMtu(1500)
    expect(ip(`-n ${chain.a} route get ${B[family]}`)).toContain('mtu 1300')
    expect(await measure(family)).toMatchObject({ state: 'ok', mtu: 1500, signalledBy: null })
  })

  test('a black hole is found exactly and in time', async () => {
    const far = pick(1280, 1480)
    chain.forward(`meta length gt ${far} drop`)
    const path = await measure(family)
    expect(path).toMatchObject({
      state: 'black-hole',
      mtu: far,
      largestPass: far,
      smallestLost: far + 1,
      signalledBy: null,
    })
    // Far from the 0.5 s that it takes on a quiet machine; bench/pmtu.ts holds it to 1.5 s.
    expect(path.ms).toBeLessThan(5000)
    expect(judged(path, true)).toMatchObject({ ok: false, code: 'PATH_MTU_BLACK_HOLE' })
  })

  test('a real lower MTU whose ICMP errors are filtered is a black hole', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    chain.rules(chain.r, 'output', 'icmp type destination-unreachable drop', 'icmpv6 type packet-too-big drop')
    expect(await measure(family)).toMatchObject({ state: 'black-hole', mtu: far, signalledBy: null })
  })

  test('veth peers that differ swallow what exceeds the smaller one by more than a VLAN tag', async () => {
    const far = pick(1300, 1400)
    ip(`-n ${chain.b} link set eth0 mtu ${far}`)
    const path = await measure(family)
    // drivers/net/veth.c drops above the peer's MTU plus VLAN_HLEN; replies of b are fragmented and pass.
    expect(path).toMatchObject({ state: 'black-hole', mtu: far + 4 })
  })

  test('behind a router that signals, a second and smaller limit that does not is a black hole', async () => {
    const far = pick(1400, 1490)
    const hole = pick(1280, 1390)
    chain.farMtu(far)
    chain.rules(chain.b, 'input', `meta length gt ${hole} drop`)
    expect(await measure(family)).toMatchObject({ state: 'black-hole', mtu: hole, signalledMtu: far })
  })

  test('a router that limits its errors is believed as far as it was verified', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    const limit = 'limit rate over 1/second burst 1 packets drop'
    chain.rules(chain.r, 'output', `icmp type destination-unreachable ${limit}`, `icmpv6 type packet-too-big ${limit}`)
    expect(await measure(family)).toMatchObject({ state: 'lower-signalled', mtu: far, signalledBy: R[family] })
  })

  test('a path that polices echoes to a shallow burst is not taken for a low MTU', async () => {
    chain.forward('limit rate over 200/second burst 8 packets drop', 'meta length gt 1451 drop')
    const path = await measure(family)
    expect(path, JSON.stringify(path)).toMatchObject({ state: 'black-hole', mtu: 1451 })
  })

  test('a silent target is no verdict on the MTU', async () => {
    chain.rules(chain.b, 'input', 'drop')
    const path = await measure(family)
    expect(path).toMatchObject({ state: 'unanswered', mtu: null, error: null })
    expect(path.ms).toBeLessThan(3000)
    expect(judged(path, true)).toMatchObject({ ok: false, code: 'PROBE_INCONCLUSIVE' })
  })

  test('a firewall that refuses echoes leaves it inconclusive and says who', async () => {
    chain.forward('reject with icmpx type admin-prohibited')
    const path = await measure(family)
    expect(path).toMatchObject({ state: 'unanswered', error: { kind: 'prohibited', from: R[family] } })
    expect(judged(path, true)).toMatchObject({ ok: false, code: 'PROBE_INCONCLUSIVE' })
  })

  test('a router without a route makes it unreachable', async () => {
    const nowhere = family === 4 ? '192.0.2.9' : '2001:db8:c::9'
    const path = await pathMtu(target(family, nowhere), { promised: 1500, linkMtu: 1500 })
    expect(path).toMatchObject({ state: 'unanswered', error: { kind: 'unreachable', from: R[family] } })
    expect(judged(path, false)).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })

  test('a blackhole route is a local error', async () => {
    const address = family === 4 ? '198.18.1.1' : '2001:db8:d::1'
    ip(`-n ${chain.a} route replace blackhole ${address}`)
    const path = await pathMtu(target(family, address), { promised: 1500, linkMtu: 1500 })
    expect(path).toMatchObject({ state: 'error', error: { kind: 'local', from: null, code: 'EINVAL' } })
    expect(path.ms).toBeLessThan(500)
    expect(judged(path, true)).toMatchObject({ ok: false, code: 'UNREACHABLE' })
  })

  test('the route promises less than the link', async () => {
    chain.forward('meta length gt 1420 drop')
    const path = await pathMtu(target(family), { promised: 1400, linkMtu: 1500 })
    expect(path).toMatchObject({ state: 'ok', mtu: 1400 })
  })

  test('the kernel itself refuses what is larger than the link', async () => {
    chain.nearMtu(1430)
    const path = await pathMtu(target(family), { promised: 1500, linkMtu: 1500 })
    expect(path).toMatchObject({ state: 'lower-signalled', mtu: 1430, smallestLost: 1431, signalledBy: null })
  })

  test('loopback carries the largest packet that the family has', async () => {
    const path = await pathMtu(target(family, family === 4 ? '127.0.0.1' : '::1'), {
      promised: 65_536,
      linkMtu: 65_536,
    })
    expect(path).toMatchObject({ state: 'ok', mtu: family === 4 ? 65_535 : 65_536 })
  })

  test('small enough to be below the usual floor', async () => {
    const far = pick(100, 500)
    chain.forward(`meta length gt ${far} drop`)
    expect(await measure(family)).toMatchObject({ state: 'black-hole', mtu: far })
  })

  test('two measurements at once do not take each other’s answers', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    const near = pathMtu(target(family, R[family]), { promised: 1500, linkMtu: 1500 })
    expect(await Promise.all([measure(family), near, measure(family)])).toMatchObject([
      { state: 'lower-signalled', mtu: far },
      { state: 'ok', mtu: 1500 },
      { state: 'lower-signalled', mtu: far },
    ])
  })
})
