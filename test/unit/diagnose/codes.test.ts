import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CODES, PARTS, rankOf } from '../../../lib/diagnose/codes.ts'

const lib = join(import.meta.dirname, '../../../lib')

/** Words in quotes after `code`, or first argument of what makes failures: every place where lib/ states a code. */
const STATED =
  /(?:\bcode\s*(?::|=(?!=))\s*|\b(?:fail|failed|failure|lost|unknown|inconclusive|new \w+)\(\s*)'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g

test('every code that lib/ states has an entry', () => {
  const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const stated = files.flatMap((file) => {
    const text = readFileSync(join(lib, file), 'utf8')
    return [...text.matchAll(STATED)].map(([, code]) => ({ code: code as string, file }))
  })
  expect(stated.length).toBeGreaterThan(10)
  expect(stated.filter(({ code }) => !(code in CODES))).toEqual([])
})

test('a code means one thing', () => {
  const all = PARTS.flatMap(Object.keys)
  expect(all.filter((code, at) => all.indexOf(code) !== at)).toEqual([])
})

test.each(Object.entries(CODES))('%s: texts are one line, whole sentences, with commands marked', (code, text) => {
  expect(code).toMatch(/^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/)
  for (const sentence of [text.means, text.remedy]) {
    expect(sentence).toMatch(/^[`A-Z0-9][^\n]*[.:]$/)
    expect(sentence.split('`').length % 2, sentence).toBe(1)
    expect(sentence.length).toBeLessThan(400)
  }
})

test('what stands nearer to the root comes first, and unknown codes last', () => {
  const codes = ['SOMETHING_ELSE', 'TIMED_OUT', 'UNREACHABLE', 'GATEWAY_UNRESOLVED', 'NO_DEFAULT_ROUTE']
  expect(codes.sort((a, b) => rankOf(a) - rankOf(b))).toEqual([
    'NO_DEFAULT_ROUTE',
    'GATEWAY_UNRESOLVED',
    'UNREACHABLE',
    'TIMED_OUT',
    'SOMETHING_ELSE',
  ])
})
