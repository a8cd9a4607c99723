/** Texts from a cluster or a server are foreign: `presentable` makes them harmless once, before a renderer sees them. */
import { stripVTControlCharacters } from 'node:util'

/** "2026-03-04 03:07 UTC" of an ISO 8601 time. */
export const minuteOf = (iso: string): string => `${iso.slice(0, 16).replace('T', ' ')} UTC`

/** Control characters but tab and newline, and what is invisible or turns the direction of writing (Unicode Cc, Cf, Zl, Zp, Cs, noncharacters). */
const UNPRINTABLE = /[^\P{Cc}\t\n]|\p{Cf}|\p{Zl}|\p{Zp}|\p{Cs}|[\ufffe\uffff]/gu

/** What must never be in a report: PEM blocks of keys, JSON Web Tokens, bearer headers, passwords in URLs. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[private key removed]'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[token removed]'],
  [/\b(authorization:\s*\w+|bearer)\s+(?=\S*\d)[\w.~+/=-]{8,}/gi, '$1 [credential removed]'],
  [/(\w:\/\/)[^\s/@:]*:[^\s/@]+@/g, '$1[credential removed]@'],
]

/** Nearly every text is plain: these two say at once that there is nothing to take out. */
const PLAIN = /^[ -~\n]*$/
const SUSPECT = /PRIVATE KEY|eyJ|bearer|authorization|:\/\//i

/** The text without terminal sequences, control and direction characters, and secrets. Newlines and tabs stay. */
export function clean(text: string): string {
  const printable = PLAIN.test(text)
    ? text
    : stripVTControlCharacters(text).replace(/\r\n?/g, '\n').replace(UNPRINTABLE, '')
  if (!SUSPECT.test(printable)) return printable
  return SECRETS.reduce((rest, [secret, instead]) => rest.replace(secret, instead), printable)
}

/** A copy of plain data with every string in it cleaned. */
export function presentable<T>(value: T): T
export function presentable(value: unknown): unknown {
  if (typeof value === 'string') return clean(value)
  if (Array.isArray(value)) return value.map((item) => presentable(item))
  if (value === null || typeof value !== 'object') return value
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) copy[key] = presentable(item)
  return copy
}

/** One line, at most `limit` characters. */
export function oneLine(text: string, limit = 400): string {
  const line = text.replace(/\s+/g, ' ').trim()
  const characters = [...line]
  return characters.length <= limit ? line : `${characters.slice(0, limit - 3).join('')}...`
}

/** One line, at most `limit` characters, both ends kept: an address or a name is known by them. */
export function shortened(text: string, limit: number): string {
  const characters = [...oneLine(text)]
  if (characters.length <= limit) return characters.join('')
  const tail = Math.floor((limit - 1) / 2)
  return `${characters.slice(0, limit - 1 - tail).join('')}\u2026${characters.slice(-tail).join('')}`
}

/** "1 check", "2 checks" */
export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
