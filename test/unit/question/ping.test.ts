/** Ping and what else the target said: a filter, a dead path, loss. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { EchoResult } from '../../../lib/probe/icmp.ts'
import { judgePing, type SignOfLife, signOfLife } from '../../../lib/question/pod.ts'
import { target } from './sample-plan.ts'

const prohibited = { kind: 'prohibited', from: '198.51.100.7', text: 'prohibited', code: 'icmp 3/13' } as const
const echo = (
  sent: number,
  received: number,
  error: EchoResult['error'] = null,
  address = '198.18.2.9',
): EchoResult => {
  const { port: _, ...one } = target(address)
  return { target: one, sent, received, rttsMs: Array.from({ length: received }, () => 0.5), error }
}
const judge = (results: readonly EchoResult[], sign: SignOfLife = null) => {
  const { reached, icmp, heavyLoss, someLoss } = judgePing('pods', results, () => sign)
  return [reached, icmp, heavyLoss, someLoss].map((outcome) => (outcome.ok ? null : outcome.code))
}

describe('judgePing', () => {
  it.each([
    ['all answered', echo(3, 3), null, [null, null, null, null]],
    ['silent, nothing else either', echo(23, 0), null, ['UNREACHABLE', null, null, null]],
    ['silent, a port answers', echo(23, 0), 'answered', [null, 'ICMP_FILTERED', null, null]],
    ['silent, a port refuses', echo(23, 0), 'refused', [null, 'ICMP_FILTERED', null, null]],
    ['refused by ICMP, a port answers', echo(5, 0, prohibited), 'answered', [null, 'ICMP_FILTERED', null, null]],
    // the same firewall may have refused both
    ['refused by ICMP, a port refuses', echo(5, 0, prohibited), 'refused', ['REJECTED', null, null, null]],
    ['refused by ICMP, nothing else', echo(5, 0, prohibited), null, ['REJECTED', null, null, null]],
    ['nothing sent, a port answers', echo(0, 0), 'answered', ['PROBE_INCONCLUSIVE', null, null, null]],
    ['hardly any loss', echo(125, 120), null, [null, null, null, null]],
    ['little loss', echo(125, 115), null, [null, null, null, 'PACKET_LOSS']],
    ['much loss', echo(25, 12), null, [null, null, 'PACKET_LOSS', null]],
  ] as const)('%s', (_, result, sign, codes) => {
    expect(judge([result], sign)).toEqual(codes)
  })

  it('no target is inconclusive', () => {
    expect(judge([])[0]).toBe('PROBE_INCONCLUSIVE')
  })

  it('one dead target among filtered ones is dead', () => {
    const dead = echo(5, 0, null, '198.18.2.7')
    const { reached, icmp } = judgePing('pods', [echo(5, 0), echo(3, 3), dead], ({ address }) =>
      address === '198.18.2.7' ? null : 'answered',
    )
    expect(reached).toMatchObject({ ok: false, code: 'UNREACHABLE' })
    expect(reached.detail).toContain('198.18.2.7')
    expect(icmp).toMatchObject({ ok: false, code: 'ICMP_FILTERED' })
    expect(icmp.detail).not.toContain('198.18.2.7')
  })

  it('says what was lost, and not that nobody answered', () => {
    const { someLoss } = judgePing('pods', [echo(25, 23), ...Array.from({ length: 4 }, () => echo(50, 45))], () => null)
    expect(someLoss.detail).toBe(
      'web (198.18.2.9): 8 % of 25 echoes lost; web (198.18.2.9): 10 % of 50 echoes lost; web (198.18.2.9): 10 % of 50 echoes lost; and 2 more',
    )
  })

  it('is wholly green only when hardly an echo of any target is missing', () => {
    const results = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 30 }), fc.nat(30)).map(([sent, lost]) => echo(sent, Math.max(0, sent - lost))),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(results, fc.constantFrom<SignOfLife>(null, 'answered', 'refused'), (list, sign) => {
        const green = judge(list, sign).every((code) => code === null)
        expect(green).toBe(list.every(({ sent, received }) => received > 0 && (sent - received) / sent < 0.05))
      }),
    )
  })

  it('shows round trip times of every target, the lossiest first', () => {
    const { reached } = judgePing('pods', [echo(3, 3), echo(25, 20, null, '198.18.2.7')], () => null)
    const table = reached.evidence.find(({ name }) => name === 'echoes')
    expect(table).toMatchObject({ rows: [['web', '198.18.2.7', 25, 20, 20, 0.5, 0.5, 0.5], expect.anything()] })
  })
})

describe('signOfLife', () => {
  it.each([
    [[], null],
    [['silent', 'rejected', 'no-route', 'local-error', 'not-asked'], null],
    [['silent', 'refused'], 'refused'],
    [['refused', 'connected'], 'answered'],
    // UDP: an answer proves the path as well
    [['silent', 'answered'], 'answered'],
  ] as const)('%j: %s', (states, sign) => {
    expect(signOfLife(states.map((state) => ({ state })))).toBe(sign)
  })
})
