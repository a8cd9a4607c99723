import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clean, oneLine, presentable, shortened } from '../../../lib/report/text.ts'
import { HOSTILE } from './sample.ts'

describe('clean', () => {
  test('takes out terminal sequences, control and direction characters, and lone surrogates', () => {
    expect(clean('\u001b[31mred\u001b[0m \u001b]0;title\u0007x \u202eabc\u2069 \u0000\u0085\ud800 z\u200b')).toBe(
      'red x abc  z',
    )
  })

  test('leaves what people write', () => {
    for (const text of [
      'näme 名前 😀',
      'a\tb\nc',
      'basic authentication failed',
      'bearer of news',
      'https://[2001:db8::1]:6443/a@b',
    ]) {
      expect(clean(text)).toBe(text)
    }
  })

  test('takes out secrets', () => {
    const key = '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----'
    const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl'
    expect(clean(`a ${key} b`)).toBe('a [private key removed] b')
    expect(clean(`token=${jwt};`)).toBe('token=[token removed];')
    expect(clean('Authorization: Bearer abcdef0123456789')).toBe('Authorization: Bearer [credential removed]')
    expect(clean('proxy http://user:pa55@proxy:3128')).toBe('proxy http://[credential removed]@proxy:3128')
  })

  test('leaves nothing behind that steers a terminal, whatever it gets', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(clean(text)).not.toMatch(/[^\P{Cc}\t\n]|\p{Cs}/u)
      }),
    )
  })
})

test('presentable cleans every string of plain data and keeps the rest', () => {
  const data = { a: [HOSTILE, 1, null, true, { b: HOSTILE }], c: undefined }
  expect(presentable(data)).toEqual({ a: [clean(HOSTILE), 1, null, true, { b: clean(HOSTILE) }], c: undefined })
})

test('oneLine joins lines and cuts by characters, not halves of them', () => {
  expect(oneLine(' a\n\tb ')).toBe('a b')
  expect(oneLine('😀'.repeat(10), 5)).toBe('😀😀...')
})

test('a text that is too long for its place loses its middle, by whole characters', () => {
  expect(shortened('2001:db8:1234:5678::9', 12)).toBe('2001:d\u202678::9')
  expect(shortened('\u{1f600}'.repeat(9), 5)).toBe('\u{1f600}\u{1f600}\u2026\u{1f600}\u{1f600}')
  expect(shortened(' short\n', 6)).toBe('short')
})
