/** Packets as a tap hands them over, built byte by byte. */
import { describe, expect, test } from 'vitest'
import { readPacket } from '../../../lib/packet/frame.ts'

const FROM = [198, 18, 1, 4]
const TO = [198, 18, 2, 4]
const u16 = (value: number) => [value >> 8, value & 255]
const u32 = (value: number) => [...u16(value >>> 16), ...u16(value & 0xffff)]

const ipv4 = (protocol: number, payload: readonly number[], [source, destination] = [FROM, TO]) =>
  Buffer.from([
    ...[0x45, 0, ...u16(20 + payload.length), 0, 0, 0, 0, 64, protocol, 0, 0],
    ...[...(source ?? []), ...(destination ?? []), ...payload],
  ])
const tcp = (ports: readonly [number, number], sequence: number, acknowledged: number, flags: number) => [
  ...[...u16(ports[0]), ...u16(ports[1]), ...u32(sequence), ...u32(acknowledged), 0x50, flags],
  ...[0, 0, 0, 0, 0, 0],
]
const echo = (type: number, id: number, sequence: number) => [
  ...[type, 0, 0, 0, ...u16(id), ...u16(sequence)],
  ...[1, 2, 3, 4, 5, 6, 7, 8],
]

describe('a mark is the same in a probe and in its answer, whatever its ports and ids became', () => {
  const syn = readPacket(ipv4(6, tcp([40_000, 8080], 0xffff_ffff, 0, 0x02)))

  test.each([
    ['SYN and ACK', tcp([8080, 61_234], 99, 0, 0x12)],
    ['reset', tcp([8080, 61_234], 0, 0, 0x14)],
  ])('of a SYN: %s', (_, answer) => {
    expect(syn).toMatchObject({ protocol: 'tcp', sourcePort: 40_000, destinationPort: 8080, mark: 'syn 4294967295' })
    expect(readPacket(ipv4(6, answer, [TO, FROM]))?.mark).toBe(syn?.mark)
  })

  test('of an echo', () => {
    const request = readPacket(ipv4(1, echo(8, 5, 77)))
    expect(request).toMatchObject({ protocol: 'icmp', sourcePort: 5, icmp: { type: 8, code: 0 } })
    expect(readPacket(ipv4(1, echo(0, 6, 77)))?.mark).toBe(request?.mark)
    expect(readPacket(ipv4(1, echo(0, 5, 78)))?.mark).not.toBe(request?.mark)
  })

  test('UDP has none', () => {
    expect(readPacket(ipv4(17, [...u16(40_000), ...u16(53), 0, 8, 0, 0]))).toMatchObject({
      protocol: 'udp',
      mark: null,
    })
  })
})

test('an ICMP error quotes eight bytes of TCP: ports and sequence number', () => {
  const quoted = [...ipv4(6, tcp([40_000, 8080], 7, 0, 0x02).slice(0, 8))]
  const error = readPacket(ipv4(1, [3, 13, 0, 0, 0, 0, 0, 0, ...quoted], [TO, FROM]))
  expect(error).toMatchObject({ icmp: { type: 3, code: 13 }, quoted: { sourcePort: 40_000, mark: 'syn 7' } })
})

test('what travels in a VXLAN packet is read, with the nodes’ addresses around it', () => {
  const inner = [...ipv4(6, tcp([40_000, 8080], 7, 0, 0x02))]
  const vxlan = [...new Array(8).fill(0), ...new Array(14).fill(0), ...inner]
  const packet = readPacket(
    ipv4(
      17,
      [...u16(50_000), ...u16(8472), 0, 0, 0, 0, ...vxlan],
      [
        [198, 51, 100, 1],
        [198, 51, 100, 2],
      ],
    ),
  )
  expect(packet).toMatchObject({
    ...{ source: '198.18.1.4', destination: '198.18.2.4', mark: 'syn 7' },
    outer: { source: '198.51.100.1', destination: '198.51.100.2', port: 8472 },
  })
})

test.each([
  ['nothing', []],
  ['a cut header', [0x45, 0, 0]],
  ['IPv6 cut before its addresses', new Array(39).fill(0x60)],
  ['ARP', [0, 1, 8, 0]],
])('%s is no packet', (_, bytes) => {
  expect(readPacket(Buffer.from(bytes))).toBeNull()
})

test('a transport header that is cut short has no mark', () => {
  expect(readPacket(ipv4(6, [...u16(1), ...u16(2), 0, 0]))).toMatchObject({
    protocol: 'tcp',
    sourcePort: 1,
    mark: null,
  })
  expect(readPacket(ipv4(1, [8, 0, 0, 0, 0, 5, 0, 1]))).toMatchObject({ sourcePort: 5, mark: null })
})
