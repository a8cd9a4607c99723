/** The destination service by its other addresses: node ports, load balancer and external addresses. */
import { addressOf, familyName, familyOf, given, needed, ofFamily } from '../fact.ts'
import { NotApplicable } from '../failure.ts'
import { readServices } from '../node/services/read.ts'
import type { Endpoint, Family, Outcome, Plan, ServiceFacts, ServiceOutside, Target } from '../types.ts'
import { sourceHas, type TcpAnswer } from './pod.ts'
import { type Asking, families, question } from './question.ts'
import { allReady, askService, noEndpoints } from './service.ts'
import { asksFromNode, nodeNetns } from './state.ts'

export interface NodePortAnswer {
  readonly targets: readonly Target[]
  /** By this node's address. */
  readonly here: Outcome<void>
  /** By another node's address: a firewall between the nodes may mean it, and that node has checks of its own. */
  readonly there: Outcome<void>
}

const fine: Outcome<void> = { ok: true, value: undefined, evidence: [] }

/** Each node port on this node's address and on another node's. */
export const nodePorts = question('pod', families, async (plan, row, place): Promise<NodePortAnswer> => {
  const { service, outside, ready } = openService(plan, row)
  const ports = service.ports.filter(({ nodePort, protocol }) => nodePort !== undefined && protocol !== 'sctp')
  needed(ports, 'a node port of the destination service', `${service.name} is of type ${service.type} and has none`)
  const peer = plan.peerNode.state === 'known' ? plan.peerNode.value : null
  const at = (address: string | undefined, node: string): Target[] =>
    address === undefined || !serves(outside, ready, node)
      ? []
      : ports.map(({ nodePort = 0, protocol }) => ({
          ...{ role: 'a node port', name: service.name, address, family: row.family, protocol, port: nodePort, node },
        }))
  const here = at(addressOf(plan.node.internalIPs, row.family), plan.node.name)
  const there = peer ? at(addressOf(peer.addresses, row.family), peer.name) : []
  const targets = [...here, ...there]
  needed(targets, `a node with an ${familyName(row.family)} InternalIP that takes it`, whyNobody(outside, service))
  const ask = (some: readonly Target[]) => (some.length > 0 ? askService(plan, row, service, ready, some) : fine)
  const [own, other] = await Promise.all([ask(here), ask(there)])
  if (!own.ok || !other.ok) await mustBeOpen(plan, asksFromNode(plan, place), here)
  return { targets, here: own, there: other }
})

/** With externalTrafficPolicy Local a node without an endpoint drops, by design. */
const serves = ({ localOnly }: ServiceOutside, ready: readonly Endpoint[], on: string) =>
  !localOnly || ready.some(({ node }) => node === on)

const whyNobody = ({ localOnly }: ServiceOutside, { name }: ServiceFacts) =>
  localOnly ? `${name} has externalTrafficPolicy Local and no endpoint on the nodes in question` : 'they have none'

/** kube-proxy may be told to open node ports on some addresses only (nodePortAddresses), which is no fault. */
async function mustBeOpen(plan: Plan, fromNode: boolean, here: readonly Target[]): Promise<void> {
  const read = await readServices(fromNode ? null : nodeNetns(plan), new Set())
  if (!read.ok) return
  for (const { family, nodePortAddresses } of read.value.proxies) {
    const closed = here.find(
      (target) => target.family === family && nodePortAddresses?.includes(target.address) === false,
    )
    if (closed === undefined) continue
    const open = nodePortAddresses?.join(', ') || 'none'
    throw new NotApplicable(`needs node ports on ${closed.address}, kube-proxy opens them on ${open}`)
  }
}

/** Each load balancer and external address that the node itself answers for, on each port. */
export const balancedPorts = question('pod', families, async (plan, row): Promise<TcpAnswer> => {
  const { service, outside, ready } = openService(plan, row)
  const addresses = addressesOf(outside, row.family)
  const none = outside.sourceRanges.length > 0 ? 'its load balancer takes only loadBalancerSourceRanges' : 'it has none'
  needed(addresses, `an ${familyName(row.family)} load balancer or external address of the destination service`, none)
  if (!serves(outside, ready, plan.node.name)) {
    const finding = `${service.name} has externalTrafficPolicy Local and none here`
    throw new NotApplicable(`needs an endpoint on this node, ${finding}`)
  }
  const targets = addresses.flatMap((address) =>
    service.ports
      .filter(({ protocol }) => protocol !== 'sctp')
      .map(({ port, protocol }): Target => {
        return { role: 'a load balancer address', name: service.name, address, family: row.family, protocol, port }
      }),
  )
  needed(targets, 'a TCP or UDP port of the destination service', `${service.name} has SCTP ports only`)
  return { targets, reached: await askService(plan, row, service, ready, targets) }
})

function addressesOf(
  { externalIPs, loadBalancerIPs, sourceRanges }: ServiceOutside,
  family: Family,
): readonly string[] {
  const balanced = sourceRanges.length > 0 ? [] : loadBalancerIPs
  return [...new Set([...externalIPs, ...balanced])].filter((address) => familyOf(address) === family)
}

/** The destination service, if it can be reached by more than its ClusterIPs, and its ready endpoints of the family. */
function openService(plan: Plan, row: Asking) {
  const service = given(plan.service)
  const finding = `${service.name} has ClusterIPs only`
  const outside = needed(service.outside, 'a destination service of type NodePort or LoadBalancer', finding)
  const has = service.clusterIPs.join(', ') || 'none'
  needed(addressOf(service.clusterIPs, row.family), `an ${familyName(row.family)} destination service`, `it has ${has}`)
  sourceHas(plan, row)
  const ready = ofFamily(allReady(plan, row), row.family)
  if (ready.length === 0) throw noEndpoints(service, `${familyName(row.family)} `)
  return { service, outside, ready }
}
