/** Where on its way a part of a flow's packets is lost: pure. */
import type { FilterSeen, FlowSeen, Station } from '../state.ts'
import type { Around, Cause } from './cause.ts'
import { askingSide, called } from './names.ts'

/** Packets that reached one point of the way. */
interface Point {
  readonly name: string
  readonly onWayBack: boolean
  /** Outside of what can be watched: everything between leaving this node and coming back. */
  readonly afterBeyond: boolean
  readonly packets: number
}

/** Less than this share is chance, or a packet that was under way when a window ended. */
const LEAST_SHARE = 0.03

/** The step of the way on which the largest share is lost; null where nothing stands out. */
export function lossOf(flow: FlowSeen, around: Around): Cause | null {
  const points = pointsOf(flow, around)
  const steps = points.slice(1).map((to, index) => ({ from: points[index] as Point, to }))
  const share = ({ from, to }: (typeof steps)[number]) =>
    from.packets === 0 ? 0 : (from.packets - to.packets) / from.packets
  const [worst] = steps.toSorted((a, b) => share(b) - share(a))
  if (!worst || share(worst) < LEAST_SHARE) return null
  const { from, to } = worst
  const { names, place } = around
  const beyond = to.afterBeyond && !from.afterBeyond
  const target = called(flow.target.address, names)
  const lost = `${from.packets - to.packets} of ${from.packets}`
  const what = `packets of ${askingSide(place, names)} to ${target}`
  const rule = beyond ? undefined : ruleOfChance(flow, to.onWayBack)
  return {
    code: 'PACKET_LOSS',
    key: `PACKET_LOSS ${rule ? `${rule.chain} ${rule.rule}` : beyond ? `beyond ${names.who.get(flow.target.address)?.node ?? flow.target.role}` : `${from.name} ${to.name}`}`,
    cause: beyond
      ? `Of the ${what}, ${lost} that left node ${names.node} were not answered: they, or their answers, are lost beyond it.`
      : `Of the ${what}, ${lost} are lost between ${from.name} and ${to.name}${to.onWayBack ? ', on the way back' : ''}${rule ? `; the rule "${rule.rule}" in ${rule.chain} drops by chance or limit` : ''}.`,
    confidence: beyond ? 'likely' : 'proven',
    remedy: beyond
      ? 'Look for drops beyond this node: `ip -s link` and `ethtool -S <nic>` on the other node, the ports of switches between, limits of the cloud; compare with the way to other nodes.'
      : rule?.remove
        ? `Remove the rule, or widen its limit: \`${rule.remove}\` on node ${names.node}. Find out who made it, or it comes back: \`${rule.show}\`.`
        : `Look between the two on ${names.node}: rules with limits or chance (\`nft list ruleset\`), queues (\`tc -s qdisc\`), \`ip -s link\`.`,
    evidence: [
      {
        kind: 'table',
        name: `packets of ${flow.target.address} on their way`,
        columns: ['point', 'packets'],
        rows: points.map(({ name, packets }) => [name, packets]),
      },
    ],
    hides: null,
  }
}

/** A rule on this node, on that way, that drops a part of what it matches. */
const ruleOfChance = ({ filters }: FlowSeen, onWayBack: boolean): FilterSeen | undefined =>
  filters.find(
    ({ side, of, rule }) =>
      side === 'node' &&
      of === (onWayBack ? 'answer' : 'probe') &&
      /numgen (?:random|inc)|statistic|limit|quota/.test(rule),
  )

function pointsOf(flow: FlowSeen, { names }: Around): Point[] {
  const total = ({ seen }: Station) => seen.reduce((sum, times) => sum + times, 0)
  const sides = { own: 'the asking side', node: `node ${names.node}`, target: 'the target pod' }
  const point = (station: Station, onWayBack: boolean): Point => ({
    name: `${station.outgoing ? 'leaving' : 'entering'} ${station.device} of ${sides[station.side]}`,
    onWayBack,
    afterBeyond: onWayBack,
    packets: total(station),
  })
  const of = (kind: Station['kind']) => flow.stations.filter((one) => one.kind === kind)
  const there = of('probe').map((station) => point(station, false))
  // stations are listed by side; the way back ends at the asking side
  const answers = of('answer')
  const back = [
    ...answers.filter(({ side }) => side === 'target'),
    ...answers.filter(({ side }) => side === 'node'),
    ...answers.filter(({ side }) => side === 'own'),
  ].map((station) => point(station, true))
  return [...there, ...back]
}
