/** resolv.conf as glibc reads it: nothing in a pod's file may lead to a host name being asked, or to a plan that is no JSON. */
import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutZone } from '../../../lib/packet/address.ts'
import { parseResolvConf } from '../../../lib/resolv.ts'

const kubelet = `search shop.svc.cluster.local svc.cluster.local cluster.local
nameserver 198.19.0.10
options ndots:5
`

describe('parseResolvConf', () => {
  it('reads what kubelet writes', () => {
    expect(parseResolvConf(kubelet)).toEqual({
      nameservers: ['198.19.0.10'],
      search: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
      options: [],
    })
  })

  it.each([
    ['empty', '', { nameservers: [], search: [], ndots: 1 }],
    ['comments', '# nameserver 192.0.2.1\n; search x\n', { nameservers: [], search: [] }],
    ['a comment behind', 'nameserver 192.0.2.1 # first\n', { nameservers: ['192.0.2.1'] }],
    ['tabs and CRLF', 'nameserver\t192.0.2.1\r\nsearch\ta b\r\n', { nameservers: ['192.0.2.1'], search: ['a', 'b'] }],
    [
      'at most three',
      [1, 2, 3, 4].map((n) => `nameserver 192.0.2.${n}`).join('\n'),
      { nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] },
    ],
    ['a name is no nameserver', 'nameserver dns.example\nnameserver 2001:db8::53\n', { nameservers: ['2001:db8::53'] }],
    ['a zone is kept', 'nameserver fe80::1%eth0\n', { nameservers: ['fe80::1%eth0'] }],
    [
      'what is no address does not use up a place',
      `${'nameserver x\n'.repeat(3)}nameserver 192.0.2.4`,
      { nameservers: ['192.0.2.4'] },
    ],
    ['the last search or domain wins', 'search a b\ndomain c\n', { search: ['c'] }],
    ['trailing dots', 'search svc.cluster.local. .\n', { search: ['svc.cluster.local'] }],
    ['the last ndots wins', 'options ndots:2 timeout:1\noptions ndots:3\n', { ndots: 3 }],
    ['ndots without a number', 'options ndots: ndots:x\n', { ndots: 1 }],
    ['other options are kept', 'options ndots:2 timeout:1\noptions use-vc\n', { options: ['timeout:1', 'use-vc'] }],
    ['ndots beyond the resolver', 'options ndots:99\n', { ndots: 15 }],
  ])('%s', (_, text, expected) => {
    expect(parseResolvConf(text)).toMatchObject(expected)
  })

  it('of any text whatever makes plain data, with addresses only', () => {
    const words = fc.constantFrom(
      'nameserver',
      'search',
      'domain',
      'options',
      'ndots:',
      'ndots:7',
      '192.0.2.1',
      '::1',
      '#',
      ' ',
      '\t',
      '\n',
      '\r\n',
      '.',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(words, fc.string({ maxLength: 6 }))).map((list) => list.join(' ')),
    )
    fc.assert(
      fc.property(text, (one) => {
        const parsed = parseResolvConf(one)
        expect(JSON.parse(JSON.stringify(parsed))).toEqual(parsed)
        expect(parsed.nameservers.length).toBeLessThanOrEqual(3)
        for (const address of parsed.nameservers) expect(isIP(withoutZone(address))).not.toBe(0)
        for (const domain of parsed.search) expect(domain).toMatch(/\S/)
        expect(Number.isInteger(parsed.ndots) && parsed.ndots >= 0 && parsed.ndots <= 15).toBe(true)
      }),
    )
  })

  it('reads back what is written in its form', () => {
    const config = fc.record({
      nameservers: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 3 }),
      search: fc.array(fc.domain(), { minLength: 1, maxLength: 6 }),
      ndots: fc.nat(15),
      options: fc.subarray(['rotate', 'timeout:2', 'single-request-reopen', 'use-vc']),
    })
    fc.assert(
      fc.property(config, (one) => {
        const lines = [...one.nameservers.map((a) => `nameserver ${a}`), `search ${one.search.join(' ')}`]
        expect(parseResolvConf([...lines, `options ndots:${one.ndots} ${one.options.join(' ')}`].join('\n'))).toEqual(
          one,
        )
      }),
    )
  })
})
