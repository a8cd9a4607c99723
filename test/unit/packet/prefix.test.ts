import { describe, expect, test } from 'vitest'
import { canonical, covers, isHost, overlaps, type Prefix, parsePrefix, same } from '../../../lib/packet/prefix.ts'

const prefix = (text: string) => parsePrefix(text) as Prefix

describe('prefixes', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.77', true],
    ['192.0.2.0/24', '192.0.3.1', false],
    ['192.0.2.0/24', '192.0.0.0/16', false],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['::/0', '192.0.2.1', false],
    ['2001:db8:18:1::/64', '2001:db8:18:1::5', true],
    ['2001:db8:18:1::/64', '2001:db8:18:2::5', false],
  ])('%s covers %s: %s', (outer, inner, expected) => {
    expect(covers(prefix(outer), prefix(inner))).toBe(expected)
  })

  test('overlap both ways, and are the same whatever the bits behind the length say', () => {
    expect(overlaps(prefix('192.0.2.0/24'), prefix('192.0.0.0/16'))).toBe(true)
    expect(same(prefix('192.0.2.9/24'), prefix('192.0.2.0/24'))).toBe(true)
    expect(same(prefix('192.0.2.0/25'), prefix('192.0.2.0/24'))).toBe(false)
  })

  test('a host is all bits long', () => {
    expect(['192.0.2.1', '2001:db8::1', '192.0.2.0/31'].map((text) => isHost(prefix(text)))).toEqual([
      true,
      true,
      false,
    ])
  })

  test.each(['default', 'broadcast', '', '192.0.2.0/33', '192.0.2/24', 'fe80::/x'])('"%s" is none', (text) => {
    expect(parsePrefix(text)).toBeNull()
  })

  test('addresses in one form', () => {
    expect(canonical('2001:0db8:0051:0000::0001')).toBe('2001:db8:51::1')
    expect(canonical('n1')).toBe('n1')
  })
})
