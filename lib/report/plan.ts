/** The plan as text, for the dry run (`vitest list`): what would be asked, what was picked, and what stands in the way. */
import type { Code, DestinationRow, Fact, Plan, PodTarget, PolicyFacts, ServiceFacts, Source } from '../types.ts'
import { oneLine, presentable } from './text.ts'

const ROWS: Record<DestinationRow, string> = {
  named: 'destination pod, named',
  'other-node': 'pod on another node',
  'same-node': 'pod on the same node',
}

/** The plan, one fact a line; nothing was sent to a pod to make it. */
export function planLines(plan: Plan): string {
  const {
    node,
    peerNode,
    api,
    source,
    destinations,
    service,
    dns,
    policies,
    external,
    externalName,
    notes,
    obstacles,
    unusable,
    settings,
  } = presentable(plan)
  const rows: [string, string][] = [
    ['node', `${node.name} (${NAME_FROM[node.nameFrom]}), network namespace ${node.netns}`],
    ['another node', tell(peerNode, ({ name, addresses }) => `${name} at ${addresses.join(', ')}`)],
    ['API server', tell(api.server, ({ url, from }) => `${url} (${from})`)],
    ['source pod', tell(source, tellSource)],
    ...Object.entries(ROWS).map(([row, label]): [string, string] => [
      label,
      tell(destinations[row as DestinationRow], tellPod),
    ]),
    ['service', tell(service, tellService)],
    ['cluster DNS', tell(dns, (d) => `${d.service} at ${d.clusterIPs.join(', ')}`)],
    ['policies', tell(policies, tellPolicies)],
    ['external, IPv4', tell(external.ipv4, String)],
    ['external, IPv6', tell(external.ipv6, String)],
    ['external name', tell(externalName, String)],
  ]
  const width = Math.max(...rows.map(([label]) => label.length))
  return [
    'Plan (dry run: nothing is sent to a pod)',
    ...(unusable ? [`  No check can ask anything. ${oneLine(obstacle(unusable))}`] : []),
    ...rows.map(([label, text]) => `  ${label.padEnd(width)}  ${oneLine(text)}`),
    ...listed('Notes', notes),
    ...listed(
      'Settings',
      settings.map(({ name, value }) => `${name}=${value}`),
    ),
    ...listed(
      'In the way',
      obstacles.map((item) => obstacle(item, ` (${item.place})`)),
    ),
  ].join('\n')
}

function obstacle(item: { code: Code; reason: string; hint: string }, where = ''): string {
  return `${item.code}${where}: ${item.reason.replace(/\.$/, '')}. ${item.hint}`
}

const NAME_FROM = {
  setting: 'NODE_NAME',
  'node-object': 'the Node with an address of this machine',
  hostname: 'the host name',
} as const

function tell<T>(fact: Fact<T>, describe: (value: T) => string): string {
  if (fact.state === 'known') return describe(fact.value)
  if (fact.state === 'absent') return `not applicable: needs ${fact.need}, ${fact.finding}`
  return `unknown (${fact.code}): ${fact.reason.replace(/\.$/, '')}${fact.hint ? `. ${fact.hint}` : ''}`
}

const tellSource = (pod: Source): string =>
  `${pod.namespace}/${pod.name} at ${pod.addresses.join(', ') || 'no address'}${pod.hostNetwork ? ', host network' : ''}, network namespace ${pod.netns} (${pod.foundBy})`

const tellPod = (pod: PodTarget): string =>
  `${pod.namespace}/${pod.name} at ${pod.addresses.join(', ') || 'no address'}${pod.node ? ` on ${pod.node}` : ''}, TCP ${pod.tcpPorts.join(', ') || 'no port known'} (${pod.why})`

function tellPolicies({ egress, ingress, limits }: PolicyFacts): string {
  const named = [...new Set([...egress, ...ingress])].sort()
  const denied = limits.filter(({ verdict }) => verdict !== 'unsure').length
  const told =
    denied > 0 ? `deny ways that will be tried (${denied} of them are told apart)` : 'deny nothing that will be tried'
  return `${named.length > 0 ? `${named.join(', ')} select the source pod` : 'none selects the source pod'}; NetworkPolicies ${told}`
}

function tellService(service: ServiceFacts): string {
  const where = service.externalName ?? (service.headless ? 'headless' : service.clusterIPs.join(', '))
  const ports = service.ports.map(({ protocol, port }) => `${protocol}/${port}`).join(', ')
  return `${service.namespace}/${service.name} ${service.type} ${where}, ports ${ports || 'none'} (${service.why})`
}

const listed = (title: string, lines: readonly string[]): string[] =>
  lines.length > 0 ? [title, ...lines.map((line) => `  - ${oneLine(line)}`)] : []
