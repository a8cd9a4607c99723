/** KNOWN_ISSUES: failures that are known, each with a reason and a last day. Pure: text in, waivers or all problems out. */
import { CORE_SCHEMA, load } from 'js-yaml'
import { CODES } from '../diagnose/codes.ts'
import { closest } from '../settings.ts'
import type { Code, Family, Place, Result } from '../types.ts'

/** What a failure must be to be waived; null: whatever it is. */
export interface Waiver {
  /** "gateway", as the README's table of checks names it. */
  readonly check: string
  readonly place: Place | null
  readonly code: Code | null
  readonly row: string | null
  readonly family: Family | null
  readonly reason: string
  /** YYYY-MM-DD, the last day (UTC) on which it holds. */
  readonly expires: string
}

const KEYS = ['check', 'code', 'row', 'family', 'reason', 'expires'] as const
const ROWS: readonly string[] = ['named', 'other-node', 'same-node']
const EXAMPLE = '[{check: pod/gateway, code: UNREACHABLE, reason: "ticket 4711", expires: 2030-01-31}]'

/** `checks`: names as "host/gateway". A problem names the entry by its place in the file, from 1. */
export function parseWaivers(
  text: string,
  checks: readonly string[],
): { readonly waivers: readonly Waiver[]; readonly problems: readonly string[] } {
  let data: unknown
  try {
    // not YAML's own dates: 2030-02-31 would become a day in March
    data = load(text, { schema: CORE_SCHEMA }) ?? []
  } catch (error) {
    const said = String((error as Error).message).split('\n')[0]
    return { waivers: [], problems: [`it is neither YAML nor JSON: ${said}`] }
  }
  if (!Array.isArray(data)) return { waivers: [], problems: [`it holds no list; an example: ${EXAMPLE}`] }
  const read = data.map((entry, index) => waiverOf(entry, checks, `entry ${index + 1}`))
  return {
    waivers: read.flatMap(({ waiver }) => waiver ?? []),
    problems: read.flatMap(({ problems }) => problems),
  }
}

function waiverOf(entry: unknown, checks: readonly string[], where: string): { waiver?: Waiver; problems: string[] } {
  if (entry === null || typeof entry !== 'object' || Array.isArray(entry))
    return { problems: [`${where} is no mapping`] }
  const given = entry as Readonly<Record<string, unknown>>
  const { check, code = null, row = null, family = null, reason, expires } = given
  const named = /^(?:(?:checks\/)?(host|pod)\/)?([a-z0-9-]+)(?:\.test\.ts)?$/.exec(
    typeof check === 'string' ? check : '',
  )
  const [, dir, base = ''] = named ?? []
  const known = checks.filter((one) => one === `${dir}/${base}` || (dir === undefined && one.endsWith(`/${base}`)))
  const version = /^(?:IPv)?([46])$/i.exec(`${family}`)?.[1]
  const problems = [
    ...Object.keys(given)
      .filter((key) => !(KEYS as readonly string[]).includes(key))
      .map((key) => `has "${key}", which is none of ${KEYS.join(', ')}`),
    ...(known.length > 0 ? [] : [checkProblem(check, dir ? `${dir}/${base}` : base, checks)]),
    ...(code === null || (typeof code === 'string' && code in CODES) ? [] : [codeProblem(code)]),
    ...(row === null || ROWS.includes(`${row}`) ? [] : [`its row is none of ${ROWS.join(', ')}`]),
    ...(family === null || version ? [] : ['its family is neither IPv4 nor IPv6']),
    ...(typeof reason === 'string' && reason.trim() !== '' ? [] : ['has no reason']),
    ...(isDay(expires) ? [] : ['has no expires, or one that is no day as YYYY-MM-DD']),
  ].map((problem) => `${where} ${problem}`)
  if (problems.length > 0) return { problems }
  const waiver: Waiver = {
    check: base,
    place: dir === undefined ? null : dir === 'host' ? 'node' : 'pod',
    code: code as Code | null,
    row: row as string | null,
    family: version === undefined ? null : (Number(version) as Family),
    reason: (reason as string).trim(),
    expires: expires as string,
  }
  return { waiver, problems }
}

function checkProblem(check: unknown, name: string, checks: readonly string[]): string {
  if (typeof check !== 'string') return 'names no check'
  const near = closest(name, name.includes('/') ? checks : checks.map((one) => one.replace(/^.*\//, '')), 1)[0]
  return `names check "${check}", which does not exist${near ? `: ${near}?` : ''}`
}

function codeProblem(code: unknown): string {
  const near = closest(`${code}`, Object.keys(CODES), 1)[0]
  return `has code "${code}", which does not exist${near ? `: ${near}?` : ''}`
}

function isDay(text: unknown): boolean {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}

/** "pod/gateway UNREACHABLE IPv4" */
export const waiverName = ({ check, place, code, row, family }: Waiver): string =>
  [
    place === null ? check : `${place === 'node' ? 'host' : 'pod'}/${check}`,
    ...[code, row, family === null ? null : `IPv${family}`].filter((part) => part !== null),
  ].join(' ')

/** `today`: YYYY-MM-DD in UTC. */
export const isExpired = ({ expires }: Waiver, today: string): boolean => expires < today

/** Whether a waiver speaks of a result's question, whatever its answer is. */
export const isAbout = (waiver: Waiver, { file, place, row, family }: Result): boolean =>
  file.replace(/^.*[/\\]/, '').replace(/\.test\.ts$/, '') === waiver.check &&
  (waiver.place === null || waiver.place === place) &&
  (waiver.row === null || waiver.row === row) &&
  (waiver.family === null || waiver.family === family)

/** Whether it waives what a result ends with: a failure or a warning. */
export const waives = (waiver: Waiver, result: Result): boolean =>
  (result.verdict === 'fail' || result.verdict === 'warn') &&
  isAbout(waiver, result) &&
  (waiver.code === null || waiver.code === result.code)
