import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clientHello, SMALLEST_HELLO } from '../../../lib/packet/client-hello.ts'
import { authority } from '../../bed/certificates.ts'

test('a ClientHello has exactly the size that is asked for, and consistent lengths', () => {
  fc.assert(
    fc.property(fc.integer({ min: SMALLEST_HELLO, max: 16_000 }), (bytes) => {
      const hello = clientHello(randomBytes(32), bytes)
      expect(hello.length).toBe(bytes)
      expect(hello.readUInt16BE(3)).toBe(bytes - 5)
      expect(hello.readUIntBE(6, 3)).toBe(bytes - 9)
    }),
  )
  expect(() => clientHello(randomBytes(32), SMALLEST_HELLO - 1)).toThrow(RangeError)
})

test.each([SMALLEST_HELLO, 1398])('a TLS server answers one of %i bytes with its ServerHello', async (bytes) => {
  const ca = authority('hello')
  try {
    const { cert, key } = ca.issue({ altNames: 'DNS:a.test' })
    const [ours, theirs] = duplexPair()
    const server = new TLSSocket(theirs, { isServer: true, cert, key })
    server.on('error', () => undefined)
    ours.write(clientHello(randomBytes(32), bytes))
    const [answer] = (await once(ours, 'data')) as [Buffer]
    // a handshake record (22) that holds a ServerHello (2): RFC 5246
    expect([answer[0], answer[5]]).toEqual([22, 2])
    server.destroy()
  } finally {
    ca.remove()
  }
})
