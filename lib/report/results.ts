/** From Vitest's view of a test to a Result that no longer knows Vitest. */
import type { TestCase } from 'vitest/node'
import type { CheckRecord, Result, Scope } from '../types.ts'

/** By Vitest project. */
const PLACES: Readonly<Record<string, Scope>> = { pod: 'pod', cluster: 'cluster' }

/**
 * The result of a test case; undefined when the command line left it out (`-t`).
 * A test without a record is inconclusive: its worker died, or Vitest ended it.
 */
export function resultOf(test: TestCase): Result | undefined {
  const state = test.result()
  const record = test.meta().record
  const file = test.module.relativeModuleId
  const about = {
    id: `${file} > ${test.name}`,
    file,
    name: test.name,
    seconds: (test.diagnostic()?.duration ?? 0) / 1000,
    findings: [],
  }
  if (record) return { ...about, ...record }
  if (state.state === 'skipped') return undefined
  const place = PLACES[test.project.name] ?? 'node'
  const lost = (code: string, seen: string): CheckRecord => ({
    check: test.name,
    place,
    verdict: 'inconclusive',
    code,
    seen,
    evidence: [],
    targets: [],
  })
  if (state.state === 'pending') return { ...about, ...lost('WORKER_DIED', 'the worker died before this check ended') }
  const message = state.state === 'failed' ? state.errors[0]?.message : undefined
  return { ...about, ...lost('CHECK_CRASHED', message?.split('\n')[0] ?? 'the check ended without a verdict') }
}
