/** What stands behind a failure code, and how its three kinds are written. */
export interface CodeText {
  /** One sentence: what this says about the network, or why nothing can be said. */
  readonly means: string
  /** The next step, with commands to copy. */
  readonly remedy: string
  /** How a check ends with this code. `fail` codes may also come as a warning. */
  readonly kind: 'fail' | 'warn' | 'inconclusive'
}

const text =
  (kind: CodeText['kind']) =>
  (means: string, remedy: string): CodeText => ({ kind, means, remedy })

export const fail = text('fail')
export const warn = text('warn')
export const inconclusive = text('inconclusive')
