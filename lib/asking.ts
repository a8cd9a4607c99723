/**
 * From the body of a check to its record: the functions that turn facts and outcomes into a verdict, and how it ends. Shared by the checks of
 * one node and of all; nothing here needs Linux.
 */
import { CODES } from './diagnose/codes.ts'
import { given } from './fact.ts'
import { CheckFailure, Inconclusive, NotApplicable } from './failure.ts'
import type { Explained } from './policy.ts'
import type { Answer, CheckRecord, Code, Evidence, Fact, Outcome, Scope, Target, Verdict } from './types.ts'

/** Longest time one question may take, in ms; every probe has a smaller budget of its own. */
const CHECK_BUDGET_MS = 50_000

/** For Vitest, in ms: the check ends by itself before. */
export const CHECK_TIMEOUT_MS = CHECK_BUDGET_MS + 5_000

/** Answers that a record keeps of one outcome; failures come first. */
const MOST_ANSWERS = 100

/** What every check body works with. */
export interface Judge {
  /** The value of a fact; unknown makes the check inconclusive, absent makes it not applicable. */
  given<T>(fact: Fact<T>): T
  /** Records the outcome's evidence; a failed outcome ends the check with its code (see lib/diagnose/codes.ts for which are inconclusive). */
  must<T>(outcome: Outcome<T>, hint?: string): T
  /** Like `must`, but a failed outcome only warns (unless STRICT=1). */
  warn<T>(outcome: Outcome<T>, hint?: string): void
  /** `must` or `warn`, as the outcome's code says. */
  judge<T>(outcome: Outcome<T>, hint?: string): void
  /** Names what was asked, for the report. */
  about(targets: readonly Target[]): void
}

export interface Asking {
  /** The question, its row and its family. */
  readonly about: Pick<CheckRecord, 'check' | 'place' | 'row' | 'family'>
  /** Warnings fail. */
  readonly strict: boolean
  readonly body: (judge: Judge, note: (evidence: Evidence) => void) => Promise<void>
  /** What policies make of an outcome; absent: none are asked about. */
  readonly explained?: <T>(outcome: Outcome<T>) => Explained<T>
}

const asItIs = <T>(outcome: Outcome<T>): Explained<T> => ({ outcome, spared: 0 })

/** Runs the body, which may throw anything, to its verdict. */
export async function recordOf({ about, strict, body, explained = asItIs }: Asking): Promise<CheckRecord> {
  const evidence: Evidence[] = []
  const targets: Target[] = []
  const answers: Answer[] = []
  const details: string[] = []
  const warnings: { code: Code; seen: string; hint: string | undefined }[] = []
  const record = (verdict: Verdict, seen: string, code?: Code, hint?: string): CheckRecord => ({
    ...about,
    verdict,
    seen,
    ...(code ? { code } : {}),
    ...(hint ? { hint } : {}),
    evidence,
    targets,
    ...(answers.length > 0 ? { answers } : {}),
  })
  const keep = (outcome: Outcome<unknown>) => {
    evidence.push(...outcome.evidence)
    answers.push(...(outcome.answers ?? []).slice(0, MOST_ANSWERS))
  }
  const judge: Judge = {
    given,
    must(measured, own) {
      const { outcome, hint = own, onlyWarns } = explained(measured)
      keep(outcome)
      if (!outcome.ok && !onlyWarns) throw failureOf(outcome.code, outcome.detail, hint)
      if (!outcome.ok) {
        warnings.push({ code: outcome.code, seen: outcome.detail, hint })
        return undefined as never
      }
      if (outcome.detail) details.push(outcome.detail)
      return outcome.value
    },
    warn(measured, own) {
      const { outcome, hint = own, spared } = explained(measured)
      keep(outcome)
      if (spared > 0 && spared === targets.length) {
        throw new NotApplicable(`needs a policy that lets ping pass, TCP or UDP is answered and ${outcome.detail}`)
      }
      // what could not be looked at is never shown as a warning, which is green
      if (!outcome.ok && CODES[outcome.code]?.kind === 'inconclusive') {
        throw failureOf(outcome.code, outcome.detail, hint)
      }
      if (!outcome.ok) warnings.push({ code: outcome.code, seen: outcome.detail, hint })
      else if (outcome.detail) details.push(outcome.detail)
    },
    judge(outcome, hint) {
      if (!outcome.ok && CODES[outcome.code]?.kind === 'warn') judge.warn(outcome, hint)
      else judge.must(outcome, hint)
    },
    about: (list) => targets.push(...list),
  }
  try {
    await withinBudget(() => body(judge, (item) => evidence.push(item)))
  } catch (error) {
    if (error instanceof NotApplicable) return record('not-applicable', error.message)
    if (error instanceof Inconclusive) return record('inconclusive', error.message, error.name, error.hint)
    if (error instanceof CheckFailure) return record('fail', error.message, error.name, error.hint)
    return record('inconclusive', `the check itself broke: ${(error as Error)?.message ?? error}`, 'CHECK_CRASHED')
  }
  const [warning] = warnings
  if (!warning) return record('pass', details.join('; '))
  const seen = warnings.map((w) => w.seen).join('; ')
  return record(strict ? 'fail' : 'warn', seen, warning.code, warning.hint)
}

function failureOf(code: Code, seen: string, hint?: string): CheckFailure {
  return CODES[code]?.kind === 'inconclusive' ? new Inconclusive(code, seen, hint) : new CheckFailure(code, seen, hint)
}

async function withinBudget(work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Inconclusive('TIMED_OUT', `no answer within ${CHECK_BUDGET_MS / 1000} s`)),
      CHECK_BUDGET_MS,
    )
  })
  try {
    await Promise.race([work(), deadline])
  } finally {
    clearTimeout(timer)
  }
}

/** Ends a Vitest test as its record says: skipped, failed, or passed. */
export function end(record: CheckRecord, skip: (note: string) => void): void {
  if (record.verdict === 'not-applicable') skip(record.seen)
  if (record.verdict === 'fail' || record.verdict === 'inconclusive') throw asError(record)
}

/** The thrown form of a record, with a message and no stack: a person reads it, and JUnit takes `name` as the type. */
function asError(record: CheckRecord): Error {
  const error = new CheckFailure(record.code ?? 'CHECK_CRASHED', record.seen, record.hint)
  error.stack = `${error.name}: ${error.message}`
  return error
}

/** The name of a test: question, family, whence; never an instance. */
export function titleOf(question: string, family: CheckRecord['family'], scope: Scope): string {
  const whence = scope === 'cluster' ? 'over all nodes' : `from the ${scope}`
  return `${question}${family ? ` over IPv${family}` : ''}, ${whence}`
}
