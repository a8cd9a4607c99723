/** Small words for facts: known, unknown, absent, and what can be said without giving a secret away. Pure. */
import type { Code, Fact } from '../types.ts'

export type Unknown = Extract<Fact<never>, { state: 'unknown' }>
export type Absent = Extract<Fact<never>, { state: 'absent' }>

export const known = <T>(value: T): Fact<T> => ({ state: 'known', value })

export const unknown = (code: Code, reason: string, hint: string): Unknown => ({ state: 'unknown', code, reason, hint })

export const absent = (need: string, finding: string): Absent => ({ state: 'absent', need, finding })

/** Applies `change` to a known value; what is unknown or absent stays so. */
export function mapFact<T, U>(fact: Fact<T>, change: (value: T) => U): Fact<U> {
  return fact.state === 'known' ? known(change(fact.value)) : fact
}

/** Anything that looks like a token, key or certificate, or is long enough to be one, becomes an ellipsis. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/(bearer|token|password|secret|key)(["']?\s*[:= ]\s*)\S+/gi, '$1$2…')
    .replace(/[A-Za-z0-9+/_=-]{32,}(\.[A-Za-z0-9+/_=-]+)*/g, '…')
}

/** First line of an error's message, for a sentence: no stack, no secret. */
export function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return withoutSecrets(text.trim().split('\n')[0]?.trim() ?? '')
}

/** "a, b and c"; more than `most` names end in "and N more". */
export function listing(names: readonly string[], most = 6): string {
  if (names.length > most) return `${names.slice(0, most).join(', ')} and ${names.length - most} more`
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
