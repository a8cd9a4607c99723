import fc from 'fast-check'
import { expect, test } from 'vitest'
import { difference, parseSnmp, parseSnmp6, readCounters } from '../../../lib/node/counters.ts'

// /proc/net/snmp of Linux 6.18, shortened
const SNMP = `Ip: Forwarding DefaultTTL InReceives ForwDatagrams InDelivers OutRequests FragOKs FragFails FragCreates OutTransmits
Ip: 1 64 120 30 90 70 0 4 18 101
Icmp: InMsgs InDestUnreachs OutDestUnreachs
Icmp: 5 2 7
IcmpMsg: InType3 OutType3
IcmpMsg: 2 7
Tcp: RtoAlgorithm MaxConn InSegs
Tcp: 1 -1 44
`

test('counters are read by name', () => {
  expect(parseSnmp(SNMP)).toMatchObject({
    'Ip.InReceives': 120,
    'Ip.FragFails': 4,
    'Ip.OutTransmits': 101,
    'Icmp.OutDestUnreachs': 7,
    'IcmpMsg.OutType3': 7,
    'Tcp.MaxConn': -1,
  })
})

test('columns that another kernel has are no trouble', () => {
  expect(parseSnmp('Ip: A B\nIp: 1 2\n')).toEqual({ 'Ip.A': 1, 'Ip.B': 2 })
  expect(parseSnmp('Ip: A B\nIcmp: 1 2\n')).toEqual({})
})

test('IPv6 has a counter a line', () => {
  const text = 'Ip6InReceives                   \t9\nIp6FragCreates   18\nIcmp6OutPktTooBigs\t3\nSomething 4\n'
  expect(parseSnmp6(text)).toEqual({ 'Ip6.InReceives': 9, 'Ip6.FragCreates': 18, 'Icmp6.OutPktTooBigs': 3 })
})

test('no text makes them throw', () => {
  fc.assert(fc.property(fc.string(), (text) => void [parseSnmp(text), parseSnmp6(text)]))
})

test('a difference is what moved', () => {
  expect(difference({ a: 3, b: 1 }, { a: 5, b: 1, c: 2 })).toEqual({ a: 2, b: 0, c: 2 })
})

test('of a living process they can be read, of a dead one not', () => {
  expect(readCounters(process.pid)).toHaveProperty(['Ip.InReceives'])
  expect(readCounters('thread-self')).toHaveProperty(['Ip.FragCreates'])
  expect(readCounters(0x3fffff)).toBeNull()
})
