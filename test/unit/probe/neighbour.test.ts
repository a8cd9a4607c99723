import { describe, expect, it } from 'vitest'
import type { LocalAddress } from '../../../lib/node/links.ts'
import type { Neighbour } from '../../../lib/node/neighbours.ts'
import { sourceFor, verdictOf } from '../../../lib/probe/neighbour.ts'

const entry = (rest: Partial<Neighbour>): Neighbour => ({
  address: '192.0.2.1',
  device: 'eth0',
  state: 'REACHABLE',
  mac: '02:00:00:00:00:01',
  confirmedSecondsAgo: 0,
  external: false,
  ...rest,
})
const address = (rest: Partial<LocalAddress>): LocalAddress => ({
  address: '192.0.2.9',
  family: 4,
  device: 'eth0',
  prefixLength: 24,
  scope: 'global',
  dadFailed: false,
  tentative: false,
  dynamic: false,
  ...rest,
})

describe('verdictOf', () => {
  it.each([
    ['a fresh answer', entry({}), 'answered'],
    ['an answer of a second ago', entry({ confirmedSecondsAgo: 1 }), 'answered'],
    ['an answer that may be of a gateway dead by now', entry({ confirmedSecondsAgo: 25 }), null],
    ['a kernel that does not tell the age', entry({ confirmedSecondsAgo: null }), 'answered'],
    ['a permanent entry', entry({ state: 'PERMANENT', confirmedSecondsAgo: 99 }), 'static'],
    ['NOARP', entry({ state: 'NOARP' }), 'static'],
    ['a program’s entry', entry({ state: 'STALE', external: true }), 'static'],
    ['a permanent entry without address', entry({ state: 'PERMANENT', mac: null }), null],
    ['STALE', entry({ state: 'STALE' }), null],
    ['DELAY', entry({ state: 'DELAY' }), null],
    ['PROBE', entry({ state: 'PROBE' }), null],
    ['INCOMPLETE', entry({ state: 'INCOMPLETE', mac: null }), null],
    ['FAILED', entry({ state: 'FAILED', mac: null }), null],
    ['no entry', null, null],
  ])('%s', (_name, found, verdict) => {
    expect(verdictOf(found)).toBe(verdict)
  })
})

describe('sourceFor', () => {
  const addresses = [
    address({ address: '127.0.0.1', device: 'lo', scope: 'host' }),
    address({ address: '198.51.100.1', device: 'eth1' }),
    address({}),
    address({ address: '2001:db8::8', family: 6, tentative: true }),
    address({ address: '2001:db8::9', family: 6 }),
    address({ address: 'fe80::9', family: 6, scope: 'link' }),
  ]
  it.each([
    ['192.0.2.1', 'eth0', '192.0.2.9'],
    ['192.0.2.1', 'eth2', '198.51.100.1'],
    ['2001:db8::1', 'eth0', '2001:db8::9'],
    ['fe80::1', 'eth0', 'fe80::9'],
    ['2001:db8::1', 'eth1', '2001:db8::9'],
  ])('asks for %s on %s from %s', (gateway, device, source) => {
    expect(sourceFor(gateway, device, addresses)).toBe(source)
  })

  it('is nothing where the family has no usable address', () => {
    expect(sourceFor('2001:db8::1', 'eth0', [address({})])).toBeNull()
  })
})
