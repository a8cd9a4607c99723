/** Verdicts over many answers, looked at as an adversary would: what input gives a false green, or a false red? */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../../lib/diagnose/codes.ts'
import { allOf, isSilence, judgeEach, judgeRepeated, nameOf } from '../../../lib/probe/judge.ts'
import type { Answer, Outcome } from '../../../lib/types.ts'
import { target } from '../question/sample-plan.ts'

const here = target('198.18.2.9')
const answer = (code: string | null, said = code ?? 'connected'): Answer => ({
  target: here,
  code,
  said,
  ms: code === null ? 1.5 : null,
})
const times = (count: number, code: string | null) => Array.from({ length: count }, () => answer(code))

const codeOf = (outcome: Outcome<void>) => (outcome.ok ? null : outcome.code)
const kindOf = (code: string | null) => (code === null ? 'pass' : (CODES[code]?.kind ?? 'none'))
const anyCode = fc.constantFrom(null, ...Object.keys(CODES))
const answers = fc.array(
  anyCode.map((code) => answer(code)),
  { minLength: 1, maxLength: 30 },
)

describe('judgeEach', () => {
  it('no target at all is inconclusive, never green', () => {
    expect(judgeEach('endpoints', [])).toMatchObject({ ok: false, code: 'PROBE_INCONCLUSIVE' })
  })

  it('one bad answer of many is a failure that names it', () => {
    const bad = { ...answer('UNREACHABLE', 'no answer to any SYN'), target: target('198.18.2.7', { node: 'n3' }) }
    const outcome = judgeEach('endpoints', [...times(99, null), bad])
    expect(outcome).toMatchObject({
      ok: false,
      code: 'UNREACHABLE',
      detail: '99 of 100 endpoints answered; web (198.18.2.7:8080 on n3): no answer to any SYN',
    })
  })

  it('is green only when every answer is', () => {
    fc.assert(
      fc.property(answers, (list) => {
        expect(judgeEach('x', list).ok).toBe(list.every(({ code }) => code === null))
        expect(judgeRepeated(here, list).ok).toBe(list.every(({ code }) => code === null))
      }),
    )
  })

  it('what could not be looked at, however often, never hides what proves a fault', () => {
    fc.assert(
      fc.property(answers, (list) => {
        const proven = list.some(({ code }) => code !== null && kindOf(code) !== 'inconclusive')
        fc.pre(list.some(({ code }) => code !== null))
        for (const outcome of [judgeEach('x', list), judgeRepeated(here, list)]) {
          if (proven) expect(kindOf(codeOf(outcome))).not.toBe('inconclusive')
        }
      }),
    )
  })

  it('the code that most failing targets share wins', () => {
    const list = [answer('NO_ROUTE'), ...times(3, 'REJECTED'), ...times(9, 'PROBE_INCONCLUSIVE'), ...times(5, null)]
    expect(codeOf(judgeEach('x', list))).toBe('REJECTED')
  })

  it('names three targets and counts the rest; the table holds a hundred rows, bad ones first', () => {
    const outcome = judgeEach('endpoints', [...times(200, null), ...times(5, 'UNREACHABLE')])
    expect(outcome.detail).toMatch(/; and 2 more$/)
    const table = outcome.evidence.find((one) => one.kind === 'table')
    expect(table).toMatchObject({ omitted: 105 })
    expect(table?.rows).toHaveLength(100)
    expect(table?.rows.slice(0, 6).map((row) => row[3])).toEqual([...Array(5).fill('UNREACHABLE'), null])
  })
})

describe('judgeRepeated', () => {
  it.each([
    ['UNREACHABLE', 'BACKEND_DEAD'],
    ['NOTHING_LISTENING', 'BACKEND_DEAD'],
    ['TLS_STALLED', 'BACKEND_DEAD'],
    ['DNS_NO_ANSWER', 'BACKEND_DEAD'],
    // other backends answer the very same datagram
    ['UDP_SILENT', 'BACKEND_DEAD'],
    // a wrong answer is no dead backend, and a probe that could not look proves nothing
    ['DNS_WRONG_ANSWER', 'DNS_WRONG_ANSWER'],
    ['TLS_UNTRUSTED', 'TLS_UNTRUSTED'],
    ['PROBE_INCONCLUSIVE', 'PROBE_INCONCLUSIVE'],
  ])('%s among good attempts: %s', (code, verdict) => {
    expect(codeOf(judgeRepeated(here, [...times(19, null), answer(code)]))).toBe(verdict)
  })

  it('when all fail the code is their own', () => {
    expect(codeOf(judgeRepeated(here, times(20, 'UNREACHABLE')))).toBe('UNREACHABLE')
    expect(kindOf(codeOf(judgeRepeated(here, times(20, 'UDP_SILENT'))))).toBe('inconclusive')
  })

  it('a refusal that was heard says more than the silence around it, when nothing works', () => {
    expect(codeOf(judgeRepeated(here, [...times(19, 'UNREACHABLE'), answer('REJECTED')]))).toBe('REJECTED')
  })

  it('no attempt at all is inconclusive', () => {
    expect(kindOf(codeOf(judgeRepeated(here, [])))).toBe('inconclusive')
  })
})

describe('allOf', () => {
  const outcome = (code: string | null): Outcome<void> =>
    code === null
      ? { ok: true, value: undefined, detail: 'fine', evidence: [] }
      : { ok: false, code, detail: `seen ${code}`, evidence: [{ kind: 'scalar', name: code, value: 1 }] }

  it('nothing at all is inconclusive', () => {
    expect(kindOf(codeOf(allOf([])))).toBe('inconclusive')
  })

  it('a silent UDP port does not hide a dead TCP port after it', () => {
    expect(codeOf(allOf([outcome('UDP_SILENT'), outcome(null), outcome('UNREACHABLE')]))).toBe('UNREACHABLE')
  })

  it('one that could not look makes the rest inconclusive, not green', () => {
    expect(kindOf(codeOf(allOf([outcome(null), outcome('GATEWAY_UNPROVEN')])))).toBe('inconclusive')
  })

  it('keeps the evidence of all, and only the words of those that failed', () => {
    const judged = allOf([outcome(null), outcome('NO_ROUTE'), outcome('REJECTED')])
    expect(judged).toMatchObject({ code: 'NO_ROUTE', detail: 'seen NO_ROUTE; seen REJECTED' })
    expect(judged.evidence).toHaveLength(2)
  })

  it('is green only when all are', () => {
    fc.assert(
      fc.property(fc.array(anyCode, { minLength: 1 }), (codes) => {
        expect(allOf(codes.map(outcome)).ok).toBe(codes.every((code) => code === null))
      }),
    )
  })
})

describe('isSilence', () => {
  it.each([
    [null, false],
    ['UNREACHABLE', true],
    ['DNS_NO_ANSWER', true],
    ['UDP_SILENT', true],
    ['NOTHING_LISTENING', false],
    ['DNS_NXDOMAIN', false],
  ])('%s: %s', (code, silent) => {
    expect(isSilence(answer(code))).toBe(silent)
  })
})

describe('nameOf', () => {
  it.each([
    [target('198.18.2.9'), 'web (198.18.2.9:8080)'],
    [target('2001:db8::9', { node: 'n2' }), 'web ([2001:db8::9]:8080 on n2)'],
    [{ ...target('198.18.2.9', { name: '198.18.2.9' }), port: 53 }, '198.18.2.9:53'],
  ])('%o: %s', (one, name) => {
    expect(nameOf(one)).toBe(name)
  })
})
