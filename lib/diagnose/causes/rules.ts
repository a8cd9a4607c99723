/** Rules of packet filters that the packets of a branch meet. */
import type { FilterSeen } from '../../state.ts'
import type { Around, Draft } from '../cause.ts'
import { askingSide, called } from '../names.ts'
import type { Branch } from '../trace.ts'
import { byKubeProxy } from './services.ts'

/** Hooks that packets meet on their way in, out, and through. */
export const COMING = ['ingress', 'prerouting', 'input']
export const LEAVING = ['output', 'postrouting', 'egress']
export const THROUGH = ['ingress', 'prerouting', 'input', 'forward', 'postrouting', 'egress']

const isOfKubeProxy = ({ chain }: FilterSeen): boolean => /kube-proxy|KUBE-/.test(chain)

/** The rule at one of those hooks for the branch's packets; a certain one goes before one that only may match. */
export function filterAt(
  { flow, destination }: Branch,
  side: FilterSeen['side'],
  hooks: readonly string[],
  of: FilterSeen['of'],
): FilterSeen | undefined {
  const here = flow.filters.filter(
    (one) =>
      one.side === side &&
      hooks.includes(one.hook) &&
      one.of === of &&
      [destination, flow.target.address].includes(one.destination) &&
      // kube-proxy refuses much that is not asked: only what is sure says anything
      (one.certain || !isOfKubeProxy(one)),
  )
  return here.find(({ certain }) => certain) ?? here[0]
}

/** A rule that refuses the branch's packets for sure. */
export const certainReject = (
  { flow, destination }: Branch,
  which: (filter: FilterSeen) => boolean = () => true,
): FilterSeen | undefined =>
  flow.filters.find(
    (one) =>
      one.verdict === 'reject' &&
      one.certain &&
      [destination, flow.target.address].includes(one.destination) &&
      which(one),
  )

/** A rule drops or refuses them. */
export function byFilter(filter: FilterSeen, branch: Branch, around: Around): Draft {
  const { names, place } = around
  const where =
    filter.side === 'node' || around.sides.fromNode
      ? `node ${names.node}`
      : filter.side === 'own'
        ? `pod ${names.pod}`
        : called(branch.destination, names)
  const what =
    filter.of === 'answer'
      ? `answers of ${called(branch.destination, names)}`
      : filter.of === 'probe'
        ? `packets from ${askingSide(place, names)} to ${called(branch.destination, names)}`
        : 'tunnel packets'
  if (isOfKubeProxy(filter)) return byKubeProxy(filter, branch, around)
  const does = filter.verdict === 'drop' ? 'drops' : 'refuses'
  return {
    code: filter.verdict === 'drop' ? 'FIREWALL_DROPS' : 'FIREWALL_REJECTS',
    key: `FIREWALL ${filter.side} ${filter.chain} ${filter.rule}`,
    cause: `On ${where} the rule "${filter.rule}" in ${filter.chain} ${does} ${what}.`,
    confidence: filter.certain ? 'proven' : 'likely',
    remedy: filter.remove
      ? `Remove the rule, or let these packets pass before it: \`${filter.remove}\` on ${where}. Find out who made it, or it comes back: \`${filter.show}\`.`
      : `Change the rule where it is made; see it: \`${filter.show}\` on ${where}.`,
    hides: `what lies beyond that rule`,
  }
}
