/** Reads single variables, and keeps what cannot be used of them. */
import type { Parsed } from './values.ts'

/** A variable that cannot be used as it is. */
export interface SettingProblem {
  readonly variable: string
  readonly value: string
  readonly problem: string
  readonly next: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** An empty or blank value counts as not set. A bad value reads as not set, and is one of `problems`. */
export function readerOf<Name extends string>(env: Environment) {
  const problems: SettingProblem[] = []
  const raw = (name: string): string | null => env[name]?.trim() || null
  const read = <T, D>(name: Name, parse: (text: string) => Parsed<T>, otherwise: D): T | D => {
    const text = raw(name)
    if (text === null) return otherwise
    const parsed = parse(text)
    if ('value' in parsed) return parsed.value
    problems.push({ variable: name, value: shorten(text), ...parsed })
    return otherwise
  }
  return { raw, read, problems }
}

/** A value as messages and reports show it. */
export const shorten = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 199)}…`)
