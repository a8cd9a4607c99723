import { describe, expect, test } from 'vitest'
import type { Finding, Report, Result } from '../../../lib/types.ts'
import type { Entry } from '../../e2e/catalogue/entry.ts'
import { judgePair } from '../../e2e/catalogue/pairs.ts'
import { documentOf, passes, scoreOf } from '../../e2e/catalogue/table.ts'
import { judge } from '../../e2e/catalogue/trial.ts'

const nothing = async () => {}
const entry = (more: Partial<Entry> = {}): Entry => ({
  ...{ name: 'a rule', class: 'firewall', place: 'node', touches: ['external'], root: ['FIREWALL_DROPS'] },
  ...{ inject: nothing, undo: nothing },
  ...more,
})
const finding = (code: string, explains: readonly string[], cause = 'the rule "drop" in chain fault'): Finding => ({
  ...{ id: code, code, cause, confidence: 'proven', evidence: [], remedy: '', explains, again: '', hides: null },
})
const failing = (id: string) =>
  ({
    id,
    verdict: 'fail',
    check: id,
    file: `checks/pod/${id}.test.ts`,
    family: 4,
    code: 'UNREACHABLE',
    evidence: [],
  }) as unknown as Result
const met = (findings: readonly Finding[], results: readonly Result[]) => ({
  report: { findings, results } as unknown as Report,
  ...{ exitCode: results.length > 0 ? 1 : 0, seconds: 1 },
})

describe('a fault is judged', () => {
  test('as found with its cause first, everything explained, nothing false', () => {
    const trial = judge(
      entry({ names: /fault/ }),
      met([finding('FIREWALL_DROPS', ['a', 'b'])], [failing('a'), failing('b')]),
      [],
    )
    expect(trial).toMatchObject({ found: true, rightFirst: true, remedyWorks: true, failures: 2, explained: 2 })
    expect(trial.complaints).toEqual([])
  })

  test('as wrong when the first finding has another code', () => {
    const trial = judge(
      entry(),
      met([finding('LOST_ON_NODE', ['a']), finding('FIREWALL_DROPS', ['b'])], [failing('a'), failing('b')]),
      [],
    )
    expect(trial).toMatchObject({ rightFirst: false, explained: 1, falseFindings: ['LOST_ON_NODE'] })
  })

  test('as wrong when the first finding names another rule', () => {
    expect(judge(entry({ names: /mine/ }), met([finding('FIREWALL_DROPS', ['a'])], [failing('a')]), [])).toMatchObject({
      rightFirst: false,
    })
  })

  test('as not mended when something is left after the remedy', () => {
    expect(judge(entry(), met([finding('FIREWALL_DROPS', ['a'])], [failing('a')]), ['left'])).toMatchObject({
      remedyWorks: false,
    })
  })

  test('as harmless when nothing is to be found and nothing is', () => {
    expect(judge(entry({ root: [] }), met([], []), null)).toMatchObject({
      found: true,
      rightFirst: true,
      remedyWorks: null,
      complaints: [],
    })
  })
})

describe('two faults at once', () => {
  const other = entry({ name: 'a tunnel', class: 'tunnel', root: ['TUNNEL_UNANSWERED'] })

  test('are both named', () => {
    expect(
      judgePair([entry(), other], [finding('FIREWALL_DROPS', []), finding('TUNNEL_UNANSWERED', [])]).complaints,
    ).toEqual([])
  })

  test('of one kind need two findings', () => {
    expect(judgePair([entry(), entry()], [finding('FIREWALL_DROPS', [])]).named).toEqual([true, false])
  })

  test('may be hidden, one by the other, if the report says so', () => {
    const hiding = { ...finding('FIREWALL_DROPS', []), hides: 'what lies beyond' }
    expect(judgePair([entry(), other], [hiding]).complaints).toEqual([])
    expect(judgePair([entry(), other], [finding('FIREWALL_DROPS', [])]).complaints).toHaveLength(1)
  })
})

test('of 20 trials 19 must be right, and no finding false', () => {
  const right = judge(entry(), met([finding('FIREWALL_DROPS', ['a'])], [failing('a')]), [])
  const wrong = judge(entry(), met([], [failing('a')]), null)
  const trials = [...Array(19).fill(right), wrong]
  expect(passes(scoreOf(trials))).toBe(true)
  expect(passes(scoreOf([...trials, wrong]))).toBe(false)
  expect(passes(scoreOf([...trials, { ...right, falseFindings: ['LOST_ON_NODE'] }]))).toBe(false)
  expect(documentOf(7, trials, [])).toContain('- right cause first: 19 (95 %)')
})
