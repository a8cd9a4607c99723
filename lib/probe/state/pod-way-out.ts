/** What a pod's own routes and rules make of what it must reach. Pure: where they may refuse, the kernel is asked. */
import { canonical, covers, type Prefix, parsePrefix } from '../../packet/prefix.ts'
import type { LinkState, NamespaceState, NeighbourState, RouteState, RuleState } from '../../state.ts'
import type { Family, Target } from '../../types.ts'
import { downHint, isUp, podDevice, vethPeer } from './pod-device.ts'
import { fine, listed, type StateVerdict, table } from './verdict.ts'

export interface WayOutFacts {
  readonly pod: NamespaceState
  readonly node: NamespaceState
  readonly declared: readonly string[]
  readonly family: Family
  readonly netnsPath: string
}

/** The kernel's answer for one target; null: it would send. Else in its own words: "Permission denied". */
export interface KernelSaid {
  readonly target: Target
  readonly refusal: string | null
}

const REFUSES: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit'])

/** Whether the routes and rules alone cannot say that everything is sent: then the kernel has to be asked for each target. */
export function mayRefuse({ pod, family }: WayOutFacts): boolean {
  const routes = pod.routes.filter((route) => route.family === family)
  const leads = routes.some(({ destination, type }) => destination === 'default' && type === 'unicast')
  return (
    !leads || routes.some(({ type }) => REFUSES.has(type)) || rulesOf(pod, family).some(({ action }) => action !== null)
  )
}

const rulesOf = ({ rules }: NamespaceState, family: Family): readonly RuleState[] =>
  rules.filter((rule) => rule.family === family)

/**
 * Codes: POD_ROUTE_BLOCKED (a rule or route of the pod refuses a target), NO_DEFAULT_ROUTE and NO_ROUTE (nothing leads to one),
 * LINK_DOWN and ADDRESS_MISSING (routes went with the interface or address), GATEWAY_MAC_WRONG (a permanent neighbour entry leads past the node).
 */
export function judgeWayOut(facts: WayOutFacts, said: readonly KernelSaid[]): StateVerdict {
  const { pod, family, declared, netnsPath } = facts
  const own = podDevice(pod, declared)
  const refused = said.filter(({ refusal }) => refusal !== null)
  const evidence = table(
    'routes and rules of the pod',
    ['what', 'as ip prints it'],
    [
      ...rulesOf(pod, family).map((rule) => ['rule', ruleText(rule)]),
      ...shownRoutes(pod, family).map((route) => ['route', routeText(route)]),
    ],
  )
  const broken = (code: string, detail: string, hint: string): StateVerdict => ({
    is: 'broken',
    code,
    detail,
    hint,
    evidence,
  })
  if (refused.length > 0 && own && !isUp(own)) {
    return broken('LINK_DOWN', `${own.name} is down, and the pod’s routes went with it`, downHint(own.name, netnsPath))
  }
  const holdsOne = pod.addresses.some((one) => one.family === family && one.scope === 'global' && one.device !== 'lo')
  if (refused.length > 0 && !holdsOne && declared.length > 0) {
    const hint = 'Delete the pod, so that the CNI plug-in sets it up again.'
    return broken('ADDRESS_MISSING', `the pod has no IPv${family} address, and its routes went with that`, hint)
  }
  const blocked = refused.filter(
    ({ target, refusal }) => !NOTHING_LEADS.test(refusal ?? '') || culprit(facts, target) !== null,
  )
  if (blocked.length > 0) {
    const causes = [
      ...new Map(
        blocked.flatMap(({ target }) => culprit(facts, target) ?? []).map((cause) => [cause.text, cause]),
      ).values(),
    ]
    const who = causes.length > 0 ? listed(causes.map(({ text }) => text)) : `a route or rule (${blocked[0]?.refusal})`
    const detail = `${who} of the pod refuses ${named(blocked)}`
    const commands = causes.map(({ command }) => `\`nsenter --net=${netnsPath} ${command}\``)
    const hint =
      commands.length > 0
        ? `Take it away: ${commands.join(', ')}; and find out what set it: a container with NET_ADMIN, or the CNI plug-in.`
        : 'See `ip rule; ip route show table all` in the pod.'
    return broken('POD_ROUTE_BLOCKED', detail, hint)
  }
  if (refused.length > 0) {
    const hasDefault = shownRoutes(pod, family).some(
      ({ destination, type }) => destination === 'default' && type === 'unicast',
    )
    const what = hasDefault
      ? 'no route of the pod leads to'
      : `the pod has no IPv${family} default route, and none other leads to`
    return broken(
      hasDefault ? 'NO_ROUTE' : 'NO_DEFAULT_ROUTE',
      `${what} ${named(refused)}`,
      'Delete the pod, so that the CNI plug-in sets it up again, and read the CNI log on the node.',
    )
  }
  const wrong = wrongGateway(facts, own)
  if (wrong) return broken('GATEWAY_MAC_WRONG', wrong.detail, wrong.hint)
  const shown =
    said.length > 0
      ? `the kernel has a way to each of ${said.length} targets`
      : 'a default route, and nothing that refuses'
  return fine(shown, evidence)
}

/** ENETUNREACH: mostly there is no route, but an IPv6 rule that says unreachable is worded so too. Every other refusal has a route or rule that says so. */
const NOTHING_LEADS = /network is unreachable/i

const named = (said: readonly KernelSaid[]): string =>
  listed([
    ...new Set(
      said.map(({ target }) =>
        target.name === target.address ? `${target.role} ${target.address}` : `${target.role} (${target.address})`,
      ),
    ),
  ])

interface Culprit {
  readonly text: string
  readonly command: string
}

/** The first rule that refuses the target, or the longest refusing route of the first table that has one for it. */
function culprit({ pod, family, declared }: WayOutFacts, { address }: Target): Culprit | null {
  const target = parsePrefix(address)
  if (target === null) return null
  const six = family === 6 ? '-6 ' : ''
  for (const rule of rulesOf(pod, family).toSorted((a, b) => a.priority - b.priority)) {
    if (!mayMatch(rule, target, declared)) continue
    if (rule.action !== null)
      return { text: `rule "${ruleText(rule)}"`, command: `ip ${six}rule del priority ${rule.priority}` }
    const route = bestRoute(pod, family, rule.table ?? 'main', target)
    if (route && REFUSES.has(route.type)) {
      const where = route.table === 'main' ? '' : ` table ${route.table}`
      return {
        text: `route "${routeText(route)}"`,
        command: `ip ${six}route del ${route.type} ${route.destination}${where}`,
      }
    }
    if (route && route.type !== 'throw') return null
  }
  return null
}

/** Source and destination are compared; whatever else a rule asks for (a mark, a user) may hold. */
function mayMatch({ selector }: RuleState, target: Prefix, declared: readonly string[]): boolean {
  const { src: from, dst: to } = selector
  const [src, dst] = [from, to].map((text) => (text === undefined ? null : parsePrefix(text)))
  const sources = declared.flatMap((address) => parsePrefix(address) ?? [])
  return (dst == null || covers(dst, target)) && (src == null || sources.some((own) => covers(src, own)))
}

function bestRoute(pod: NamespaceState, family: Family, name: string, target: Prefix): RouteState | undefined {
  const length = ({ destination }: RouteState) =>
    destination === 'default' ? 0 : (parsePrefix(destination)?.length ?? -1)
  const leads = pod.routes.filter((route) => {
    const prefix = parsePrefix(route.destination)
    return (
      route.family === family &&
      route.table === name &&
      (route.destination === 'default' || (prefix !== null && covers(prefix, target)))
    )
  })
  return leads.toSorted((a, b) => length(b) - length(a) || a.metric - b.metric)[0]
}

/** What the kernel makes by itself for each address says nothing. */
const shownRoutes = ({ routes }: NamespaceState, family: Family): readonly RouteState[] =>
  routes.filter((route) => route.family === family && route.table !== 'local')

function routeText({ type, destination, gateway, device, table: name }: RouteState): string {
  const kind = type === 'unicast' ? '' : `${type} `
  return [
    `${kind}${destination}`,
    gateway && `via ${gateway}`,
    device && `dev ${device}`,
    name !== 'main' && `table ${name}`,
  ]
    .filter(Boolean)
    .join(' ')
}

function ruleText({ priority, selector, table: name, action }: RuleState): string {
  const { src = 'all', dst, ...rest } = selector
  const more = Object.entries(rest).map(([key, value]) => `${key} ${value}`)
  return [`${priority}: from ${src}`, dst && `to ${dst}`, ...more, action ?? `lookup ${name}`].filter(Boolean).join(' ')
}

/**
 * A permanent entry must name a MAC of the node where the gateway is the node: it holds the gateway's address, or the pair ends
 * there without a bridge. What else is behind a bridge or switch is not known here.
 */
function wrongGateway(
  { pod, node, family, netnsPath }: WayOutFacts,
  own: LinkState | null,
): { detail: string; hint: string } | null {
  const peer = own && vethPeer(own, node)
  if (!own || !peer) return null
  const gateways = new Set(
    pod.routes.flatMap((route) =>
      route.family === family && route.device === own.name && route.gateway ? [canonical(route.gateway)] : [],
    ),
  )
  const macs = new Set(node.links.flatMap(({ mac }) => mac?.toLowerCase() ?? []))
  const isOwn = (address: string) => node.addresses.some((one) => canonical(one.address) === address)
  const entry = pod.neighbours.find(
    (one): one is NeighbourState & { mac: string } =>
      one.state === 'PERMANENT' &&
      one.device === own.name &&
      one.mac !== null &&
      gateways.has(canonical(one.address)) &&
      !macs.has(one.mac.toLowerCase()) &&
      (peer.master === null || isOwn(canonical(one.address))),
  )
  if (!entry) return null
  const detail = `a permanent neighbour entry sends what is for the gateway ${entry.address} to ${entry.mac}, which no interface of the node has`
  const hint = `Take it away: \`nsenter --net=${netnsPath} ip neigh del ${entry.address} dev ${own.name}\`. Where the CNI sets it (AWS VPC CNI), delete the pod instead.`
  return { detail, hint }
}
