/** A pod's addresses by the API and on its interface. Pure. */
import { canonical, covers, parsePrefix, same } from '../../packet/prefix.ts'
import type { AddressState, NamespaceState } from '../../state.ts'
import type { Family } from '../../types.ts'
import { downHint, isUp, podDevice } from './pod-device.ts'
import { fine, listed, notApplicable, type StateVerdict, table } from './verdict.ts'

export interface PodAddressFacts {
  readonly pod: NamespaceState
  readonly declared: readonly string[]
  readonly family: Family
  readonly netnsPath: string
}

/**
 * Codes: ADDRESS_MISSING (LINK_DOWN where it went with the interface), DUPLICATE_ADDRESS (IPv6: the kernel found another owner
 * and does not use it, RFC 4862), ADDRESS_FOREIGN (a warning: one more of the pod's own range on the same interface).
 */
export function judgePodAddresses(facts: PodAddressFacts): StateVerdict {
  const { pod, family, netnsPath } = facts
  const declared = facts.declared.filter((address) => parsePrefix(address)?.family === family).map(canonical)
  if (declared.length === 0) {
    return notApplicable(`an IPv${family} address of the pod`, `it has ${facts.declared.join(', ') || 'none'}`)
  }
  const there = pod.addresses.filter((one) => one.family === family)
  const evidence = table(
    'addresses',
    ['address', 'interface', 'scope', 'state'],
    there.map((one) => [`${one.address}/${one.prefixLength}`, one.device, one.scope, stateOf(one)]),
  )
  const missing = declared.filter((address) => !there.some((one) => canonical(one.address) === address))
  const device = podDevice(pod, facts.declared)
  if (missing.length > 0) {
    if (device && !isUp(device)) {
      const detail = `${device.name} is down, and ${listed(missing)} went with it`
      return { is: 'broken', code: 'LINK_DOWN', detail, hint: downHint(device.name, netnsPath), evidence }
    }
    const where = device ? `on ${device.name} nor elsewhere in the pod` : 'anywhere in the pod'
    const detail = `the API says that the pod has ${listed(missing)}, which is not ${where}`
    const hint =
      'Delete the pod, so that the CNI plug-in sets it up again. If something in the pod takes its address away (a container with NET_ADMIN), that comes back.'
    return { is: 'broken', code: 'ADDRESS_MISSING', detail, hint, evidence }
  }
  const refused = there.filter((one) => one.dadFailed && declared.includes(canonical(one.address)))
  if (refused.length > 0) {
    const detail = `duplicate address detection found another owner of ${listed(refused.map(({ address }) => address))}: the kernel does not use it`
    const hint = 'Find the other owner: `ip -6 neigh` on the node, and the CNI’s allocations; then delete the pod.'
    return { is: 'broken', code: 'DUPLICATE_ADDRESS', detail, hint, evidence }
  }
  const foreign = device?.kind === 'veth' ? there.filter((one) => isForeign(one, there, declared)) : []
  if (foreign.length > 0) {
    const names = foreign.map(({ address }) => address)
    const detail = `${device?.name ?? 'the interface'} holds ${listed(names)} of the pod’s own range, of which the API knows nothing`
    const hint = `Whose it is, the CNI’s allocations say; another pod may be given it. Where nobody claims it: ${foreign.map((one) => `\`nsenter --net=${netnsPath} ip address del ${one.address}/${one.prefixLength} dev ${one.device}\``).join(', ')}.`
    return { is: 'doubtful', code: 'ADDRESS_FOREIGN', detail, hint, evidence }
  }
  return fine(`${declared.join(', ')} on ${device?.name ?? 'the pod'}`, evidence)
}

/**
 * Given like the pod's own: on the same interface, of the same range and prefix length. Further networks are on other interfaces;
 * a virtual address that moves has a prefix of its own (/32); what a router advertised (RFC 4862) runs out.
 */
function isForeign(one: AddressState, there: readonly AddressState[], declared: readonly string[]): boolean {
  if (one.scope !== 'global' || one.dynamic || declared.includes(canonical(one.address))) return false
  const range = (at: AddressState) => parsePrefix(`${at.address}/${at.prefixLength}`)
  const [mine, single] = [range(one), parsePrefix(one.address)]
  if (mine === null || single === null || same(mine, single)) return false
  return there.some((own) => {
    const other = range(own)
    return (
      declared.includes(canonical(own.address)) &&
      own.device === one.device &&
      other !== null &&
      same(other, mine) &&
      covers(other, single)
    )
  })
}

const stateOf = ({ dadFailed, tentative }: AddressState): string =>
  dadFailed ? 'duplicate, not used' : tentative ? 'tentative' : 'in use'
