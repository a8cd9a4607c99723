import { describe, expect, test } from 'vitest'
import { type EchoResult, judgeEcho } from '../../../lib/probe/icmp.ts'
import { localError, remoteError } from '../../../lib/probe/icmp-result.ts'
import {
  type EchoLimits,
  forgetSent,
  grantMore,
  isDecided,
  newRow,
  noteAnswer,
  noteRefused,
  noteSent,
  rowResult,
} from '../../../lib/probe/icmp-row.ts'
import type { Target } from '../../../lib/types.ts'

const target: Target = { role: 'the target', name: 'b', address: '203.0.113.2', family: 4 }
const result = (sent: number, received: number, error: EchoResult['error'] = null): EchoResult => ({
  target,
  sent,
  received,
  error,
  rttsMs: Array.from({ length: received }, (_, n) => n + 1),
})
const hostUnreachable = remoteError('198.51.100.1', {
  reason: 'unreachable',
  type: 3,
  code: 1,
  text: 'host unreachable',
})

describe('judgeEcho', () => {
  test.for([
    ['answered', result(3, 3)],
    ['answered', result(3, 3, hostUnreachable)],
    ['answered', result(100, 96)],
    ['lossy', result(100, 95)],
    ['lossy', result(1000, 801)],
    ['very-lossy', result(10, 8)],
    ['very-lossy', result(23, 1, hostUnreachable)],
    ['silent', result(23, 0)],
    ['rejected', result(3, 0, hostUnreachable)],
    ['rejected', result(3, 0, localError('EPERM'))],
    ['no-route', result(3, 0, localError('ENETUNREACH'))],
    ['no-route', result(3, 0, localError('EHOSTUNREACH'))],
    ['no-route', result(3, 0, localError('EINVAL'))],
    ['no-route', result(3, 0, localError('EACCES'))],
    ['not-measured', result(0, 0, { kind: 'local', from: null, text: 'x', code: 'PERMISSION_MISSING' })],
    ['not-measured', result(0, 0, { kind: 'local', from: null, text: 'x', code: 'NATIVE_MODULE_MISSING' })],
    ['not-measured', result(3, 0, localError('EAGAIN'))],
    ['not-measured', result(0, 0)],
  ] as const)('%s', ([state, measured]) => {
    expect(judgeEcho(measured).state).toBe(state)
  })

  test('loss and times', () => {
    expect(judgeEcho(result(4, 3))).toEqual({ state: 'very-lossy', loss: 0.25, min: 1, avg: 2, max: 3 })
    expect(judgeEcho(result(0, 0))).toMatchObject({ loss: 1, min: null, avg: null, max: null })
  })
})

test('an error says who and what in the field’s words', () => {
  expect(hostUnreachable).toEqual({
    kind: 'unreachable',
    from: '198.51.100.1',
    text: 'host unreachable, says 198.51.100.1',
    code: 'icmp 3/1',
  })
  expect(remoteError('192.0.2.1', { reason: 'prohibited', type: 3, code: 13, text: 'x' }).kind).toBe('prohibited')
  expect(remoteError('192.0.2.1', { reason: 'time-exceeded', type: 11, code: 0, text: 'x' }).kind).toBe('time-exceeded')
})

describe('how many echoes a target gets, and when it is decided', () => {
  const limits: EchoLimits = { probes: 2, intervalMs: 20, timeoutMs: 2000, moreWhenSilent: 3 }
  const reply = { kind: 'reply', rttMs: 1 } as const
  const rejection = {
    kind: 'error',
    rttMs: 1,
    from: '198.51.100.1',
    error: {
      kind: 'error',
      type: 3,
      code: 1,
      reason: 'unreachable',
      text: 'host unreachable',
      mtu: undefined,
      quote: null,
    },
  } as const
  const sentTwice = () => {
    const row = newRow(target, limits)
    return { row, first: noteSent(row, limits, 0), second: noteSent(row, limits, 20) }
  }

  test('all answered: decided at once, nothing more', () => {
    const { row, first, second } = sentTwice()
    noteAnswer(row, first, reply)
    expect(isDecided(row, limits, 21)).toBe(false)
    noteAnswer(row, second, reply)
    grantMore(row, limits, 22)
    expect(isDecided(row, limits, 22)).toBe(true)
    expect(rowResult(row)).toEqual({ target, sent: 2, received: 2, rttsMs: [1, 1], error: null })
  })

  test('one overdue of two earns 20 more, once', () => {
    const { row, second } = sentTwice()
    noteAnswer(row, second, reply)
    grantMore(row, limits, 299)
    expect(row.budget).toBe(2)
    grantMore(row, limits, 301)
    grantMore(row, limits, 302)
    expect(row.budget).toBe(22)
  })

  test('a silent target earns its few, and the rest as soon as it answers', () => {
    const { row, second } = sentTwice()
    grantMore(row, limits, 400)
    expect(row.budget).toBe(5)
    noteAnswer(row, second, reply)
    grantMore(row, limits, 500)
    expect(row.budget).toBe(22)
  })

  test('silence is waited out to the timeout after the last echo', () => {
    const { row } = sentTwice()
    expect(isDecided(row, limits, 2020)).toBe(false)
    expect(isDecided(row, limits, 2021)).toBe(true)
  })

  test('rejected echoes earn nothing and are not waited for', () => {
    const { row, first, second } = sentTwice()
    noteAnswer(row, first, rejection)
    grantMore(row, limits, 100)
    expect(row.budget).toBe(2)
    expect(isDecided(row, limits, 100)).toBe(false)
    expect(isDecided(row, limits, 521)).toBe(true)
    noteAnswer(row, second, rejection)
    expect(isDecided(row, limits, 100)).toBe(true)
  })

  test('more than one lost of those earns 100 more, once; one alone, or half of them, does not', () => {
    const lostOf = (lost: number) => {
      const { row, second } = sentTwice()
      noteAnswer(row, second, reply)
      grantMore(row, limits, 301)
      for (let i = 0; i < 20; i++) {
        const waiting = noteSent(row, limits, 400)
        if (i >= lost - 1) noteAnswer(row, waiting, reply)
      }
      grantMore(row, limits, 500)
      const soon = row.budget
      grantMore(row, limits, 700)
      grantMore(row, limits, 701)
      return [soon, row.budget]
    }
    expect([1, 2, 10, 11].map(lostOf)).toEqual([
      [22, 22],
      [22, 122],
      [22, 122],
      [22, 22],
    ])
  })

  test('one rejection among replies is loss and earns more', () => {
    const { row, first, second } = sentTwice()
    noteAnswer(row, first, reply)
    noteAnswer(row, second, rejection)
    grantMore(row, limits, 30)
    expect(row.budget).toBe(22)
  })

  test('a refused send counts as sent, a full buffer does not', () => {
    const { row, first, second } = sentTwice()
    noteRefused(row, first, 'EPERM')
    forgetSent(row, second)
    expect(rowResult(row)).toMatchObject({ sent: 1, received: 0, error: { kind: 'local', code: 'EPERM' } })
  })
})
