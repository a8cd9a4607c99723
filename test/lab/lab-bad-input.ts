/** Bad input as data: settings, what must be said about them, and what else must come out. */
import { expect, it } from 'vitest'
import type { Lab } from './lab.ts'
import { expectConsistent } from './lab-expect.ts'
import { type ProductOptions, type ProductRun, runProduct, troubles, withVerdict } from './lab-product.ts'
import { missingFrom } from './lab-said.ts'

export interface Row {
  readonly name: string
  options(): ProductOptions
  /** Default 2: nothing is proven. */
  readonly exitCode?: 0 | 1 | 2
  /** The sentence: what, with which input, what next. */
  readonly says: RegExp
  /** Verdict and code of everything that neither passed nor was left out, each once. */
  readonly codes: readonly string[]
  /** Codes that depend on what the kernel happens to remember. */
  readonly sometimes?: readonly string[]
  /** What must have been answered all the same. */
  readonly passes?: readonly string[]
}

/** One test a row: terminal and reports say the sentence, and nothing but what depends on it is without an answer. */
export function behaves(lab: () => Lab, rows: readonly Row[]): void {
  it.each(rows)('$name', async ({ options, exitCode = 2, says, codes, sometimes = [], passes = [] }) => {
    const run = await runProduct(lab(), options())
    expect(missingFrom(run, says)).toEqual([])
    expect(codesOf(run).filter((code) => !sometimes.includes(code))).toEqual(codes.toSorted())
    expect(withVerdict(run.report, 'pass')).toEqual(expect.arrayContaining([...passes]))
    expect(run.exitCode).toBe(exitCode)
    expectConsistent(run)
  })
}

/** "fail UNREACHABLE": verdict and code of every trouble, each once, sorted. */
export const codesOf = ({ report }: ProductRun): string[] =>
  [...new Set(troubles(report).map((trouble) => `${trouble.split(' ')[0]} ${trouble.split(' ').at(-1)}`))].sort()

export const env = (variables: Readonly<Record<string, string | undefined>>) => () => ({ env: variables })

/** What can be asked from the pod without the API server. */
export const WITHOUT_API = ['pod/gateway IPv4', 'pod/gateway IPv6', 'pod/external-ping IPv4', 'pod/external-ping IPv6']
