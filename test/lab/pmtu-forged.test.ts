/**
 * "Too big" from whoever wants to mislead us, and from routers that say it oddly. The cable next to us is this test's own
 * code: it sees our probes and puts packets on the wire, faster than any router can answer.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterNamespace } from '../../lib/netns/index.ts'
import { pathMtu } from '../../lib/probe/pmtu/index.ts'
import type { Family } from '../../lib/types.ts'
import { type Delivery, layWire } from '../bed/delay.ts'
import { ip, netnsPath } from '../bed/namespace.ts'
import { B, type Chain, makeChainOver, R, random } from './icmp-bed.ts'
import { echoRequestOf, isTooBig, tooBig, withMtu, withOptions } from './pmtu-forge.ts'

const seed = Date.now() % 1_000_000
const pick = random(seed)
/** What the forger names. */
const FORGED_MTU = 1300

let chain: Chain
let wire: { close(): void } | undefined
/** What comes to us beside each of our probes, ahead of its answer. */
let forge: (probe: Buffer, family: Family) => readonly Buffer[]
/** What becomes of a router's own "too big". */
let rewrite: (error: Buffer) => Buffer

beforeAll(async () => {
  console.log(`seed ${seed}`)
  chain = await makeChainOver(`icg${process.pid}`, async (a, r) => {
    wire = await layWire([r, a], (packet, enteredAt) => {
      if (enteredAt === 0) return [{ packet: isTooBig(packet) ? rewrite(packet) : packet, leavesAt: 1, afterMs: 0 }]
      const family = echoRequestOf(packet)
      const forged = family === null ? [] : forge(packet, family)
      const deliveries: Delivery[] = forged.map((error) => ({ packet: error, leavesAt: 1, afterMs: 0 }))
      return [...deliveries, { packet, leavesAt: 0, afterMs: 0 }]
    })
  })
  await enterNamespace(netnsPath(chain.a))
})
afterAll(() => {
  wire?.close()
  chain?.remove()
})
beforeEach(() => {
  chain.clear()
  chain.farMtu(1500)
  forge = () => []
  rewrite = (error) => error
})

const measure = (family: Family) =>
  pathMtu({ role: 'the target', name: 'b', address: B[family], family }, { promised: 1500, linkMtu: 1500 })

/** A copy with one byte changed. */
function changed(packet: Buffer, at: number): Buffer {
  const copy = Buffer.from(packet)
  copy[at] = (copy[at] ?? 0) ^ 0x40
  return copy
}

describe.for([4, 6] as const)('IPv%i', (family) => {
  const header = family === 4 ? 20 : 40

  test('a forged MTU that is too low does not lower a path that carries more', async () => {
    forge = (probe) => (probe.length > FORGED_MTU ? [tooBig(probe, R[family], FORGED_MTU)] : [])
    for (const round of ['first', 'with the forged MTU in the kernel’s cache']) {
      expect(await measure(family), round).toMatchObject({ state: 'ok', mtu: 1500, signalledBy: null })
    }
    expect(ip(`-n ${chain.a} route get ${B[family]}`)).toContain(`mtu ${FORGED_MTU}`)
  })

  test('a forged MTU that is too low does not lower what the router names', async () => {
    const far = pick(FORGED_MTU + 1, 1499)
    chain.farMtu(far)
    forge = (probe) => (probe.length > FORGED_MTU ? [tooBig(probe, R[family], FORGED_MTU)] : [])
    expect(await measure(family)).toMatchObject({ state: 'lower-signalled', mtu: far, smallestLost: far + 1 })
  })

  test('an MTU that no link can have is not believed', async () => {
    const far = pick(1280, 1499)
    chain.farMtu(far)
    for (const mtu of [1, 67, 1500, 9000, 65_535]) {
      rewrite = (error) => withMtu(error, mtu)
      const path = await measure(family)
      const said = { signalledBy: R[family], signalledMtu: null }
      expect(path, `${mtu}`).toMatchObject({ state: 'lower-signalled', mtu: far, ...said })
    }
  })

  test.for([
    ['destination', family === 4 ? 19 : 39],
    ['identifier', header + 4],
    ['sequence', header + 6],
    ['type', header],
  ] as const)('an error that quotes another %s is not about our probe', async ([, at]) => {
    const far = pick(1280, 1480)
    chain.forward(`meta length gt ${far} drop`)
    forge = (probe) => (probe.length > FORGED_MTU ? [tooBig(changed(probe, at), R[family], FORGED_MTU)] : [])
    expect(await measure(family)).toMatchObject({
      state: 'black-hole',
      mtu: far,
      signalledBy: null,
      signalledMtu: null,
    })
  })

  test('an error counts as soon as its quote holds id and sequence, and not before', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    for (const bytes of [header, header + 7]) {
      chain.forward(`meta length gt ${far} drop`)
      chain.rules(chain.r, 'output', 'icmp type destination-unreachable drop', 'icmpv6 type packet-too-big drop')
      forge = (probe) => (probe.length > far ? [tooBig(probe, R[family], far, bytes)] : [])
      expect(await measure(family), `${bytes}`).toMatchObject({ state: 'black-hole', mtu: far, signalledBy: null })
    }
    forge = (probe) => (probe.length > far ? [tooBig(probe, R[family], far, header + 8)] : [])
    const signalled = { state: 'lower-signalled', mtu: far, signalledBy: R[family], signalledMtu: far }
    expect(await measure(family)).toMatchObject(signalled)
  })

  test('an error whose checksum is wrong does not count', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    rewrite = (error) => changed(error, error.length - 1)
    expect(await measure(family)).toMatchObject({ state: 'black-hole', mtu: far, signalledBy: null })
  })

  test.for(['of the plateaus', 'of no plateau'])(
    'a router that names no size has its exact MTU found, one %s',
    async (which) => {
      const far = which === 'of the plateaus' ? 1492 : pick(1280, 1480)
      chain.farMtu(far)
      rewrite = (error) => withMtu(error, 0)
      expect(await measure(family)).toMatchObject({
        state: 'lower-signalled',
        mtu: far,
        smallestLost: far + 1,
        signalledBy: R[family],
        signalledMtu: null,
      })
    },
  )

  test('an error behind options that quotes a packet behind options counts', async () => {
    const far = pick(1280, 1480)
    chain.farMtu(far)
    rewrite = withOptions
    expect(await measure(family)).toMatchObject({ state: 'lower-signalled', mtu: far, signalledMtu: far })
  })
})
