/**
 * kube-proxy's rules on this node beside the EndpointSlices. The slices were read at set-up, the rules a moment later: during a
 * rollout they differ for a moment. What differs is read again, and a backend counts only if the network agrees: a missing one
 * answers by itself, a stale one does not.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { familyOf, given } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import {
  type Compared,
  compareRules,
  type Difference,
  differs,
  type ExpectedService,
} from '../node/services/compare.ts'
import { proxyListens, readServices } from '../node/services/read.ts'
import type { Backend, ProxyRules } from '../node/services/rules.ts'
import { nameOf } from '../probe/judge.ts'
import type { Endpoint, Evidence, Outcome, Place, Plan, Target } from '../types.ts'
import { isAlive } from './alive.ts'
import { noteServices } from './environment.ts'
import { asksFromNode, nodeNetns } from './state.ts'

export interface RulesAnswer {
  readonly targets: readonly Target[]
  readonly rules: Outcome<void>
}

/** kube-proxy writes what it hears within a second (minSyncPeriod). */
const SETTLES_MS = 1500

/** The services that every node must serve: the destination service, the source pod's own, kubernetes, the cluster's DNS. */
export function expectedServices({ service, ownService, api, dns }: Plan): readonly ExpectedService[] {
  const found: ExpectedService[] = []
  for (const fact of [service, ownService]) {
    if (fact.state !== 'known' || fact.value.endpoints.state !== 'known' || fact.value.otherProxy) continue
    const { namespace, name, clusterIPs, ports, internalTrafficLocal, endpoints } = fact.value
    found.push({ name: `${namespace}/${name}`, clusterIPs, ports, internalTrafficLocal, endpoints: endpoints.value })
  }
  if (api.service.state === 'known' && api.endpoints.state === 'known') {
    const endpoints = api.endpoints.value
    found.push(withPortsOf('default/kubernetes', api.service.value.clusterIPs, api.service.value.port, endpoints))
  }
  if (dns.state === 'known') {
    const { service: name, clusterIPs, replicas, internalTrafficLocal = false } = dns.value
    found.push({ ...withPortsOf(name, clusterIPs, 53, replicas), internalTrafficLocal })
  }
  return found.filter(
    ({ clusterIPs, name }, at) => clusterIPs.length > 0 && found.findIndex((one) => one.name === name) === at,
  )
}

/** Services of which the plan knows one port number: their port names are those of their endpoints. */
function withPortsOf(
  name: string,
  clusterIPs: readonly string[],
  port: number,
  endpoints: readonly Endpoint[],
): ExpectedService {
  const ports = new Map(
    endpoints.map(({ portName, protocol }) => [`${portName} ${protocol}`, { name: portName, protocol, port }]),
  )
  return { name, clusterIPs, ports: [...ports.values()], endpoints, internalTrafficLocal: false }
}

export const addressesOf = (services: readonly ExpectedService[]): ReadonlySet<string> =>
  new Set(services.flatMap(({ clusterIPs }) => clusterIPs))

/** A service's rules beside its endpoints, from wherever the node's state can be read; empty: kube-proxy has none, or they cannot. */
export async function rulesOnNode(plan: Plan, place: Place, service: string): Promise<readonly Compared[]> {
  const expected = expectedServices(plan).filter(({ name }) => name === service)
  const read = await readServices(asksFromNode(plan, place) ? null : nodeNetns(plan), addressesOf(expected))
  if (!read.ok || read.value.proxies.length === 0) return []
  const { proxies } = read.value
  const used = ([4, 6] as const).flatMap((family) =>
    proxies.some((one) => one.family === family) ? [rulesOf(proxies, family)] : [],
  )
  return expected.flatMap((one) => compareRules(one, used, plan.node.name))
}

/** Asked by one check only, from the node. */
export async function serviceRules(plan: Plan): Promise<RulesAnswer> {
  const services = expectedServices(plan)
  if (services.length === 0) throw whyNone(plan)
  const addresses = addressesOf(services)
  const first = await proxiesOf(plan, addresses)
  const compare = (proxies: readonly ProxyRules[]) =>
    services.flatMap((service) => compareRules(service, proxies, plan.node.name))
  const compared = compare(first)
  const targets = compared.map(targetOf)
  if (!compared.some(differs)) return { targets, rules: right(first, compared) }
  await sleep(SETTLES_MS)
  const second = await proxiesOf(plan, addresses)
  const again = compare(second)
  const proven = (await Promise.all(again.filter(differs).map(confirmed))).filter(differs)
  return { targets, rules: proven.length === 0 ? right(second, again) : wrong(second, again, proven) }
}

function whyNone({ service, api, dns }: Plan): Error {
  // whichever is unknown says why
  for (const fact of [service, api.service, api.endpoints, dns]) if (fact.state === 'unknown') given(fact)
  return new NotApplicable('needs a service with a ClusterIP, none is known')
}

/**
 * kube-proxy's rules of each family that the node has. Where it has none at all although it runs, they are empty; where it
 * does not run and something else serves, this does not apply.
 */
async function proxiesOf(plan: Plan, addresses: ReadonlySet<string>): Promise<readonly ProxyRules[]> {
  const read = await readServices(null, addresses)
  if (!read.ok && read.code === 'PERMISSION_MISSING')
    given({ state: 'unknown', code: read.code, reason: read.detail, hint: 'Run as root, with that capability.' })
  if (!read.ok) throw new NotApplicable(`needs kube-proxy's rules: ${read.detail}`)
  const { proxies, replacement } = read.value
  noteServices(read.value)
  if (replacement !== null && proxies.length === 0) throw without(`${replacement} serves here`)
  const incomplete = familiesOf(plan, addresses).some((family) => !proxies.some((one) => one.family === family))
  const runs = replacement === null && !incomplete ? true : await proxyListens(null)
  if (!runs && replacement !== null) throw without(`${replacement} serves here`)
  if (!runs && proxies.length === 0) throw without('no rule of it is here, and nothing listens on TCP 10256')
  return familiesOf(plan, addresses).map((family) => rulesOf(proxies, family))
}

const without = (finding: string) => new NotApplicable(`needs kube-proxy on this node, ${finding}`)

/** Families of the services that the node has an address of; a node need not have all that a cluster has. */
function familiesOf({ node: { internalIPs } }: Plan, addresses: ReadonlySet<string>) {
  const own = new Set(internalIPs.map(familyOf))
  return ([4, 6] as const).filter(
    (family) => [...addresses].some((one) => familyOf(one) === family) && (own.size === 0 || own.has(family)),
  )
}

/** One mode's: kube-proxy removes the rules of its other modes when it starts. A mode that knows none of the services is a leftover. */
function rulesOf(proxies: readonly ProxyRules[], family: 4 | 6): ProxyRules {
  const own = proxies.filter((one) => one.family === family)
  const used = own.find(({ rules }) => rules.length > 0) ?? own[0]
  const mode = proxies[0]?.mode ?? 'nftables'
  return used ?? { family, mode, rules: [], nodePortAddresses: null }
}

/** A difference, less what a rollout explains: a missing endpoint that is gone too, a new one that the slices did not have yet. */
async function confirmed(difference: Compared): Promise<Compared> {
  const { protocol, absent } = difference
  const alive = async (backends: readonly Backend[], wanted: boolean) => {
    const states = await Promise.all(backends.map((backend) => isAlive(backend, protocol)))
    return backends.filter((_, at) => states[at] === wanted)
  }
  const missing = absent ? difference.missing : await alive(difference.missing, true)
  return { ...difference, missing, stale: await alive(difference.stale, false) }
}

function right(proxies: readonly ProxyRules[], compared: readonly Compared[]): Outcome<void> {
  const names = [...new Set(compared.map(({ service }) => service))].join(', ')
  const backends = compared.reduce((sum, { found }) => sum + found.length, 0)
  const detail = `kube-proxy (${modesOf(proxies)}) sends ${names} to their ready endpoints: ${compared.length} ports, ${backends} backends`
  return { ok: true, value: undefined, detail, evidence: [tableOf(compared)] }
}

function wrong(proxies: readonly ProxyRules[], all: readonly Compared[], proven: readonly Compared[]): Outcome<void> {
  // what misleads connections is worse than what is left out, unless a whole service is missing
  const gone = proven.some(({ absent }) => absent)
  const code = !gone && proven.some(({ stale }) => stale.length > 0) ? 'SERVICE_RULES_STALE' : 'SERVICE_RULES_MISSING'
  const said = proven.slice(0, MOST_NAMES).map(sayDifference)
  const more = proven.length > MOST_NAMES ? [`and ${proven.length - MOST_NAMES} more`] : []
  const detail = `kube-proxy's rules (${modesOf(proxies)}): ${[...said, ...more].join('; ')}`
  return { ok: false, code, detail, evidence: [tableOf(all)] }
}

/** Ports named in a sentence. */
const MOST_NAMES = 3

/** "default/web 198.19.0.20:80/tcp still goes to 198.18.1.9:8080, which is no ready endpoint". Pure. */
export function sayDifference({
  service,
  address,
  port,
  protocol,
  family,
  absent,
  missing,
  stale,
}: Difference): string {
  const at = `${service} ${written({ address, port }, family)}/${protocol}`
  if (absent) return `${at} leads nowhere`
  const lacks = missing.length > 0 ? [`lacks ready endpoint ${listOf(missing, family)}`] : []
  const keeps = stale.length > 0 ? [`still goes to ${listOf(stale, family)}, no ready endpoint`] : []
  return `${at} ${[...lacks, ...keeps].join(' and ')}`
}

const listOf = (backends: readonly Backend[], family: number) => backends.map((one) => written(one, family)).join(', ')
const written = ({ address, port }: Backend, family: number) =>
  family === 6 ? `[${address}]:${port}` : `${address}:${port}`
const modesOf = (proxies: readonly ProxyRules[]) => [...new Set(proxies.map(({ mode }) => mode))].join(', ')

const targetOf = ({ service, address, family, protocol, port }: Difference): Target => ({
  ...{ role: 'a service of this node', name: service, address, family, protocol, port },
})

function tableOf(compared: readonly Compared[]): Evidence {
  const rows = compared.map((one) => [
    ...[nameOf(targetOf(one)), one.protocol, listOf(one.expected, one.family), listOf(one.found, one.family)],
    ...[differs(one) ? 'differs' : 'equal'],
  ])
  return {
    kind: 'table',
    name: 'service rules',
    columns: ['service', 'protocol', 'EndpointSlices', 'rules', 'compared'],
    rows,
  }
}
