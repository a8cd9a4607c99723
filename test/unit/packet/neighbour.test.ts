import fc from 'fast-check'
import { expect, it } from 'vitest'
import { arpRequest, claimedBy, conflictProbe, neighbourSolicitation } from '../../../lib/packet/neighbour.ts'

const MAC = '02:00:00:00:00:01'

it('an ARP request is RFC 826’s, to everybody', () => {
  const question = arpRequest('192.0.2.1', MAC, '192.0.2.254')
  expect(question.etherType).toBe(0x0806)
  expect(Buffer.from(question.destination).toString('hex')).toBe('ffffffffffff')
  expect(Buffer.from(question.payload).toString('hex')).toBe(
    ['0001', '0800', '06', '04', '0001', '020000000001', 'c0000201', '000000000000', 'c00002fe'].join(''),
  )
})

it('a neighbour solicitation goes to the solicited-node group with hop limit 255', () => {
  const question = neighbourSolicitation('fe80::1%eth0', MAC, '2001:db8::12:3456')
  const payload = Buffer.from(question.payload)
  expect(question.etherType).toBe(0x86dd)
  expect(Buffer.from(question.destination).toString('hex')).toBe('3333ff123456')
  expect(payload.length).toBe(40 + 32)
  expect(payload.readUInt16BE(4)).toBe(32)
  expect([payload[6], payload[7]]).toEqual([58, 255])
  expect(payload.subarray(24, 40).toString('hex')).toBe('ff0200000000000000000001ff123456')
  expect(payload[40]).toBe(135)
  expect(payload.subarray(48, 64).toString('hex')).toBe('20010db8000000000000000000123456')
  expect(payload.subarray(64).toString('hex')).toBe('0101020000000001')
})

it('its checksum makes the whole sum up to all ones (RFC 1071)', () => {
  const address = fc.tuple(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0, max: 0xffff }))
  const text = ([high, low]: readonly [number, number]) => `2001:db8::${high.toString(16)}:${low.toString(16)}`
  fc.assert(
    fc.property(address, address, (source, target) => {
      const payload = Buffer.from(neighbourSolicitation(text(source), MAC, text(target)).payload)
      const message = payload.subarray(40)
      const pseudo = Buffer.concat([
        payload.subarray(8, 40),
        Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58]),
        message,
      ])
      let sum = 0
      for (let at = 0; at < pseudo.length; at += 2) sum += pseudo.readUInt16BE(at)
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
      expect(sum).toBe(0xffff)
    }),
  )
})

it('a probe for our own address names no sender, so that nobody learns from it (RFC 5227, RFC 4862)', () => {
  const arp = Buffer.from(conflictProbe('192.0.2.1', MAC).payload)
  expect(arp.subarray(14, 18).toString('hex')).toBe('00000000')
  expect(arp.subarray(24, 28).toString('hex')).toBe('c0000201')
  const ndp = Buffer.from(conflictProbe('2001:db8::12:3456', MAC).payload)
  expect(ndp.subarray(8, 24).toString('hex')).toBe('0'.repeat(32))
  expect(ndp.length).toBe(40 + 24)
})

it('who claims an address is read from ARP packets about it, and from advertisements', () => {
  const claim = Buffer.from(arpRequest('192.0.2.1', MAC, '192.0.2.254').payload)
  expect(claimedBy('192.0.2.1', claim, 'x')).toBe(MAC)
  expect(claimedBy('192.0.2.2', claim, 'x')).toBeNull()
  const advertised = Buffer.from(neighbourSolicitation('fe80::1', MAC, '2001:db8::1').payload)
  expect(claimedBy('2001:db8::1', advertised, 'x')).toBeNull()
  advertised[40] = 136
  expect(claimedBy('2001:db8::1', advertised, 'x')).toBe('x')
  advertised[64] = 2
  expect(claimedBy('2001:db8::1', advertised, 'x')).toBe(MAC)
  expect(claimedBy('2001:db8::2', advertised, 'x')).toBeNull()
})

it.each(['192.0.2.1', '2001:db8::1'])('garbage claims nothing and breaks nothing (%s)', (address) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const mac = claimedBy(address, Buffer.from(bytes), 'x')
      expect(mac === null || mac === 'x' || /^[0-9a-f:]{17}$/.test(mac)).toBe(true)
    }),
  )
})
