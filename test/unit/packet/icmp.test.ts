import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeIcmpv4, decodeIcmpv6, encodeEcho, internetChecksum } from '../../../lib/packet/icmp.ts'
import { parseQuote } from '../../../lib/packet/icmp-quote.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')

/** 198.51.100.2 -> 203.0.113.2, ICMP echo request, id 0x1234, sequence 0x5678, DF, 1500 bytes claimed. */
const QUOTED_V4 = hex('4500 05dc 0001 4000 4001 0000 c6336402 cb007102 0800 abcd 1234 5678')
/** The same with 8 bytes of IP options (record route). */
const QUOTED_V4_OPTIONS = hex('4700 05dc 0001 4000 4001 0000 c6336402 cb007102 07070400 00000000 0800 abcd 1234 5678')
/** 2001:db8:a::2 -> 2001:db8:b::2, next header given, 1460 bytes of payload claimed. */
const quotedV6 = (nextHeader: string, ...rest: string[]): Buffer =>
  hex(
    `60000000 05b4 ${nextHeader} 40 20010db8000a00000000000000000002 20010db8000b00000000000000000002 ${rest.join('')}`,
  )
const ECHO_V6 = '8000 abcd 1234 5678'

/** An IPv4 packet from 198.51.100.1 with an ICMP message, checksum filled in. */
function errorV4(head: string, quote: Buffer, options = ''): Buffer {
  const message = Buffer.concat([hex(head), quote])
  message.writeUInt16BE(internetChecksum(message), 2)
  const first = (0x40 | (5 + options.length / 8)).toString(16)
  return Buffer.concat([hex(`${first}00 0000 0000 0000 4001 0000 c6336401 c6336402 ${options}`), message])
}
const ECHO = { id: 0x1234, sequence: 0x5678 }

describe('echo', () => {
  test.for([
    [4, 'echo-request'],
    [4, 'echo-reply'],
    [6, 'echo-request'],
    [6, 'echo-reply'],
  ] as const)('IPv%i %s survives encode and decode', ([family, kind]) => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), fc.uint8Array({ maxLength: 1600 }), (id, sequence, payload) => {
        const message = encodeEcho(family, kind, { id, sequence, payload })
        const header = hex('4500 0000 0000 4000 4001 0000 cb007102 c6336402')
        const decoded = family === 4 ? decodeIcmpv4(Buffer.concat([header, message])) : decodeIcmpv6(message)
        expect(decoded).toEqual({ kind, id, sequence, payload: Buffer.from(payload) })
      }),
    )
  })

  test('the IPv4 checksum is the one of RFC 1071', () => {
    expect(internetChecksum(hex('0001 f203 f4f5 f6f7'))).toBe(0x220d)
    expect(internetChecksum(hex('ff'))).toBe(0x00ff)
    expect(internetChecksum(new Uint8Array(65_535).fill(255))).toBe(0x00ff)
    const known = encodeEcho(4, 'echo-request', {
      id: 1,
      sequence: 1,
      payload: Buffer.from('abcdefghijklmnopqrstuvwabcdefghi'),
    })
    expect(known.readUInt16BE(2)).toBe(0x4d5a)
  })

  test('IPv6 leaves the checksum to the kernel', () => {
    expect(encodeEcho(6, 'echo-request', { ...ECHO, payload: Buffer.from('x') }).readUInt16BE(2)).toBe(0)
  })

  test('an IPv4 message whose checksum is wrong is nothing', () => {
    const packet = errorV4('0304 0000 0000 0578', QUOTED_V4)
    expect(decodeIcmpv4(packet)).not.toBeNull()
    packet[30] = (packet[30] ?? 0) ^ 1
    expect(decodeIcmpv4(packet)).toBeNull()
  })

  test('a packet behind IP options decodes', () => {
    expect(decodeIcmpv4(errorV4('0304 0000 0000 0578', QUOTED_V4, '9404000001010101'))).toMatchObject({ mtu: 1400 })
  })
})

describe('errors', () => {
  test.for([
    ['0304 0000 0000 0578', 'too-big', 'fragmentation needed', 1400],
    ['0304 0000 0000 0000', 'too-big', 'fragmentation needed', undefined],
    ['0304 0000 0000 0043', 'too-big', 'fragmentation needed', undefined],
    ['0301 0000 0000 0578', 'unreachable', 'host unreachable', undefined],
    ['0303 0000 0000 0000', 'unreachable', 'port unreachable', undefined],
    ['030d 0000 0000 0000', 'prohibited', 'communication administratively prohibited', undefined],
    ['0b00 0000 0000 0000', 'time-exceeded', 'hop limit exceeded', undefined],
    ['0c00 0000 0000 0000', 'parameter-problem', 'parameter problem', undefined],
  ] as const)('IPv4 %s is %s', ([head, reason, text, mtu]) => {
    const decoded = decodeIcmpv4(errorV4(head, QUOTED_V4))
    expect(decoded).toMatchObject({ kind: 'error', reason, text, mtu })
    expect(decoded).toMatchObject({
      quote: { source: '198.51.100.2', destination: '203.0.113.2', packetBytes: 1500, echo: ECHO },
    })
  })

  test.for([
    ['0200 0000 0000 0578', 'too-big', 'packet too big', 1400],
    ['0200 0000 0001 0000', 'too-big', 'packet too big', 65_536],
    ['0200 0000 0000 0000', 'too-big', 'packet too big', undefined],
    ['0100 0000 0000 0000', 'unreachable', 'no route to destination', undefined],
    ['0101 0000 0000 0000', 'prohibited', 'communication administratively prohibited', undefined],
    ['0106 0000 0000 0000', 'prohibited', 'reject route to destination', undefined],
    ['0300 0000 0000 0000', 'time-exceeded', 'hop limit exceeded', undefined],
    ['0400 0000 0000 0000', 'parameter-problem', 'parameter problem', undefined],
  ] as const)('IPv6 %s is %s', ([head, reason, text, mtu]) => {
    const decoded = decodeIcmpv6(Buffer.concat([hex(head), quotedV6('3a', ECHO_V6)]))
    expect(decoded).toMatchObject({ kind: 'error', reason, text, mtu })
    expect(decoded).toMatchObject({
      quote: { source: '2001:db8:a::2', destination: '2001:db8:b::2', packetBytes: 1500, protocol: 58, echo: ECHO },
    })
  })

  test.for([
    ['redirect', '0501 0000 c6336401'],
    ['timestamp reply', '0e00 0000 0000 0000'],
  ])('%s is nothing to us', ([, head]) => {
    expect(decodeIcmpv4(errorV4(head ?? '', QUOTED_V4))).toBeNull()
  })
})

describe('quotes', () => {
  test('IPv4 options are stepped over', () => {
    expect(parseQuote(QUOTED_V4_OPTIONS)?.echo).toEqual(ECHO)
  })

  test.for([
    ['hop-by-hop', quotedV6('00', '3a00 0502 0000 0000', ECHO_V6)],
    [
      'hop-by-hop of 16 bytes, then destination options',
      quotedV6('00', `3c01${'00'.repeat(14)}`, `3a00${'00'.repeat(6)}`, ECHO_V6),
    ],
    ['first fragment', quotedV6('2c', '3a00 0001 00000001', ECHO_V6)],
    ['authentication header of 24 bytes', quotedV6('33', `3a04${'00'.repeat(22)}`, ECHO_V6)],
  ] as const)('IPv6 %s is stepped over', ([, quoted]) => {
    expect(parseQuote(quoted)).toMatchObject({ protocol: 58, echo: ECHO })
  })

  test('any IPv4 options and any chain of IPv6 extension headers are stepped over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const options = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
        const quoted = Buffer.concat([QUOTED_V4.subarray(0, 20), options, QUOTED_V4.subarray(20)])
        quoted[0] = 0x45 + options.length / 4
        expect(parseQuote(quoted)).toMatchObject({ destination: '203.0.113.2', packetBytes: 1500, echo: ECHO })
      }),
    )
    // [type, length in its own unit]: 8 bytes beyond the first 8, for the authentication header 4 beyond the first 8.
    const sized = fc.tuple(fc.constantFrom(0, 43, 60, 135, 139, 140), fc.nat(5))
    const authentication = fc.tuple(fc.constant(51), fc.nat(6))
    const firstFragment = fc.constant([44, 0] as [number, number])
    fc.assert(
      fc.property(fc.array(fc.oneof(sized, authentication, firstFragment), { maxLength: 6 }), (chain) => {
        const types = [...chain.map(([type]) => type), 58]
        const headers = chain.map(([type, length], at) => {
          const header = Buffer.alloc(type === 51 ? 8 + 4 * length : 8 + 8 * length)
          header[0] = types[at + 1] ?? 0
          header[1] = length
          return header.toString('hex')
        })
        const quoted = quotedV6((types[0] ?? 0).toString(16).padStart(2, '0'), ...headers, ECHO_V6)
        expect(parseQuote(quoted)).toMatchObject({ destination: '2001:db8:b::2', protocol: 58, echo: ECHO })
      }),
    )
  })

  test('a later fragment holds no echo header', () => {
    expect(parseQuote(quotedV6('2c', '3a00 0008 00000001', ECHO_V6))?.echo).toBeNull()
    const later = Buffer.from(QUOTED_V4)
    later.writeUInt16BE(185, 6)
    expect(parseQuote(later)?.echo).toBeNull()
  })

  test('only echo requests count as ours', () => {
    const reply = Buffer.from(QUOTED_V4)
    reply[20] = 0
    expect(parseQuote(reply)?.echo).toBeNull()
    const udp = Buffer.from(QUOTED_V4)
    udp[9] = 17
    expect(parseQuote(udp)).toMatchObject({ protocol: 17, echo: null })
  })

  test('cut short anywhere, a quote never names an echo that it does not hold', () => {
    for (const whole of [
      QUOTED_V4,
      QUOTED_V4_OPTIONS,
      quotedV6('3a', ECHO_V6),
      quotedV6('00', '3a00 0502 0000 0000', ECHO_V6),
    ]) {
      for (let length = 0; length < whole.length; length++) {
        expect(parseQuote(whole.subarray(0, length))?.echo ?? null).toBeNull()
      }
      expect(parseQuote(whole)?.echo).toEqual(ECHO)
    }
  })
})

describe('garbage never throws', () => {
  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const packet = Buffer.from(bytes)
        decodeIcmpv4(packet)
        decodeIcmpv6(packet)
        parseQuote(packet)
      }),
      { numRuns: 2000 },
    )
  })

  test('real errors with bytes changed, added and cut off', () => {
    const samples = [
      quotedV6('00', '3a00 0502 0000 0000', ECHO_V6),
      quotedV6('2c', '3a00 0001 00000001', ECHO_V6),
      QUOTED_V4,
      QUOTED_V4_OPTIONS,
    ]
    const change = fc.record({ at: fc.nat(100), to: fc.nat(255) })
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(change, { maxLength: 6 }),
        fc.nat(120),
        (sample, changes, length) => {
          const quote = Buffer.from(sample)
          for (const { at, to } of changes) quote[at % quote.length] = to
          const cut = quote.subarray(0, length)
          const decoded = [
            decodeIcmpv4(errorV4('0304 0000 0000 0578', cut)),
            decodeIcmpv6(Buffer.concat([hex('0200 0000 0000 0578'), cut])),
          ]
          for (const message of decoded) expect(message).toMatchObject({ kind: 'error', mtu: 1400 })
        },
      ),
      { numRuns: 2000 },
    )
  })
})
