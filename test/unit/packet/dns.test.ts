import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { canonicalAddress, withoutZone } from '../../../lib/packet/address.ts'
import { bareName, type DnsQuestion, encodeQuery, parseAnswer, reverseName } from '../../../lib/packet/dns.ts'

const ID = 4711
const question: DnsQuestion = { name: 'kubernetes.default.svc.cluster.local.', type: 'A' }
const NAME = 'kubernetes.default.svc.cluster.local'
const a = (data: string, name = NAME): Answer => ({ type: 'A', name, ttl: 5, data })
const cname = (name: string, data: string): Answer => ({ type: 'CNAME', name, ttl: 5, data })

function reply(answers: Answer[], rest: Packet = {}): Buffer {
  return encode({
    type: 'response',
    id: ID,
    flags: AUTHORITATIVE_ANSWER,
    questions: [{ type: 'A', name: NAME }],
    answers,
    ...rest,
  })
}
const parse = (message: Uint8Array, asked = question) => parseAnswer(message, ID, asked)

describe('encodeQuery', () => {
  it('asks one question, recursively, whether the name has a trailing dot or not', () => {
    for (const name of [NAME, `${NAME}.`]) {
      const query = decode(Buffer.from(encodeQuery(ID, { name, type: 'AAAA' })))
      expect(query).toMatchObject({ id: ID, type: 'query', flag_rd: true, questions: [{ name: NAME, type: 'AAAA' }] })
      expect(query.questions).toHaveLength(1)
    }
  })

  it('with EDNS offers 1232 bytes', () => {
    const query = decode(Buffer.from(encodeQuery(ID, { name: NAME, type: 'A', edns: true })))
    expect(query.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }])
  })

  it.each(['a..b', `${'x'.repeat(64)}.local`, `${'abcdefg.'.repeat(32)}local`])(
    'refuses what is no name: %s',
    (name) => {
      expect(() => encodeQuery(ID, { name, type: 'A' })).toThrow('is not a domain name')
    },
  )
})

test.each([
  ['198.19.0.1', '1.0.19.198.in-addr.arpa.'],
  ['2001:db8::1', `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa.`],
])('the reverse name of %s', (address, name) => {
  expect(reverseName(address)).toBe(name)
})

describe('parseAnswer', () => {
  it('reads the names of an address', () => {
    const name = '1.0.19.198.in-addr.arpa'
    const message = reply([{ type: 'PTR', name, ttl: 5, data: NAME }], { questions: [{ type: 'PTR', name }] })
    expect(parse(message, { name: reverseName('198.19.0.1'), type: 'PTR' })).toMatchObject({
      ...{ meaning: 'data', names: [NAME], addresses: [] },
    })
  })

  it('reads the addresses in their order', () => {
    expect(parse(reply([a('198.51.100.2'), a('198.51.100.1')]))).toEqual({
      kind: 'answer',
      meaning: 'data',
      rcode: 'NOERROR',
      addresses: ['198.51.100.2', '198.51.100.1'],
      cnames: [],
      names: [],
      truncated: false,
    })
  })

  it('compares names without regard to case, and writes IPv6 canonically', () => {
    const message = reply([{ type: 'AAAA', name: NAME.toUpperCase(), ttl: 5, data: '2001:db8:0:0:0:0:0:1' }], {
      questions: [{ type: 'AAAA', name: NAME.toUpperCase() }],
    })
    expect(parse(message, { name: NAME, type: 'AAAA' })).toMatchObject({ meaning: 'data', addresses: ['2001:db8::1'] })
  })

  it('follows aliases to the addresses and keeps the chain, in any order of records', () => {
    const message = reply([a('198.51.100.9', 'c.example'), cname('b.example', 'c.example'), cname(NAME, 'B.example')])
    expect(parse(message)).toMatchObject({ addresses: ['198.51.100.9'], cnames: ['b.example', 'c.example'] })
  })

  it('does not take addresses that belong to other names', () => {
    expect(parse(reply([a('198.51.100.9', 'other.example')]))).toMatchObject({ meaning: 'nodata', addresses: [] })
  })

  it('ends an alias loop', () => {
    const message = reply([cname(NAME, 'b.example'), cname('b.example', NAME)])
    expect(parse(message)).toMatchObject({ meaning: 'nodata', cnames: ['b.example'] })
  })

  it('tells a CNAME question from an address question', () => {
    const message = reply([cname(NAME, 'out.example')], { questions: [{ type: 'CNAME', name: NAME }] })
    expect(parse(message, { name: NAME, type: 'CNAME' })).toMatchObject({ meaning: 'data', cnames: ['out.example'] })
  })

  it.each([
    [0, 'NOERROR', 'nodata'],
    [3, 'NXDOMAIN', 'nxdomain'],
    [2, 'SERVFAIL', 'servfail'],
    [5, 'REFUSED', 'refused'],
    [4, 'NOTIMP', 'other'],
    [1, 'FORMERR', 'other'],
  ])('response code %i is %s: %s', (code, rcode, meaning) => {
    expect(parse(reply([], { flags: code }))).toMatchObject({ kind: 'answer', rcode, meaning })
  })

  it('accepts a refusal without the question, but no data without it', () => {
    expect(parse(reply([], { flags: 5, questions: [] }))).toMatchObject({ meaning: 'refused' })
    expect(parse(reply([a('198.51.100.1')], { questions: [] }))).toMatchObject({ kind: 'garbled' })
  })

  it('knows a foreign answer by its id, its name and its type', () => {
    expect(parseAnswer(reply([]), ID + 1, question)).toMatchObject({ kind: 'foreign' })
    expect(parse(reply([], { questions: [{ type: 'A', name: 'other.example' }] }))).toMatchObject({ kind: 'foreign' })
    expect(parse(reply([], { questions: [{ type: 'AAAA', name: NAME }] }))).toMatchObject({ kind: 'foreign' })
  })

  it('calls its own query, an empty datagram and noise garbled', () => {
    expect(parse(encodeQuery(ID, question))).toMatchObject({ kind: 'garbled' })
    expect(parse(new Uint8Array())).toMatchObject({ kind: 'garbled' })
    expect(parse(reply([a('198.51.100.1')]).subarray(0, -2))).toMatchObject({ kind: 'garbled' })
  })

  it('sees the truncation flag, wherever the message was cut', () => {
    const whole = reply([a('198.51.100.1'), a('198.51.100.2')], { flags: TRUNCATED_RESPONSE })
    for (let length = 12; length <= whole.length; length++) {
      expect(parse(whole.subarray(0, length))).toMatchObject({ kind: 'answer', truncated: true })
    }
  })

  it('never throws, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(['answer', 'foreign', 'garbled']).toContain(parse(bytes).kind)
      }),
    )
  })

  it('never throws for a damaged answer, and never believes another question', () => {
    const whole = reply([a('198.51.100.1'), cname(NAME, 'b.example'), a('198.51.100.2', 'b.example')])
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Uint8Array.from(whole)
        for (const [at, value] of changes) bytes[at] = value
        const parsed = parse(bytes)
        if (parsed.kind === 'answer' && bytes[0] !== whole[0]) throw new Error('the id was not compared')
      }),
    )
  })
})

it('bareName and the address forms are what comparisons need', () => {
  expect(bareName('Web.Default.SVC.')).toBe('web.default.svc')
  expect(canonicalAddress('2001:DB8:0:0:0:0:0:A')).toBe('2001:db8::a')
  expect(canonicalAddress('198.51.100.7')).toBe('198.51.100.7')
  expect(canonicalAddress('not an address')).toBe('not an address')
  expect(withoutZone('fe80::1%eth0')).toBe('fe80::1')
})
