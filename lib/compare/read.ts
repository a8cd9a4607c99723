/** Reads what BASELINE and KNOWN_ISSUES name. What cannot be used is a problem of the setting: all of them at once, before anything is sent. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { SettingProblem, Settings } from '../settings.ts'
import type { Report, Result } from '../types.ts'
import { answered } from './index.ts'
import { parseWaivers, type Waiver } from './waivers.ts'

export interface ComparisonInput {
  /** Complete reports of schema 1, oldest first. */
  readonly baselines: readonly Report[]
  readonly waivers: readonly Waiver[]
  readonly problems: readonly SettingProblem[]
}

/** Directory of the checks: a waiver names one of them. */
const CHECKS = new URL('../../checks/', import.meta.url)

export function readComparisonInput({
  baseline,
  knownIssues,
}: Pick<Settings, 'baseline' | 'knownIssues'>): ComparisonInput {
  const read = baseline.map(readBaseline)
  const waivers = knownIssues === null ? { waivers: [], problems: [] } : readWaivers(knownIssues)
  return {
    baselines: read
      .flatMap(({ reports }) => reports)
      .toSorted((a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : 0)),
    waivers: waivers.waivers,
    problems: [...read.flatMap(({ problems }) => problems), ...waivers.problems],
  }
}

interface Read {
  readonly reports: readonly Report[]
  readonly problems: readonly SettingProblem[]
}

/** One report, or all of a directory: a run of each node leaves one there. */
function readBaseline(path: string): Read {
  try {
    if (!statSync(path).isDirectory()) return readReport(path)
    const files = readdirSync(path).filter((name) => /^report-.*\.json$/.test(name))
    if (files.length === 0) return { reports: [], problems: [bad(path, 'the directory holds no report-*.json')] }
    const read = files.sort().map((name) => readReport(join(path, name)))
    return { reports: read.flatMap(({ reports }) => reports), problems: read.flatMap(({ problems }) => problems) }
  } catch (error) {
    return { reports: [], problems: [bad(path, unreadable(error))] }
  }
}

function readReport(path: string): Read {
  try {
    const data: unknown = JSON.parse(readFileSync(path, 'utf8'))
    const problem = baselineProblem(data)
    return problem === null
      ? { reports: [data as Report], problems: [] }
      : { reports: [], problems: [bad(path, problem)] }
  } catch (error) {
    return { reports: [], problems: [bad(path, unreadable(error))] }
  }
}

const bad = (path: string, problem: string): SettingProblem => ({
  variable: 'BASELINE',
  value: path,
  problem,
  next: 'Name the report-<node>.json of an earlier run that ended in order, several with commas, or a directory of them.',
})

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'it may not be read',
  EISDIR: 'it is a directory',
}

function unreadable(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) return 'it is not JSON'
  return READ_ERRORS[code] ?? `it cannot be read (${code})`
}

const VERDICTS: readonly unknown[] = ['pass', 'warn', 'fail', 'inconclusive', 'not-applicable']

/** Why a file's content is no report to compare with; null: it is one. Pure. */
export function baselineProblem(data: unknown): string | null {
  const {
    schema,
    tool,
    node,
    runId,
    state,
    started,
    verdict,
    settings,
    results,
    environment = [],
  } = (data ?? {}) as Partial<Report>
  if (tool?.name !== 'k8snetlook') return 'it is no JSON report of k8snetlook'
  if (schema !== 1) return `its schema is ${JSON.stringify(schema) ?? 'not said'}, this version reads schema 1`
  const texts = [node, runId, started, tool.version].every((text) => typeof text === 'string')
  const lists = isListOf(results, isResult) && isListOf(settings, isNamed) && isListOf(environment, isNamed)
  if (!texts || !VERDICTS.includes(verdict) || !lists) return 'it is no whole report of schema 1'
  if (state !== 'complete') return 'it is incomplete: that run did not end in order'
  return (results ?? []).some((one) => answered(one.verdict)) ? null : 'no check gave an answer in that run'
}

const isListOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem)

/** A setting or a fact of the state. */
function isNamed(item: unknown): boolean {
  const { name, value, topic = '' } = (item ?? {}) as Readonly<Record<string, unknown>>
  const plain = value === null || typeof value === 'string' || typeof value === 'number'
  return typeof name === 'string' && typeof topic === 'string' && plain
}

function isResult(value: unknown): value is Result {
  const { id, name, file, verdict, evidence } = (value ?? {}) as Partial<Result>
  const texts = [id, name, file].every((text) => typeof text === 'string')
  return texts && VERDICTS.includes(verdict) && Array.isArray(evidence) && evidence.every(isEvidence)
}

/** As far as figures are read from it. */
function isEvidence(value: unknown): boolean {
  const { kind, name, values, rows, columns } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof kind !== 'string' || typeof name !== 'string') return false
  if (kind === 'samples') return Array.isArray(values) && values.every((one) => typeof one === 'number')
  return kind !== 'table' || (Array.isArray(columns) && Array.isArray(rows) && rows.every(Array.isArray))
}

function readWaivers(path: string): { waivers: readonly Waiver[]; problems: readonly SettingProblem[] } {
  const problem = (text: string): SettingProblem => ({
    variable: 'KNOWN_ISSUES',
    value: path,
    problem: text,
    next: 'Write a list of entries with check, reason and expires, and if wanted code, row and family; the README shows one.',
  })
  try {
    const { waivers, problems } = parseWaivers(readFileSync(path, 'utf8'), checkNames())
    return { waivers, problems: problems.map(problem) }
  } catch (error) {
    return { waivers: [], problems: [problem(unreadable(error))] }
  }
}

/** "host/gateway", "pod/gateway", ... */
const checkNames = (): string[] =>
  ['host', 'pod'].flatMap((dir) =>
    readdirSync(new URL(`${dir}/`, CHECKS)).map((file) => `${dir}/${file.replace(/\.test\.ts$/, '')}`),
  )
