/**
 * The one file that a check of all nodes imports: states a question for each row, and judges what the nodes said. Nothing is sent here, and
 * nothing needs Linux: such a run may start on a laptop.
 */
import { inject, test } from 'vitest'
import { CHECK_TIMEOUT_MS, end, type Judge, recordOf, titleOf } from '../asking.ts'
import type { Judged } from '../merge/index.ts'
import type { ClusterPart, ClusterPlan, Fact, Family } from '../types.ts'

/** One asking of a question. `family` is absent for questions that have none. */
export interface Row {
  readonly family?: Family
}

export const once: readonly Row[] = [{}]
export const perFamily: readonly Required<Row>[] = [{ family: 4 }, { family: 6 }]

/** What a check body works with. */
export interface ClusterAsk<R extends Row> extends Judge {
  readonly plan: ClusterPlan
  readonly row: R
  /** What was learned on all nodes; unknown makes the check inconclusive, absent makes it not applicable. */
  readonly part: ClusterPart
  /** Fails, or warns, as all nodes together say; absent makes it not applicable. */
  decide(judgement: Fact<Judged>): void
}

/** States a question once a row. Its name holds no node and no number, so that it is the same in every run. */
export function clusterCheck<R extends Row>(
  question: string,
  rows: readonly R[],
  body: (ask: ClusterAsk<R>) => Promise<void> | void,
): void {
  for (const row of rows) {
    test(titleOf(question, row.family, 'cluster'), { timeout: CHECK_TIMEOUT_MS }, async ({ task, skip }) => {
      const plan = inject('cluster')
      const record = await recordOf({
        about: { check: question, place: 'cluster', ...(row.family ? { family: row.family } : {}) },
        strict: plan.strict,
        body: async (judge) => {
          const decide = (judgement: Fact<Judged>) => {
            const { failed, warned } = judge.given(judgement)
            judge.must(failed)
            judge.warn(warned)
          }
          await body({
            ...judge,
            plan,
            row,
            decide,
            get part() {
              return judge.given(plan.cluster)
            },
          })
        },
      })
      task.meta.record = record
      end(record, skip)
    })
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: ClusterPlan
  }
}
