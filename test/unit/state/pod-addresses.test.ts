import { describe, expect, it } from 'vitest'
import { judgePodAddresses } from '../../../lib/probe/state/pod-addresses.ts'
import type { AddressState, NamespaceState } from '../../../lib/state.ts'
import { address, DECLARED, link, pod, V4, V6 } from './sample-state.ts'

const judge = (own: NamespaceState, family: 4 | 6 = 4, declared: readonly string[] = DECLARED) =>
  judgePodAddresses({ pod: own, declared, family, netnsPath: '/run/netns/x' })
const beside = (...more: AddressState[]) => pod({ addresses: [...pod().addresses, ...more] })
const lo = pod().links.slice(0, 1)

describe('judgePodAddresses', () => {
  it.each([4, 6] as const)('the address of IPv%i is there', (family) => {
    expect(judge(pod(), family)).toMatchObject({ is: 'fine' })
  })

  it('a family that the API gives no address does not apply', () => {
    expect(judge(pod(), 6, [V4])).toMatchObject({ is: 'not-applicable' })
  })

  it('however it is written', () => {
    expect(judge(pod(), 6, [V4, '2001:0DB8:18:1:0::4'])).toMatchObject({ is: 'fine' })
  })

  it('it is missing', () => {
    expect(judge(pod({ addresses: [address(V6)] }))).toMatchObject({ is: 'broken', code: 'ADDRESS_MISSING' })
  })

  it('it went with the interface', () => {
    const own = pod({ links: [...lo, link('eth0', { flags: [] })], addresses: [address(V4)] })
    expect(judge(own, 6)).toMatchObject({ is: 'broken', code: 'LINK_DOWN' })
    expect(judge(own, 4)).toMatchObject({ is: 'fine' })
  })

  it('duplicate address detection refused it', () => {
    const own = pod({ addresses: [address(V4), address(V6, { dadFailed: true })] })
    expect(judge(own, 6)).toMatchObject({ is: 'broken', code: 'DUPLICATE_ADDRESS' })
  })

  it('one more of its range, which nobody gave', () => {
    expect(judge(beside(address('198.18.1.77')))).toMatchObject({
      is: 'doubtful',
      code: 'ADDRESS_FOREIGN',
      hint: expect.stringContaining('ip address del 198.18.1.77/24 dev eth0'),
    })
  })

  it.each([
    ['a further network’s (Multus)', address('192.0.2.9', { device: 'net1' }), 4],
    ['of its range on a further network', address('198.18.1.9', { device: 'net1' }), 4],
    ['a virtual one that moves', address('198.18.1.99', { prefixLength: 32 }), 4],
    ['link-local', address('fe80::1', { scope: 'link' }), 6],
    ['by router advertisement', address('2001:db8:18:1::abcd', { dynamic: true }), 6],
  ] as const)('no alarm for one more, %s', (_, more, family) => {
    expect(judge(beside(more), family)).toMatchObject({ is: 'fine' })
  })

  it('no alarm where each address is a range of its own (Calico, AWS)', () => {
    const single = (text: string) => address(text, { prefixLength: 32 })
    expect(judge(pod({ addresses: [single(V4), single('198.18.1.77')] }), 4)).toMatchObject({ is: 'fine' })
  })
})
