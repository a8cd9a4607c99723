/** DNS messages (RFC 1035): a query out, an answer in that is believed only after id, question and form were checked. */
import { decode, encode, type OptAnswer, RECURSION_DESIRED } from 'dns-packet'
import { addressBytes, canonicalAddress } from './address.ts'

export type DnsType = 'A' | 'AAAA' | 'CNAME' | 'PTR'

export interface DnsQuestion {
  /** Fully qualified; a trailing dot may be there or not. */
  readonly name: string
  readonly type: DnsType
  /** The query says that it takes answers of 1232 bytes over UDP (EDNS, RFC 6891; the size of DNS Flag Day 2020). */
  readonly edns?: true
}

/**
 * data      records of the asked type (for A and AAAA: at the end of the CNAME chain)
 * nodata    the name exists, without records of this type (RFC 2308)
 * nxdomain, servfail, refused   by their response codes; other: any other response code
 */
export type DnsMeaning = 'data' | 'nodata' | 'nxdomain' | 'servfail' | 'refused' | 'other'

export interface DnsAnswer {
  readonly kind: 'answer'
  readonly meaning: DnsMeaning
  /** As RFC 1035 and the IANA registry name them: NOERROR, NXDOMAIN, SERVFAIL, ... */
  readonly rcode: string
  /** A or AAAA records in canonical text (RFC 5952), in the order of the message. */
  readonly addresses: readonly string[]
  /** Names that the question's name is an alias of, in order, without trailing dots. */
  readonly cnames: readonly string[]
  /** PTR records: names of an address, without trailing dots. */
  readonly names: readonly string[]
  /** The server had more to say than fits: ask again over TCP. The records may be a part only. */
  readonly truncated: boolean
}

/** foreign: not the answer to this query (late, forged, or a confused server); garbled: not a DNS answer at all. */
export type DnsParsed = DnsAnswer | { readonly kind: 'foreign' | 'garbled'; readonly why: string }

/** A recursive query in class IN. Throws for names that no DNS message can carry (RFC 1035 section 2.3.4). */
export function encodeQuery(id: number, question: DnsQuestion): Uint8Array {
  const name = bareName(question.name)
  const labels = name.split('.')
  if (name.length > 253 || (name !== '' && labels.some((label) => label === '' || Buffer.byteLength(label) > 63))) {
    throw new TypeError(`"${question.name}" is not a domain name`)
  }
  const additionals = question.edns ? [OPT] : []
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: question.type, name }],
    additionals,
  })
}

const OPT: OptAnswer = {
  ...{ type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0 },
  ...{ flags: 0, flag_do: false, options: [] },
}

/** The name under which DNS knows an address: 1.0.19.198.in-addr.arpa. (RFC 1035 section 3.5, RFC 3596 section 2.5). */
export function reverseName(address: string): string {
  const bytes = [...addressBytes(address)]
  if (bytes.length === 4) return `${bytes.reverse().join('.')}.in-addr.arpa.`
  const nibbles = bytes.flatMap((byte) => [byte >> 4, byte & 15])
  return `${nibbles
    .reverse()
    .map((nibble) => nibble.toString(16))
    .join('.')}.ip6.arpa.`
}

/** Reads what came back for the query `id`. Never throws. */
export function parseAnswer(message: Uint8Array, id: number, question: DnsQuestion): DnsParsed {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < HEADER_BYTES) return { kind: 'garbled', why: `${bytes.length} bytes, a DNS header has 12` }
  if ((bytes.readUInt8(2) & QR) === 0) return { kind: 'garbled', why: 'a query came back instead of an answer' }
  if (bytes.readUInt16BE(0) !== id) return { kind: 'foreign', why: 'the id is not that of the query' }
  const truncated = (bytes.readUInt8(2) & TC) !== 0
  try {
    const packet = decode(bytes)
    // The library reads past the end of a record's data without a word.
    if (decode.bytes > bytes.length) throw new RangeError('it ends in the middle of a record')
    return readDecoded(packet, question, truncated)
  } catch (error) {
    // A server may cut a truncated message anywhere (RFC 2181 section 9): only the flag counts then.
    if (truncated) return { ...NO_RECORDS, kind: 'answer', rcode: 'NOERROR', meaning: 'nodata', truncated: true }
    return { kind: 'garbled', why: `the message cannot be decoded: ${(error as Error).message}` }
  }
}

/** A domain name as it is compared: lower case, without the trailing dot. */
export function bareName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}

const HEADER_BYTES = 12
const QR = 0x80
const TC = 0x02

type Decoded = ReturnType<typeof decode> & { readonly rcode?: string }

function readDecoded(packet: Decoded, question: DnsQuestion, truncated: boolean): DnsParsed {
  const rcode = packet.rcode ?? 'NOERROR'
  const asked = packet.questions?.[0]
  const wanted = bareName(question.name)
  if (asked && (asked.type !== question.type || bareName(asked.name) !== wanted)) {
    return { kind: 'foreign', why: `it answers another question (${asked.type} ${asked.name})` }
  }
  // Servers that refuse to read the question may leave it out: then there are no records to believe either.
  if (!asked && rcode === 'NOERROR') return { kind: 'garbled', why: 'the answer does not repeat the question' }
  const records = (packet.answers ?? []).map((record) => ({
    owner: 'name' in record ? bareName(record.name) : '',
    type: record.type as string,
    data: 'data' in record && typeof record.data === 'string' ? record.data : '',
  }))
  const cnames = aliases(wanted, records)
  const owner = bareName(cnames.at(-1) ?? wanted)
  const found = records.filter((record) => record.type === question.type && record.owner === owner)
  const isAddress = question.type === 'A' || question.type === 'AAAA'
  const addresses = isAddress ? found.map((record) => canonicalAddress(record.data)) : []
  const names = question.type === 'PTR' ? found.map((record) => bareName(record.data)) : []
  const some = question.type === 'CNAME' ? cnames.length > 0 : found.length > 0
  return { kind: 'answer', rcode, meaning: meaningOf(rcode, some), addresses, cnames, names, truncated }
}

/** Follows CNAMEs from the asked name; a loop ends where it began. */
function aliases(name: string, records: readonly { owner: string; type: string; data: string }[]): readonly string[] {
  const chain: string[] = []
  for (let current = name; chain.length <= records.length; ) {
    const next = records.find((record) => record.type === 'CNAME' && record.owner === current)
    if (!next) return chain
    current = bareName(next.data)
    if (current === name || chain.includes(current)) return chain
    chain.push(current)
  }
  return chain
}

function meaningOf(rcode: string, some: boolean): DnsMeaning {
  if (rcode === 'NOERROR') return some ? 'data' : 'nodata'
  const named = rcode.toLowerCase()
  return named === 'nxdomain' || named === 'servfail' || named === 'refused' ? named : 'other'
}

const NO_RECORDS = { addresses: [], cnames: [], names: [] } as const
