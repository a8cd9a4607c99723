/** Statistics of connection tracking, with the columns of kernel 6.1, and the libc of a process. */
import { expect, test } from 'vitest'
import { parseStat } from '../../../lib/node/conntrack.ts'
import { libcOfMaps } from '../../../lib/node/libc.ts'

const STATISTICS = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000128  00000003 0000000a 00000000 00000015 00000000 00000000 00000002 00000000 0000000e 0000000f 00000000 00000000  00000000 00000000 00000000 00000000
00000128  00000001 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000002 00000001 00000000 00000000  00000000 00000000 00000000 00000000
`

test('hexadecimal, summed over the CPUs, by name; entries are the same on each', () => {
  const counters = parseStat(STATISTICS)
  expect(counters).toMatchObject({ entries: 0x128, clashres: 4, found: 10, insert_failed: 16, drop: 16, invalid: 0x16 })
})

test('a column that this kernel does not have is not there', () => {
  expect(parseStat('entries searched\n00000001 00000002\n')).toEqual({ entries: 1, searched: 2 })
  expect(parseStat('')).toEqual({})
})

test.each([
  ['Alpine', '7f00 r-xp 0 fd:00 1 /lib/ld-musl-x86_64.so.1\n', 'musl'],
  ['Debian 12', '7f00 r-xp 0 fd:00 1 /usr/lib/x86_64-linux-gnu/libc.so.6\n', 'glibc'],
  ['Debian 10', '7f00 r-xp 0 fd:00 1 /lib/x86_64-linux-gnu/libc-2.28.so\n', 'glibc'],
  ['a static binary', '00400000 r-xp 0 fd:00 1 /pause\n', null],
] as const)('the libc of %s', (_, maps, libc) => {
  expect(libcOfMaps(maps)).toBe(libc)
})
