import { describe, expect, it } from 'vitest'
import { missingCapabilities } from '../../../lib/netns/capabilities.ts'

const names = (effective: string) =>
  missingCapabilities(`Name:\tnode\nCapEff:\t${effective}\nCapBnd:\tff\n`).map(({ name }) => name)

describe('missingCapabilities', () => {
  it.each([
    // root of the node, of a default container, of a container with NET_RAW only, and an ordinary user
    ['000001ffffffffff', []],
    ['00000000a80425fb', ['CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN']],
    ['0000000000002000', ['CAP_NET_ADMIN', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN']],
    ['0000000000281000', ['CAP_NET_RAW']],
    ['0000000000000000', ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_PTRACE', 'CAP_SYS_ADMIN']],
  ])('%s lacks %j', (effective, missing) => {
    expect(names(effective)).toEqual(missing)
  })

  it('a status without capabilities grants none', () => {
    expect(missingCapabilities('Name:\tnode\n')).toHaveLength(4)
  })

  it('says what each is for, and reads this process', () => {
    expect(missingCapabilities('').every((one) => one.for.length > 5)).toBe(true)
    expect(missingCapabilities()).toEqual(process.getuid?.() === 0 ? [] : expect.any(Array))
  })
})
