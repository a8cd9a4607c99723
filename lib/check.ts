/**
 * The one file that a check imports beside its probe: `check` states a question for each row and family,
 * and the functions it hands to the body turn facts and outcomes into a verdict.
 *
 * Verdicts: pass; warn (passes, shown amber; STRICT=1 makes it fail); fail (the network is proven bad);
 * inconclusive (we could not look); not applicable (skipped, with need and finding).
 */
import { inject, test } from 'vitest'
import { CODES } from './diagnose/codes.ts'
import { targetsToReplay } from './diagnose/failing.ts'
import { familyName, given } from './fact.ts'
import { CheckFailure, Inconclusive, NotApplicable } from './failure.ts'
import { currentNamespace } from './netns/index.ts'
import { placeState } from './netns/worker.ts'
import { underPolicy } from './policy.ts'
import { takeFacts } from './question/environment.ts'
import { replay } from './replay/index.ts'
import type { Observed } from './state.ts'
import type {
  Answer,
  CheckRecord,
  Code,
  DestinationRow,
  Evidence,
  Fact,
  Family,
  Outcome,
  Place,
  Plan,
  StateFact,
  Target,
  Verdict,
} from './types.ts'

/** Longest time one question may take, in ms; every probe has a smaller budget of its own. */
const CHECK_BUDGET_MS = 50_000

/** One asking of a question. `family` is absent for questions that have none. */
export interface Row {
  readonly family?: Family
  readonly destination?: DestinationRow
}

/** Answers that a record keeps of one outcome; failures come first. */
const MOST_ANSWERS = 100

export const once: readonly Row[] = [{}]
export {
  destinations as perDestination,
  destinationsHere as perDestinationHere,
  families as perFamily,
} from './question/all.ts'

const DESTINATION: Record<DestinationRow, string> = {
  named: 'the named destination pod',
  'other-node': 'a pod on another node',
  'same-node': 'a pod on the same node',
}

/** What a check body works with. */
export interface Ask<R extends Row> {
  readonly plan: Plan
  readonly place: Place
  readonly row: R
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

/**
 * States a question once a row. In its text, {destination} stands for the row's destination.
 * `sendsNothing`: the body only judges the plan and needs no namespace for that; whether it was entered is judged last (preflight).
 */
export function check<R extends Row>(
  question: string,
  rows: readonly R[],
  body: (ask: Ask<R>) => Promise<void>,
  { sendsNothing = false } = {},
): void {
  const place = inject('place')
  for (const row of rows) {
    test.concurrent(title(question, row, place), { timeout: CHECK_BUDGET_MS + 5_000 }, async ({ task, skip }) => {
      const record = await answer(question, row, place, inject('plan'), body, sendsNothing)
      task.meta.record = record
      const environment = takeFacts()
      if (environment.length > 0) task.meta.environment = environment
      const observed = await replay(inject('plan'), place, targetsToReplay(record), record.code === 'PACKET_LOSS')
      if (observed) task.meta.observed = observed
      if (record.verdict === 'not-applicable') skip(record.seen)
      if (record.verdict === 'fail' || record.verdict === 'inconclusive') throw asError(record)
    })
  }
}

/** The name of a test: question, family, place; never an instance. */
export function title(question: string, row: Row, place: Place): string {
  const asked = row.destination ? question.replace('{destination}', DESTINATION[row.destination]) : question
  return `${asked}${row.family ? ` over ${familyName(row.family)}` : ''}, from the ${place}`
}

async function answer<R extends Row>(
  question: string,
  row: R,
  place: Place,
  plan: Plan,
  body: (ask: Ask<R>) => Promise<void>,
  sendsNothing: boolean,
): Promise<CheckRecord> {
  const evidence: Evidence[] = []
  const targets: Target[] = []
  const answers: Answer[] = []
  const details: string[] = []
  const warnings: { code: Code; seen: string; hint: string | undefined }[] = []
  const record = (verdict: Verdict, seen: string, code?: Code, hint?: string): CheckRecord => ({
    check: question,
    place,
    ...(row.family ? { family: row.family } : {}),
    ...(row.destination ? { row: row.destination } : {}),
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
  /** What was asked from the pod, as the policies explain it; the node's own packets are under none. */
  const explained = <T>(outcome: Outcome<T>) =>
    place === 'pod' ? underPolicy(plan, outcome) : { outcome, spared: 0, hint: undefined, onlyWarns: false }
  const ask: Ask<R> = {
    plan,
    place,
    row,
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
      if (!outcome.ok && CODES[outcome.code]?.kind === 'warn') ask.warn(outcome, hint)
      else ask.must(outcome, hint)
    },
    about: (list) => targets.push(...list),
  }
  try {
    await withinBudget(async () => {
      if (!sendsNothing) assertPlace(place, plan, evidence)
      await body(ask)
      if (sendsNothing) assertPlace(place, plan, evidence)
    })
  } catch (error) {
    if (error instanceof NotApplicable) return record('not-applicable', error.message)
    if (error instanceof Inconclusive) return record('inconclusive', error.message, error.name, error.hint)
    if (error instanceof CheckFailure) return record('fail', error.message, error.name, error.hint)
    return record('inconclusive', `the check itself broke: ${(error as Error)?.message ?? error}`, 'CHECK_CRASHED')
  }
  const [warning] = warnings
  if (!warning) return record('pass', details.join('; '))
  const seen = warnings.map((w) => w.seen).join('; ')
  return record(plan.strict ? 'fail' : 'warn', seen, warning.code, warning.hint)
}

function failureOf(code: Code, seen: string, hint?: string): CheckFailure {
  return CODES[code]?.kind === 'inconclusive' ? new Inconclusive(code, seen, hint) : new CheckFailure(code, seen, hint)
}

/** Before anything is sent: this process must be in the namespace that the question is about. */
function assertPlace(place: Place, plan: Plan, evidence: Evidence[]): void {
  if (plan.unusable) throw new Inconclusive(plan.unusable.code, plan.unusable.reason, plan.unusable.hint)
  const source = place === 'pod' ? given(plan.source) : null
  const entered = placeState()
  if (!entered.ok) throw new Inconclusive(entered.code, entered.reason, entered.hint)
  const wanted = source ? source.netns : plan.node.netns
  const current = currentNamespace()
  if (current !== wanted) {
    throw new Inconclusive('NAMESPACE_CHANGED', `this process is in network namespace ${current}, not in ${wanted}`)
  }
  evidence.push({ kind: 'scalar', name: 'network namespace', value: current })
  if (source?.hostNetwork) {
    evidence.push({ kind: 'scalar', name: 'asked from', value: 'the node: the pod uses the host network' })
  }
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

/** The thrown form of a record, with a message and no stack: a person reads it, and JUnit takes `name` as the type. */
function asError(record: CheckRecord): Error {
  const error = new CheckFailure(record.code ?? 'CHECK_CRASHED', record.seen, record.hint)
  error.stack = `${error.name}: ${error.message}`
  return error
}

declare module 'vitest' {
  interface ProvidedContext {
    plan: Plan
    place: Place
  }
  interface TaskMeta {
    record?: CheckRecord
    observed?: Observed
    /** What this process read of the node since the last check ended. */
    environment?: readonly StateFact[]
  }
}
