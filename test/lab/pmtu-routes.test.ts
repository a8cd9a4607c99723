/**
 * The way back is another one: b answers through r2, whose links are not those of the way there. And the answers are few:
 * errors or replies that somebody limits. What is measured is the way there.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { pathMtu } from '../../lib/probe/pmtu/index.ts'
import type { Family, Target } from '../../lib/types.ts'
import { inNamespace, ip, namespaces, netnsPath } from '../bed/namespace.ts'
import { B, type Chain, cable, makeChain, R, random } from './icmp-bed.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
const others = namespaces(`icw${process.pid}`)
let chain: Chain
let r2: string

beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = makeChain(`icw${process.pid}`)
  r2 = others.add('r2')
  layWayBack()
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => {
  others.remove()
  chain?.remove()
})
beforeEach(() => {
  chain.clear()
  inNamespace(r2, 'nft', 'flush', 'ruleset')
  chain.farMtu(1500)
  wayBackMtu(1500)
  // What b learned about an earlier way back would have it fragment its replies.
  for (const family of ['-4', '-6']) ip(`-n ${chain.b} ${family} route flush cache`)
})

/** b - r2 - a beside a - r - b: b's route to a leads through r2, a's route to b still through r. */
function layWayBack(): void {
  cable({ namespace: r2, device: 'toa' }, { namespace: chain.a, device: 'eth1' })
  cable({ namespace: r2, device: 'tob' }, { namespace: chain.b, device: 'eth1' })
  for (const [namespace, device, v4, v6] of [
    [chain.a, 'eth1', '192.0.2.2/25', '2001:db8:c::2/64'],
    [r2, 'toa', '192.0.2.1/25', '2001:db8:c::1/64'],
    [r2, 'tob', '192.0.2.129/25', '2001:db8:d::1/64'],
    [chain.b, 'eth1', '192.0.2.130/25', '2001:db8:d::2/64'],
  ]) {
    ip(`-n ${namespace} addr add ${v4} dev ${device}`)
    ip(`-n ${namespace} addr add ${v6} dev ${device} nodad`)
    ip(`-n ${namespace} link set ${device} up`)
  }
  inNamespace(r2, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
  for (const namespace of [chain.a, r2]) {
    for (const name of ['all', 'default', namespace === r2 ? 'tob' : 'eth1']) {
      inNamespace(namespace, 'sysctl', '-qw', `net.ipv4.conf.${name}.rp_filter=0`)
    }
  }
  ip(`-n ${chain.b} route add 198.51.100.0/24 via 192.0.2.129`)
  ip(`-n ${chain.b} -6 route add 2001:db8:a::/64 via 2001:db8:d::1`)
  ip(`-n ${r2} route add 198.51.100.0/24 via 192.0.2.2`)
  ip(`-n ${r2} -6 route add 2001:db8:a::/64 via 2001:db8:c::2`)
  // r2 must be able to tell b that a reply is too big.
  ip(`-n ${r2} route add 203.0.113.0/24 via 192.0.2.130`)
  ip(`-n ${r2} -6 route add 2001:db8:b::/64 via 2001:db8:d::2`)
}

/** MTU of r2 - a: b's own link stays at 1500. */
function wayBackMtu(mtu: number): void {
  ip(`-n ${chain.a} link set eth1 mtu ${mtu}`)
  ip(`-n ${r2} link set toa mtu ${mtu}`)
}

/** Packets that r2 has carried towards a. */
const carriedBack = (): number => transmitted(JSON.parse(ip(`-n ${r2} -s -j link show toa`)))

const transmitted = ([link]: { stats64: { tx: { packets: number } } }[]) => link?.stats64.tx.packets ?? 0

describe.for([4, 6] as const)('IPv%i', (family: Family) => {
  const target: Target = { role: 'the target', name: 'b', address: B[family], family }
  const measure = (budgetMs = 8000) => pathMtu(target, { promised: 1500, linkMtu: 1500, budgetMs })

  test('a way back that carries less does not lower the way there', async () => {
    wayBackMtu(1300)
    const before = carriedBack()
    expect(await measure()).toMatchObject({ state: 'ok', mtu: 1500 })
    expect(carriedBack()).toBeGreaterThan(before)
  })

  test('a way back that carries less hides neither a signalled MTU nor a black hole', async () => {
    wayBackMtu(1300)
    const far = pick(1350, 1499)
    chain.farMtu(far)
    expect(await measure()).toMatchObject({ state: 'lower-signalled', mtu: far, signalledBy: R[family] })
    chain.farMtu(1500)
    chain.forward(`meta length gt ${far} drop`)
    expect(await measure()).toMatchObject({ state: 'black-hole', mtu: far, smallestLost: far + 1 })
  })

  test('a way back that carries more does not raise the way there', async () => {
    const far = pick(1280, 1499)
    chain.farMtu(far)
    wayBackMtu(9000)
    expect(await measure()).toMatchObject({ state: 'lower-signalled', mtu: far })
  })

  test('a way back that swallows large replies is a black hole of just that size', async () => {
    const back = pick(1280, 1480)
    chain.rules(r2, 'forward', `meta length gt ${back} drop`)
    expect(await measure()).toMatchObject({ state: 'black-hole', mtu: back, signalledBy: null })
  })

  test('errors that a router limits to few, or to none at all once others used them up, leave the value exact', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    const limit = 'limit rate over 1/minute burst 1 packets drop'
    chain.rules(chain.r, 'output', `icmp type destination-unreachable ${limit}`, `icmpv6 type packet-too-big ${limit}`)
    expect(await measure(), 'the first').toMatchObject({ state: 'lower-signalled', mtu: far, signalledBy: R[family] })
    // The second one hears no error any more: without a word it is a black hole, of the same size.
    expect(await measure(), 'the second').toMatchObject({ state: 'black-hole', mtu: far, signalledBy: null })
  })

  test('a target that answers only so many echoes a second is exact or inconclusive, never wrong', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    const replies = `${family === 4 ? 'icmp' : 'icmpv6'} type echo-reply`
    chain.rules(chain.b, 'output', `${replies} limit rate over 20/second burst 5 packets drop`)
    expect(await measure()).toMatchObject({ state: 'lower-signalled', mtu: far })
    chain.rules(chain.r, 'output', 'icmp type destination-unreachable drop', 'icmpv6 type packet-too-big drop')
    const path = await measure(4000)
    expect(path.mtu ?? far, JSON.stringify(path)).toBe(far)
  })
})
