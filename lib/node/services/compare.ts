/** A node's rules beside what the API says: pure. */
import { canonicalAddress } from '../../packet/address.ts'
import type { Endpoint, Family, Protocol, ServicePort } from '../../types.ts'
import type { Backend, ProxyRules, ServiceRule } from './rules.ts'

/** A service as far as its rules depend on it. */
export interface ExpectedService {
  /** namespace/name */
  readonly name: string
  readonly clusterIPs: readonly string[]
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  readonly internalTrafficLocal: boolean
}

/** One port of one ClusterIP whose rules differ from the EndpointSlices. */
export interface Difference {
  readonly service: string
  readonly address: string
  readonly family: Family
  readonly port: number
  readonly protocol: Protocol
  /** The node has no rule for this port at all. */
  readonly absent: boolean
  readonly missing: readonly Backend[]
  readonly stale: readonly Backend[]
}

/** One port of one ClusterIP with what stands behind it, in the API and on the node. */
export interface Compared extends Difference {
  readonly expected: readonly Backend[]
  readonly found: readonly Backend[]
}

const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4)
const key = ({ address, port }: Backend): string => `${canonicalAddress(address)} ${port}`

/**
 * Endpoints that kube-proxy uses for a port on this node (pkg/proxy/topology.go): the ready ones, those that are being deleted
 * only if there is no other; with internalTrafficPolicy Local only this node's.
 */
export function candidates(
  service: ExpectedService,
  port: ServicePort,
  family: Family,
  node: string,
): readonly Endpoint[] {
  const own = service.endpoints.filter(
    (one) =>
      one.family === family &&
      one.protocol === port.protocol &&
      one.portName === port.name &&
      (!service.internalTrafficLocal || one.node === node),
  )
  const ready = own.filter((one) => one.ready)
  return ready.length > 0 ? ready : own.filter((one) => one.lastResort)
}

/** Every port of every ClusterIP of the families that `proxies` have. */
export function compareRules(
  service: ExpectedService,
  proxies: readonly ProxyRules[],
  node: string,
): readonly Compared[] {
  return proxies.flatMap(({ family, rules }) => {
    const at = new Map(rules.map((rule) => [`${key(rule)} ${rule.protocol}`, rule]))
    return service.clusterIPs
      .filter((address) => familyOf(address) === family)
      .flatMap((address) =>
        service.ports.map((port) => {
          const rule = at.get(`${key({ address, port: port.port })} ${port.protocol}`)
          return compareOne(service, address, port, candidates(service, port, family, node), rule)
        }),
      )
  })
}

function compareOne(
  service: ExpectedService,
  address: string,
  { port, protocol }: ServicePort,
  endpoints: readonly Endpoint[],
  rule: ServiceRule | undefined,
): Compared {
  const found = rule?.backends ?? []
  const expected = endpoints.map(({ address: at, port: on }) => ({ address: at, port: on }))
  const [known, used] = [new Set(expected.map(key)), new Set(found.map(key))]
  // by their zone or node kube-proxy uses some of them: which, depends on labels that are not read; none is never right
  const some = endpoints.some(({ hinted }) => hinted) && found.length > 0
  return {
    ...{ service: service.name, address, family: familyOf(address), port, protocol, expected, found },
    absent: found.length === 0 && expected.length > 0,
    missing: some ? [] : expected.filter((one) => !used.has(key(one))),
    stale: found.filter((one) => !known.has(key(one))),
  }
}

export const differs = ({ missing, stale }: Difference): boolean => missing.length > 0 || stale.length > 0
