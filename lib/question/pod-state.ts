/** What a pod's interface, addresses, routes and rules are set to, and whether somebody else claims its address. */
import { addressOf, endpointTarget, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { Inconclusive, NotApplicable } from '../failure.ts'
import { routeTo } from '../node/routes.ts'
import { NOBODYS, type ProbedInterface, whoElseHas } from '../probe/duplicate.ts'
import { judgeDuplicate } from '../probe/state/duplicate.ts'
import { judgePodAddresses } from '../probe/state/pod-addresses.ts'
import { podDevice } from '../probe/state/pod-device.ts'
import { judgePodLink } from '../probe/state/pod-link.ts'
import { judgeWayOut, type KernelSaid, mayRefuse } from '../probe/state/pod-way-out.ts'
import { wayToPod } from '../probe/state/way-to-pod.ts'
import type { NamespaceState } from '../state.ts'
import type { Family, Plan, Source, Target } from '../types.ts'
import { families, question } from './question.ts'
import { stateOf } from './state.ts'
import { answerOf, readNodeState, type StateAnswer } from './verdict.ts'

/** The pod's interface and its other end on the node; as evidence, by what packets leave the node for the pod on another one. */
export async function podLink(plan: Plan): Promise<StateAnswer> {
  const { addresses: declared, netnsPath } = ownNetwork(plan)
  const [pod, node] = await Promise.all([podState(), readNodeState(plan, 'pod')])
  const verdict = judgePodLink({ pod, node, declared, netnsPath })
  if (verdict.is === 'not-applicable') return answerOf(verdict)
  const address = addressElsewhere(plan)
  const beyond = address === undefined ? [] : wayToPod(node, address)
  return answerOf({ ...verdict, evidence: [...verdict.evidence, ...beyond] })
}

/** Of a destination pod that is not on this node; the one that the user named is the one to know about. */
function addressElsewhere({ destinations, node }: Plan): string | undefined {
  const pods = [destinations.named, destinations['other-node']].flatMap((fact) =>
    fact.state === 'known' && fact.value.node !== node.name && !fact.value.hostNetwork ? [fact.value] : [],
  )
  return pods[0]?.addresses[0]
}

/** The addresses that the API says the pod has, of a family. Who else has them is asked beside: that takes its time. */
export const podAddresses = question('never ahead', families, async (plan, row): Promise<StateAnswer> => {
  const { addresses: declared, netnsPath } = ownNetwork(plan)
  claims(plan, 'pod', row).catch(() => undefined)
  return answerOf(judgePodAddresses({ pod: await podState(), declared, family: row.family, netnsPath }))
})

/** Whether somebody else on the link has the pod's address. */
export const duplicateAddress = question('never ahead', families, async (plan, row): Promise<StateAnswer> => {
  const { address, device, macs } = await claims(plan, 'pod', row)
  if (macs.length === 0) return answerOf(judgeDuplicate({ address, claims: [] }))
  const pod = await podState()
  const [node, everywhere] = await Promise.all([readNodeState(plan, 'pod'), whoElseHas(NOBODYS[row.family], device)])
  const answersForAll = 'macs' in everywhere ? everywhere.macs : []
  return answerOf(judgeDuplicate({ address, claims: macs, pod, node, answersForAll }))
})

interface Claimed {
  readonly address: string
  readonly device: ProbedInterface
  readonly macs: readonly string[]
}

const claims = question('never ahead', families, async (plan, { family }): Promise<Claimed> => {
  const { addresses } = ownNetwork(plan)
  const has = `it has ${addresses.join(', ') || 'none'}`
  const address = needed(addressOf(addresses, family), `an ${familyName(family)} address of the pod`, has)
  const link = podDevice(await podState(), addresses)
  const hears = link?.mac && !link.flags.some((flag) => flag === 'NOARP' || flag === 'POINTOPOINT')
  if (!link || !hears) {
    const what = link ? `${link.name} has none` : 'it has none'
    throw new NotApplicable(`needs an interface of the pod with ARP or NDP, ${what}`)
  }
  const device = { index: link.index, mac: link.mac ?? '' }
  // what is down hears nobody, and its own check says that it is down
  if (!link.flags.includes('UP'))
    throw new NotApplicable(`needs an interface of the pod that is up, ${link.name} is down`)
  const claimed = await whoElseHas(address, device)
  if ('hindrance' in claimed) {
    const code = claimed.hindrance.includes('CAP_NET_RAW') ? 'PERMISSION_MISSING' : 'SOCKET_FAILED'
    throw new Inconclusive(code, claimed.hindrance)
  }
  return { address, device, macs: claimed.macs }
})

/** The pod's own routes and rules, towards everything that is asked of it. */
export const podWayOut = question('never ahead', families, async (plan, { family }): Promise<StateAnswer> => {
  const { addresses: declared, netnsPath } = ownNetwork(plan)
  const has = `it has ${declared.join(', ') || 'none'}`
  if (declared.length > 0) needed(addressOf(declared, family), `an ${familyName(family)} address of the pod`, has)
  const [pod, node] = await Promise.all([podState(), readNodeState(plan, 'pod')])
  const facts = { pod, node, declared, family, netnsPath }
  const said = mayRefuse(facts)
    ? await Promise.all(targetsOf(plan, family).map((target) => kernelSays(target, pod, declared)))
    : []
  return answerOf(judgeWayOut(facts, said))
})

/** Asked from the pod's own address, as a connection is: rules may be about it. */
async function kernelSays(target: Target, pod: NamespaceState, declared: readonly string[]): Promise<KernelSaid> {
  const own = addressOf(declared, target.family)
  const held = own !== undefined && pod.addresses.some(({ address }) => address === own)
  const choice = await routeTo(target.address, held ? own : undefined)
  if (choice.ok) return { target, refusal: null }
  if (choice.code !== 'NO_ROUTE') throw new Inconclusive(choice.code, choice.detail)
  return { target, refusal: /\(([^()]*)\): see/.exec(choice.detail)?.[1] ?? 'Network is unreachable' }
}

function targetsOf(plan: Plan, family: Family): Target[] {
  const as = (role: string, addresses: readonly string[], name?: string): Target[] =>
    addresses
      .filter((address) => familyOf(address) === family)
      .map((address) => ({ role, name: name ?? address, address, family }))
  const { service, dns, api, external, node } = plan
  const pods = Object.values(plan.destinations).flatMap((fact) => (fact.state === 'known' ? [fact.value] : []))
  const outside = external[family === 4 ? 'ipv4' : 'ipv6']
  const all = [
    ...as('this node', node.internalIPs, node.name),
    ...pods.flatMap(({ name, addresses }) => as('the destination pod', addresses, name)),
    ...(service.state === 'known' ? as('the destination service', service.value.clusterIPs, service.value.name) : []),
    ...(dns.state === 'known' ? as('the cluster’s DNS', dns.value.clusterIPs, dns.value.service) : []),
    ...(api.service.state === 'known' ? as('the service kubernetes', api.service.value.clusterIPs, 'kubernetes') : []),
    ...(api.endpoints.state === 'known'
      ? ofFamily(api.endpoints.value, family).map((one) => endpointTarget('an API server endpoint', one))
      : []),
    ...(outside.state === 'known' ? as('the external address', [outside.value]) : []),
  ]
  return [...new Map(all.map((target) => [target.address, target])).values()]
}

/** The source pod, where its network is its own. */
function ownNetwork(plan: Plan): Source {
  const source = given(plan.source)
  if (source.hostNetwork) throw new NotApplicable('needs a pod with a network of its own, it uses the node’s')
  return source
}

async function podState(): Promise<NamespaceState> {
  const state = await stateOf(null)
  if (!state.ok) throw new Inconclusive(state.code, state.detail)
  return state.value
}
