/** A TLS ClientHello of any size: what a TLS server reads whole before it answers. Pure. */

const HANDSHAKE = 22
const CLIENT_HELLO = 1
/** TLS 1.2; as the record's version 1.0, which every server takes (RFC 5246 appendix E.1). */
const VERSION = [3, 3]
const RECORD_VERSION = [3, 1]
const RANDOM_BYTES = 32
/** ECDHE and RSA with AES-GCM: what any server of today shares one of. */
const CIPHERS = [0xc02b, 0xc02c, 0xc02f, 0xc030, 0x009c]
/** supported_groups (x25519, secp256r1), ec_point_formats, signature_algorithms: RFC 8422, RFC 5246. */
const EXTENSIONS: readonly (readonly [type: number, body: readonly number[]])[] = [
  [10, [0, 4, 0, 29, 0, 23]],
  [11, [1, 0]],
  [13, [0, 12, 4, 3, 5, 3, 8, 4, 8, 5, 4, 1, 5, 1]],
]
/** RFC 7685. */
const PADDING = 21

/** The smallest message that clientHello makes, bytes. */
export const SMALLEST_HELLO = hello(Buffer.alloc(RANDOM_BYTES), 0).length

/** A ClientHello record of exactly `bytes` bytes, made so long by the padding extension. `random` holds 32 bytes. */
export function clientHello(random: Buffer, bytes: number): Buffer {
  if (bytes < SMALLEST_HELLO) throw new RangeError(`a ClientHello of ${bytes} bytes is too small`)
  return hello(random, bytes - SMALLEST_HELLO)
}

function hello(random: Buffer, paddingBytes: number): Buffer {
  const padding = [PADDING, Array.from({ length: paddingBytes }, () => 0)] as const
  const extensions = [...EXTENSIONS, padding].flatMap(([type, body]) => [...word(type), ...word(body.length), ...body])
  const ciphers = CIPHERS.flatMap(word)
  const noSession = [0]
  const noCompression = [1, 0]
  const body = [
    ...VERSION,
    ...random.subarray(0, RANDOM_BYTES),
    ...noSession,
    ...word(ciphers.length),
    ...ciphers,
    ...noCompression,
    ...word(extensions.length),
    ...extensions,
  ]
  const message = [CLIENT_HELLO, 0, ...word(body.length), ...body]
  return Buffer.from([HANDSHAKE, ...RECORD_VERSION, ...word(message.length), ...message])
}

function word(value: number): [number, number] {
  return [value >> 8, value & 0xff]
}
