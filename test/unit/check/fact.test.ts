/** Facts inside a check, and what an unknown one must never become: green, or a failure of the network. */
import { describe, expect, it } from 'vitest'
import { addressOf, endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../../../lib/fact.ts'
import { CheckFailure, Inconclusive, NotApplicable } from '../../../lib/failure.ts'
import { absent, endpoint, known, unknown } from '../question/sample-plan.ts'

const thrown = (work: () => unknown): Error => {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not throw')
}

describe('given', () => {
  it('hands out what is known, false and empty values too', () => {
    for (const value of ['x', '', 0, false, null, []]) expect(given(known(value))).toBe(value)
  })

  it('unknown is inconclusive with code, reason and hint', () => {
    const error = thrown(() => given(unknown('API_FORBIDDEN')))
    expect(error).toBeInstanceOf(Inconclusive)
    expect(error).toMatchObject({
      name: 'API_FORBIDDEN',
      message: 'reason of API_FORBIDDEN',
      hint: 'hint of API_FORBIDDEN',
    })
  })

  it('absent is not applicable, with need and finding', () => {
    const error = thrown(() => given(absent('DST_SVC')))
    expect(error).toBeInstanceOf(NotApplicable)
    expect(error).not.toBeInstanceOf(CheckFailure)
    expect(error.message).toBe('needs DST_SVC, not set')
  })
})

describe('needed', () => {
  it.each([[undefined], [null], [[]]])('%j is missing', (value) => {
    expect(thrown(() => needed(value, 'x', 'it has none'))).toMatchObject({ message: 'needs x, it has none' })
  })
  it.each([[0], [''], [false], [['a']]])('%j is there', (value) => {
    expect(needed(value, 'x', 'y')).toBe(value)
  })
})

describe('families', () => {
  it('tells addresses apart', () => {
    expect([familyOf('198.18.1.1'), familyOf('2001:db8::1'), familyOf('fe80::1%eth0')]).toEqual([4, 6, 6])
    expect(addressOf(['198.18.1.1', '2001:db8::1'], 6)).toBe('2001:db8::1')
    expect(addressOf(['198.18.1.1'], 6)).toBeUndefined()
    expect(familyName(6)).toBe('IPv6')
    expect(ofFamily([endpoint('198.18.1.1'), endpoint('2001:db8::1')], 4)).toHaveLength(1)
  })
})

describe('endpointTarget', () => {
  it('is named by its pod, else by its address, and tells its node', () => {
    const one = endpoint('198.18.2.9', { pod: 'web-1', zone: 'a' })
    expect(endpointTarget('r', one)).toEqual({
      role: 'r',
      name: 'web-1',
      address: '198.18.2.9',
      family: 4,
      protocol: 'tcp',
      port: 8080,
      node: 'n2',
      zone: 'a',
    })
    const { node: _, ...nowhere } = endpoint('198.18.2.9')
    expect(endpointTarget('r', nowhere, 'icmp')).toMatchObject({ name: '198.18.2.9', protocol: 'icmp' })
    expect(endpointTarget('r', nowhere)).not.toHaveProperty('node')
  })
})

describe('how a check ends', () => {
  it('carries its code as the name of the error, and its next step', () => {
    expect(new CheckFailure('UNREACHABLE', 'seen', 'do')).toMatchObject({
      name: 'UNREACHABLE',
      message: 'seen',
      hint: 'do',
    })
    expect(new Inconclusive('TIMED_OUT', 'seen').hint).toBeUndefined()
  })
})
