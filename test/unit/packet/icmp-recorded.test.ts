/**
 * Packets as a Linux 6.18 router (198.51.100.1, 2001:db8:a::1) and a target behind it (203.0.113.2, 2001:db8:b::2) put them
 * on the wire to our probes, read off the cable with their IP headers. Long runs of zeros are written as their number.
 */
import { describe, expect, test } from 'vitest'
import { decodeIcmpv4, decodeIcmpv6, type IcmpError, internetChecksum } from '../../../lib/packet/icmp.ts'

const recorded = (hex: string, zeros = 0): Buffer => Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(zeros)])
/** The kernel keeps the IPv6 header for itself. */
const decoded = (packet: Buffer) =>
  (packet[0] ?? 0) >> 4 === 4 ? decodeIcmpv4(packet) : decodeIcmpv6(packet.subarray(40))

interface Recorded {
  readonly what: string
  readonly packet: Buffer
  readonly says: Partial<Omit<IcmpError, 'quote'>> & { readonly quote: object }
}

const errors: readonly Recorded[] = [
  {
    what: 'IPv4 fragmentation needed, quoting 548 of 1401 bytes',
    packet: recorded(
      '45c00240246f00004001ff23c6336401c63364020304f7830000057845000579000040004001cf4bc6336402cb007102080072144de201aa8360726e2da312ed',
      512,
    ),
    says: {
      reason: 'too-big',
      mtu: 1400,
      quote: { destination: '203.0.113.2', packetBytes: 1401, echo: { id: 0x4de2, sequence: 0x01aa } },
    },
  },
  {
    what: 'IPv6 packet too big, quoting 1232 of 1401 bytes',
    packet: recorded(
      '600b799c04d83a4020010db8000a0000000000000000000120010db8000a000000000000000000020200683f000005786007959f05513a4020010db8000a0000000000000000000220010db8000b00000000000000000002800066f4fc9d811f0bcff75af42942e3',
      1176,
    ),
    says: {
      reason: 'too-big',
      mtu: 1400,
      quote: { destination: '2001:db8:b::2', packetBytes: 1401, echo: { id: 0xfc9d, sequence: 0x811f } },
    },
  },
  {
    what: 'IPv4 network unreachable',
    packet: recorded(
      '45c000402591000040010002c6336401c63364020300fcff00000000450000240000400040014e9ac6336402c0000209080028c93ce752b957ac325f50de64ac',
    ),
    says: { reason: 'unreachable', quote: { destination: '192.0.2.9', echo: { id: 0x3ce7, sequence: 0x52b9 } } },
  },
  {
    what: 'IPv6 no route to destination',
    packet: recorded(
      '600eca5500403a4020010db8000a0000000000000000000120010db8000a000000000000000000020100226f00000000600fe67700103a4020010db8000a0000000000000000000220010db8000c000000000000000000098000a2411b567b2e7163b14d5e0c6a9e',
    ),
    says: { reason: 'unreachable', quote: { destination: '2001:db8:c::9', echo: { id: 0x1b56, sequence: 0x7b2e } } },
  },
  {
    what: 'IPv4 administratively prohibited',
    packet: recorded(
      '45c0004025b600004001ffdcc6336401c6336402030dfcf20000000045000024000040003f01d5a0c6336402cb00710208006838e3c36af5d2f21d10f0e66024',
    ),
    says: { reason: 'prohibited', quote: { destination: '203.0.113.2', echo: { id: 0xe3c3, sequence: 0x6af5 } } },
  },
  {
    what: 'IPv6 administratively prohibited',
    packet: recorded(
      '60057e4500403a4020010db8000a0000000000000000000120010db8000a000000000000000000020101734f000000006007959f00103a3f20010db8000a0000000000000000000220010db8000b00000000000000000002800082b4cf069c7779d48a4f413bf097',
    ),
    says: { reason: 'prohibited', quote: { destination: '2001:db8:b::2', echo: { id: 0xcf06, sequence: 0x9c77 } } },
  },
  {
    what: 'IPv4 time exceeded',
    packet: recorded(
      '45c00040265400004001ff3ec6336401c63364020b00f4ff000000004500002400004000010113a1c6336402cb00710208000ad316933916fe82ae12fe6ff27d',
    ),
    says: { reason: 'time-exceeded', quote: { destination: '203.0.113.2', echo: { id: 0x1693, sequence: 0x3916 } } },
  },
  {
    what: 'IPv6 time exceeded',
    packet: recorded(
      '600692a000403a4020010db8000a0000000000000000000120010db8000a000000000000000000020300718e000000006007959f00103a0120010db8000a0000000000000000000220010db8000b000000000000000000028000586afca7e8a449e1b952de070537',
    ),
    says: { reason: 'time-exceeded', quote: { destination: '2001:db8:b::2', echo: { id: 0xfca7, sequence: 0xe8a4 } } },
  },
]

const replies: readonly [string, Buffer, object][] = [
  [
    'IPv4 echo reply of 64 bytes',
    recorded('45000040c27d00003f015307cb007102c63364020000ce80cd8b84a872d75963408fd280', 28),
    { kind: 'echo-reply', id: 0xcd8b, sequence: 0x84a8, payload: recorded('72d75963408fd280', 28) },
  ],
  [
    'IPv4 echo reply of 1400 bytes',
    recorded('45000578c33500003f014d17cb007102c63364020000c544d13fe41115df42d62d77ff3c', 1364),
    { kind: 'echo-reply', id: 0xd13f, sequence: 0xe411, payload: recorded('15df42d62d77ff3c', 1364) },
  ],
  [
    'IPv6 echo reply of 64 bytes',
    recorded(
      '600792f300183a3f20010db8000b0000000000000000000220010db8000a0000000000000000000281000bb7dec5637e6fa33df10c001b92',
      8,
    ),
    { kind: 'echo-reply', id: 0xdec5, sequence: 0x637e, payload: recorded('6fa33df10c001b92', 8) },
  ],
]

test.for(errors)('$what', ({ packet, says }) => {
  expect(decoded(packet)).toMatchObject({ kind: 'error', ...says })
})

test.for(replies)('%s', ([, packet, says]) => {
  expect(decoded(packet)).toEqual(says)
})

test('IPv6 multicast listener reports are nothing to us', () => {
  const report = recorded(
    '6000000000380001fe80000000000000691c35b5cc2f2ed5ff0200000000000000000000000000163a000502000001008f00d3150000000204000000ff05000000000000000000000000000204000000ff020000000000000000000000000002',
  )
  expect(decodeIcmpv6(report.subarray(48))).toBeNull()
})

describe('changed recordings', () => {
  test('cut anywhere, they decode to nothing or without an echo, and never to another one', () => {
    for (const { packet, says } of errors) {
      for (let length = 0; length < packet.length; length++) {
        const cut = packet.subarray(0, length)
        // The checksum tells a cut IPv4 message by itself; the quote is to tell it too.
        const message = (packet[0] ?? 0) >> 4 === 4 ? decodeIcmpv4(rechecked(cut)) : decoded(cut)
        if (message?.kind !== 'error' || message.quote?.echo == null) continue
        expect(message).toMatchObject({ quote: { echo: (says.quote as { echo: object }).echo } })
      }
    }
  })

  test('with any bit of a recorded IPv4 message turned over, nothing is decoded', () => {
    for (const { packet } of errors.filter((each) => each.what.startsWith('IPv4'))) {
      for (let bit = 20 * 8; bit < 64 * 8; bit++) {
        const turned = Buffer.from(packet)
        turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(decodeIcmpv4(turned)).toBeNull()
      }
    }
  })
})

/** With its ICMP checksum made right again. */
function rechecked(packet: Buffer): Buffer {
  if (packet.length < 24) return packet
  const copy = Buffer.from(packet)
  copy.writeUInt16BE(0, 22)
  copy.writeUInt16BE(internetChecksum(copy.subarray(20)), 22)
  return copy
}
