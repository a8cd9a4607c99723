import { describe, expect, it } from 'vitest'
import { poolOf } from '../../../lib/address-pool.ts'
import { judgePool } from '../../../lib/probe/state/address-pool.ts'
import type { AddressPool } from '../../../lib/types.ts'

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `198.18.1.${i + 2}`)
const directory = (count: number, path = '/var/lib/cni/networks/cbr0') => ({ path, addresses: numbered(count) })
const RANGE = '198.18.1.0/24'

describe('poolOf', () => {
  it('leases are counted where the pods have theirs', () => {
    expect(poolOf(RANGE, ['198.18.1.2', '2001:db8::5'], [directory(20)])).toMatchObject({
      family: 4,
      size: 253,
      used: 20,
      directory: directory(1).path,
    })
  })

  it('without leases the pods are', () => {
    expect(poolOf(RANGE, numbered(7), [])).toMatchObject({ used: 7, directory: null })
  })

  it('leases that another CNI left behind do not count', () => {
    const pods = ['198.18.1.3', '198.18.1.150', '198.18.1.151']
    expect(poolOf(RANGE, pods, [directory(100)])).toMatchObject({ used: 3, directory: null })
  })

  it.each([
    ['whose addresses are elsewhere (Calico, AWS)', ['192.0.2.5', '192.0.2.6']],
    ['some of whose addresses are elsewhere', ['198.18.1.5', '192.0.2.6']],
    ['that there are none of', []],
  ])('the range says nothing about pods %s', (_, pods) => {
    expect(poolOf(RANGE, pods, [])).toBeNull()
  })

  it('IPv6 ranges', () => {
    expect(poolOf('2001:db8:18:1::/112', ['2001:db8:18:1::5'], [])).toMatchObject({ family: 6, size: 65_534, used: 1 })
  })
})

const pool = (changes: Partial<AddressPool>): AddressPool => ({
  ...{ family: 4, range: RANGE, size: 253, used: 10, leaked: null, directory: '/var/lib/cni/networks/cbr0' },
  ...changes,
})

describe('judgePool', () => {
  it.each([
    [{}, 'fine', undefined],
    [{ used: 200, leaked: 5 }, 'fine', undefined],
    [{ used: 240, leaked: 0 }, 'doubtful', 'ADDRESS_POOL_LOW'],
    [{ used: 240, directory: null }, 'doubtful', 'ADDRESS_POOL_LOW'],
    [{ used: 180, leaked: 150 }, 'doubtful', 'ADDRESS_LEAKED'],
    [{ used: 253, leaked: 150 }, 'broken', 'ADDRESS_POOL_EXHAUSTED'],
    [{ used: 253, directory: null }, 'doubtful', 'ADDRESS_POOL_LOW'],
  ] as const)('%j: %s', (changes, is, code) => {
    expect(judgePool(pool(changes))).toMatchObject(code ? { is, code } : { is })
  })

  it('leaks are counted, and where they lie is said', () => {
    expect(judgePool(pool({ used: 253, leaked: 150 }))).toMatchObject({
      detail: expect.stringContaining('150 of them of sandboxes that do not exist'),
      hint: expect.stringContaining('/var/lib/cni/networks/cbr0'),
    })
  })
})
