/** "Host unreachable", from this kernel that gave up on a silent next hop, or from somebody who refuses: the words are the same. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { askDns } from '../../lib/probe/dns.ts'
import { echo, judgeEcho } from '../../lib/probe/icmp.ts'
import { NEXT_HOP_SILENT } from '../../lib/probe/next-hop.ts'
import { connect } from '../../lib/probe/tcp.ts'
import type { Target } from '../../lib/types.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { addChain, flushRules, type Pair, pair } from '../bed/pair.ts'

vi.setConfig({ testTimeout: 20_000 })

let bed: Pair
beforeAll(async () => {
  bed = pair('nh')
  await enterNamespace(netnsPath(bed.client))
  // what lies behind a gateway that is there, and behind one that is not
  for (const [beyond, dead, here, gone] of [
    ['203.0.113.0/25', '203.0.113.128/25', '198.18.0.2', '198.18.0.99'],
    ['2001:db8:1::/48', '2001:db8:2::/48', '2001:db8::2', '2001:db8::99'],
  ]) {
    ip(`-n ${bed.client} route add ${beyond} via ${here}`)
    ip(`-n ${bed.client} route add ${dead} via ${gone}`)
  }
})
afterAll(() => bed.remove())
afterEach(() => {
  for (const name of [bed.client, bed.server]) flushRules(name)
})

const target = (address: string): Target => ({
  ...{ role: 'the target', name: address, address, family: address.includes(':') ? 6 : 4 },
})
const tcp = (address: string): Target => ({ ...target(address), protocol: 'tcp', port: 53 })
/** Longer than the kernel's three requests, a second apart. */
const budgetMs = 4500

describe('the next hop is silent', () => {
  test.each([
    ['on the link', '198.18.0.99'],
    ['on the link', '2001:db8::99'],
    ['a gateway', '203.0.113.200'],
    ['a gateway', '2001:db8:2::1'],
  ])('%s, %s: TCP is told so whenever it asked', async (_, address) => {
    const first = connect([tcp(address)], { budgetMs })
    await sleep(1800)
    // it hears in about a second: as soon as a router might say it
    const [early, late] = await Promise.all([first, connect([tcp(address)], { budgetMs })])
    expect([...early, ...late]).toMatchObject([{ state: 'unresolved' }, { state: 'unresolved' }])
    expect(await askDns([tcp(address)], { name: 'a.test', type: 'A' }, { budgetMs })).toMatchObject([
      { state: 'no-answer', detail: NEXT_HOP_SILENT },
    ])
  })

  test.each([
    ['198.18.0.98', '203.0.113.201', '203.0.113.202'],
    ['2001:db8::98', '2001:db8:2::201', '2001:db8:2::202'],
  ])('%s, %s and %s: ping hears of it, and it is silence', async (...addresses) => {
    const results = await echo(addresses.map(target), { probes: 3, timeoutMs: budgetMs })
    expect(results).toHaveLength(3)
    for (const result of results) {
      expect(result.error).toMatchObject({ kind: 'unresolved', from: null, text: NEXT_HOP_SILENT })
      expect(judgeEcho(result).state).toBe('silent')
    }
  })
})

describe('somebody refuses in the same words', () => {
  const reject = (namespace: string, hook: string) =>
    addChain(
      namespace,
      'inet',
      `filter hook ${hook} priority 0`,
      'meta nfproto ipv4 reject with icmp host-unreachable;meta nfproto ipv6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept;meta nfproto ipv6 reject with icmpv6 addr-unreachable',
    )

  test.each(['203.0.113.1', '2001:db8:1::1'])('the gateway, of %s', async (address) => {
    reject(bed.server, 'prerouting')
    expect(await connect([tcp(address)], { budgetMs })).toMatchObject([{ state: 'rejected', errno: 'EHOSTUNREACH' }])
    const [result] = await echo([target(address)], { probes: 3 })
    expect(result?.error).toMatchObject({ kind: 'unreachable' })
    expect(result && judgeEcho(result).state).toBe('rejected')
  })

  test('a rule of the own namespace', async () => {
    reject(bed.client, 'output')
    const [result] = await echo([target('198.18.0.2')], { probes: 3 })
    expect(result && judgeEcho(result).state).toBe('rejected')
  })
})
