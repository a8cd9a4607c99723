/**
 * The one file that a check imports beside its probe: `check` states a question for each row and family,
 * and the functions it hands to the body turn facts and outcomes into a verdict.
 *
 * Verdicts: pass; warn (passes, shown amber; STRICT=1 makes it fail); fail (the network is proven bad);
 * inconclusive (we could not look); not applicable (skipped, with need and finding).
 */
import { inject, test } from 'vitest'
import { CHECK_TIMEOUT_MS, end, type Judge, recordOf, titleOf } from './asking.ts'
import { targetsToReplay } from './diagnose/failing.ts'
import { given } from './fact.ts'
import { Inconclusive } from './failure.ts'
import { currentNamespace } from './netns/index.ts'
import { placeState } from './netns/worker.ts'
import { underPolicy } from './policy.ts'
import { takeFacts } from './question/environment.ts'
import { replay } from './replay/index.ts'
import type { Observed } from './state.ts'
import type { CheckRecord, DestinationRow, Evidence, Family, Place, Plan, StateFact } from './types.ts'

/** One asking of a question. `family` is absent for questions that have none. */
export interface Row {
  readonly family?: Family
  readonly destination?: DestinationRow
}

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
export interface Ask<R extends Row> extends Judge {
  readonly plan: Plan
  readonly place: Place
  readonly row: R
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
    test.concurrent(title(question, row, place), { timeout: CHECK_TIMEOUT_MS }, async ({ task, skip }) => {
      const record = await answer(question, row, place, inject('plan'), body, sendsNothing)
      task.meta.record = record
      const environment = takeFacts()
      if (environment.length > 0) task.meta.environment = environment
      const observed = await replay(inject('plan'), place, targetsToReplay(record), record.code === 'PACKET_LOSS')
      if (observed) task.meta.observed = observed
      end(record, skip)
    })
  }
}

/** The name of a test: question, family, place; never an instance. */
export function title(question: string, row: Row, place: Place): string {
  const asked = row.destination ? question.replace('{destination}', DESTINATION[row.destination]) : question
  return titleOf(asked, row.family, place)
}

function answer<R extends Row>(
  question: string,
  row: R,
  place: Place,
  plan: Plan,
  body: (ask: Ask<R>) => Promise<void>,
  sendsNothing: boolean,
): Promise<CheckRecord> {
  return recordOf({
    about: {
      check: question,
      place,
      ...(row.family ? { family: row.family } : {}),
      ...(row.destination ? { row: row.destination } : {}),
    },
    strict: plan.strict,
    // what was asked from the pod, as the policies explain it; the node's own packets are under none
    ...(place === 'pod' ? { explained: (outcome) => underPolicy(plan, outcome) } : {}),
    body: async (judge, note) => {
      if (!sendsNothing) assertPlace(place, plan, note)
      await body({ ...judge, plan, place, row })
      if (sendsNothing) assertPlace(place, plan, note)
    },
  })
}

/** Before anything is sent: this process must be in the namespace that the question is about. */
function assertPlace(place: Place, plan: Plan, note: (evidence: Evidence) => void): void {
  if (plan.unusable) throw new Inconclusive(plan.unusable.code, plan.unusable.reason, plan.unusable.hint)
  const source = place === 'pod' ? given(plan.source) : null
  const entered = placeState()
  if (!entered.ok) throw new Inconclusive(entered.code, entered.reason, entered.hint)
  const wanted = source ? source.netns : plan.node.netns
  const current = currentNamespace()
  if (current !== wanted) {
    throw new Inconclusive('NAMESPACE_CHANGED', `this process is in network namespace ${current}, not in ${wanted}`)
  }
  note({ kind: 'scalar', name: 'network namespace', value: current })
  if (source?.hostNetwork) {
    note({ kind: 'scalar', name: 'asked from', value: 'the node: the pod uses the host network' })
  }
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
