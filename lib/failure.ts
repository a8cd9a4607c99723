/** How a check ends when it does not pass: thrown inside a check body, turned into a record by lib/check.ts. */
import type { Code } from './types.ts'

/** The network is proven bad. `name` is the stable code, so that Vitest and JUnit group by cause. */
export class CheckFailure extends Error {
  readonly hint: string | undefined
  constructor(code: Code, seen: string, hint?: string) {
    super(seen)
    this.name = code
    this.hint = hint
  }
}

/** We could not look. Never green and never a network failure. */
export class Inconclusive extends CheckFailure {}

/** The question does not apply; the message holds need and finding. */
export class NotApplicable extends Error {
  override name = 'NotApplicable'
}
