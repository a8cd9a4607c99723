import { describe, expect, test } from 'vitest'
import { parseFeatures } from '../../../lib/node/ethtool.ts'
import { type InterfaceCounters, parseInterfaces, parseSoftnet, type Statistics } from '../../../lib/node/statistics.ts'
import { judgeOffload, miscountsVxlan } from '../../../lib/probe/state/offload.ts'
import {
  judgeBacklog,
  judgeConntrackDrops,
  judgeConntrackFill,
  judgeInterfaces,
  judgeNeighbours,
} from '../../../lib/probe/state/pressure.ts'
import { aws, flannel, told } from './sample.ts'

const NOTHING: Statistics = {
  conntrack: { entries: 9, drop: 0, early_drop: 0, insert_failed: 0 },
  neighbours: { 4: { entries: 100, table_fulls: 3 }, 6: { entries: 100, table_fulls: 3 } },
  backlogDrops: 5,
  interfaces: {},
  snmp: {},
}
const moved = (changes: Partial<Statistics>) => ({ before: NOTHING, after: { ...NOTHING, ...changes } })

describe('the conntrack table', () => {
  test.each([
    [800, 'fine'],
    [801, 'doubtful CONNTRACK_FULL'],
    [950, 'doubtful CONNTRACK_FULL'],
    [951, 'broken CONNTRACK_FULL'],
  ])('%i of 1000 entries: %s', (count, verdict) => {
    const sysctls = { 'netfilter/nf_conntrack_count': `${count}`, 'netfilter/nf_conntrack_max': '1000' }
    expect(told(judgeConntrackFill(flannel({ sysctls })))).toBe(verdict)
  })

  test('a kernel without connection tracking', () => {
    expect(told(judgeConntrackFill(flannel({ sysctls: {} })))).toBe('not-applicable')
    expect(told(judgeConntrackDrops(moved({ conntrack: null })))).toBe('not-applicable')
  })

  test.each([
    ['a few races', { drop: 4, insert_failed: 4 }, 'fine'],
    ['many races', { drop: 40, insert_failed: 40 }, 'doubtful CONNTRACK_DROPS'],
    ['early drops', { early_drop: 12 }, 'doubtful CONNTRACK_DROPS'],
    ['drops beside races', { drop: 14, insert_failed: 3 }, 'doubtful CONNTRACK_DROPS'],
  ])('%s during the run', (_, counters, verdict) => {
    expect(told(judgeConntrackDrops(moved({ conntrack: { ...NOTHING.conntrack, ...counters } })))).toBe(verdict)
  })

  test('sums since boot are history', () => {
    const old = { ...NOTHING, conntrack: { drop: 5000, early_drop: 900, insert_failed: 4000 } }
    expect(told(judgeConntrackDrops({ before: old, after: old }))).toBe('fine')
  })
})

describe('the neighbour table', () => {
  const state = (changes = {}) =>
    flannel({
      sysctls: { 'ipv4/neigh/default/gc_thresh3': '1000', 'ipv6/neigh/default/gc_thresh3': '1000' },
      ...changes,
    })
  const holds = (entries: number, table_fulls = 3) => moved({ neighbours: { 4: { entries, table_fulls }, 6: null } })

  test.each([
    // two of each are the tunnel's permanent entries
    [802, 'fine'],
    [803, 'doubtful NEIGHBOUR_TABLE_FULL'],
    [953, 'broken NEIGHBOUR_TABLE_FULL'],
  ])('%i entries, 2 of them permanent: %s', (entries, verdict) => {
    expect(told(judgeNeighbours(state(), holds(entries), 4))).toBe(verdict)
  })

  test('an entry refused during the run is a failure, whatever the table holds', () => {
    expect(told(judgeNeighbours(state(), holds(100, 4), 4))).toBe('broken NEIGHBOUR_TABLE_FULL')
  })

  test('a namespace that does not show the statistics', () => {
    expect(told(judgeNeighbours(state(), holds(900), 6))).toBe('not-applicable')
    expect(told(judgeNeighbours(flannel(), holds(900), 4))).toBe('not-applicable')
  })
})

describe('drops during the run', () => {
  test.each([
    [5, 'fine'],
    [14, 'fine'],
    [15, 'doubtful SOFTNET_DROPS'],
  ])('backlog from 5 to %i: %s', (backlogDrops, verdict) => {
    expect(told(judgeBacklog(moved({ backlogDrops })))).toBe(verdict)
  })

  test('a child namespace shows the whole machine’s backlog: not applicable', () => {
    expect(told(judgeBacklog(moved({ backlogDrops: 500, neighbours: { 4: null, 6: null } })))).toBe('not-applicable')
  })

  const counters = (changes: Partial<InterfaceCounters>) => ({
    interfaces: {
      eth0: { rxPackets: 0, rxErrors: 0, rxDropped: 0, txPackets: 0, txErrors: 0, txDropped: 0, ...changes },
      cni0: { rxPackets: 9, rxErrors: 99, rxDropped: 99, txPackets: 9, txErrors: 99, txDropped: 99 },
    },
  })
  test.each([
    ['unknown protocols on a quiet link', { rxPackets: 20, rxDropped: 6 }, 'fine'],
    ['unknown protocols beside traffic', { rxPackets: 20_000, rxDropped: 30 }, 'fine'],
    ['a stray error', { rxErrors: 2 }, 'fine'],
    ['CRC errors', { rxErrors: 12 }, 'doubtful INTERFACE_DROPS'],
    ['a share of what arrives', { rxPackets: 900, rxDropped: 60 }, 'doubtful INTERFACE_DROPS'],
    ['a share of what is sent', { txPackets: 900, txDropped: 60 }, 'doubtful INTERFACE_DROPS'],
  ])('%s', (_, changes, verdict) => {
    expect(told(judgeInterfaces(flannel(), moved(counters(changes))))).toBe(verdict)
  })

  test('no uplink', () => {
    expect(told(judgeInterfaces(flannel({ routes: [] }), moved(counters({}))))).toBe('not-applicable')
  })
})

describe('VXLAN checksums', () => {
  test.each([
    ['4.14.180', true],
    ['4.14.181', false],
    ['4.19.122', true],
    ['4.19.123-flatcar', false],
    ['5.3.18', true],
    ['5.4.40', true],
    ['5.4.41', false],
    ['5.6.12', true],
    ['5.6.13', false],
    ['5.7.1', false],
    ['6.8.0-45-generic', false],
    // distributions that count their patches behind the dash
    ['5.4.0-150-generic', false],
    ['4.18.0-553.el8_10.x86_64', false],
    ['3.10.0-1160.el7.x86_64', false],
    ['not a release', false],
  ])('Linux %s miscounts them: %s', (release, bad) => {
    expect(miscountsVxlan(release)).toBe(bad)
  })

  const on = {
    'flannel.1': parseFeatures('Features for flannel.1:\n\ttx-checksum-ip-generic: on\nrx-gro: on [fixed]\n'),
  }
  const off = { 'flannel.1': parseFeatures('Features for flannel.1:\ntx-checksum-ip-generic: off\n') }
  test.each([
    ['a kernel that miscounts, left to the device', '5.4.40', on, 'doubtful VXLAN_CHECKSUM_OFFLOAD'],
    ['a kernel that miscounts, done by itself', '5.4.40', off, 'fine'],
    ['a kernel that miscounts, not looked up', '5.4.40', {}, 'fine'],
    ['a kernel that does not', '6.1.50', on, 'fine'],
  ])('%s', (_, release, features, verdict) => {
    expect(told(judgeOffload(flannel(), release, features, moved({})))).toBe(verdict)
  })

  test('wrong ones arrive', () => {
    const window = moved({ snmp: { 'Udp.InCsumErrors': 30 } })
    expect(told(judgeOffload(flannel(), '6.1.50', {}, window))).toBe('doubtful VXLAN_CHECKSUM_OFFLOAD')
    expect(told(judgeOffload(aws(), '5.4.40', on, window))).toBe('not-applicable')
  })
})

describe('files of /proc/net', () => {
  test('softnet_stat: the second column', () => {
    expect(parseSoftnet('0093d3e0 0000000a 00000000\n008f333d 00000010 00000003\n')).toBe(26)
  })

  test('dev', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
eth0.100: 5000      50    1    2    0     0          0         0      600       6    3    4    0     0       0          0`
    expect(parseInterfaces(text)).toEqual({
      lo: { rxPackets: 2, rxErrors: 0, rxDropped: 0, txPackets: 2, txErrors: 0, txDropped: 0 },
      'eth0.100': { rxPackets: 50, rxErrors: 1, rxDropped: 2, txPackets: 6, txErrors: 3, txDropped: 4 },
    })
  })
})
