import fc from 'fast-check'
import { expect, test } from 'vitest'
import { devices, ipv4Addresses, ipv6Addresses } from '../../../lib/runtime/addresses.ts'
import { canonical, share } from '../../../lib/runtime/process.ts'

const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 198.18.1.0/24 2 0 2
        +-- 198.18.1.0/29 2 0 2
           |-- 198.18.1.0
              /24 link UNICAST
           |-- 198.18.1.2
              /32 host LOCAL
        |-- 198.18.1.255
           /32 link BROADCAST
Local:
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 198.18.1.2
        /32 host LOCAL
`

test('IPv4: local addresses, each once, without networks, broadcasts and loopback', () => {
  expect(ipv4Addresses(FIB_TRIE)).toEqual(['198.18.1.2'])
  expect(ipv4Addresses('')).toEqual([])
})

test('IPv6: without link-local and loopback', () => {
  const file = `fe80000000000000304f17fffe96ec63 02 40 20 80     eth0
20010db8001800010000000000000002 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
`
  expect(ipv6Addresses(file)).toEqual(['20010db8001800010000000000000002'])
  expect(ipv6Addresses('')).toEqual([])
})

test('devices', () => {
  const file = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0:12345678       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
tap0_kata:     0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`
  expect(devices(file)).toEqual(['lo', 'eth0', 'tap0_kata'])
})

test('addresses are the same in any spelling', () => {
  expect(share(['2001:db8::1'], ['2001:0DB8:0:0::1'])).toBe(true)
  expect(share(['198.51.100.1'], ['198.51.100.10'])).toBe(false)
  expect(share([], ['198.51.100.1'])).toBe(false)
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      expect(share([canonical(address)], [address.toUpperCase()])).toBe(true)
    }),
  )
})
