/** ClusterIPs as kube-proxy makes them, in a few nft rules on each node: a random ready endpoint, or a refusal if there is none. */
import { type AddressPlan, familyOf } from '../bed/addresses.ts'
import { nft } from '../bed/namespace.ts'

/** One port of a service: its ClusterIPs, and the addresses behind them. */
export interface VirtualPort {
  readonly name: string
  readonly protocol: 'tcp' | 'udp'
  readonly clusterIPs: readonly string[]
  readonly port: number
  readonly backends: readonly string[]
  readonly targetPort: number
}

/** Makes every virtual port work on a node, for its pods and for itself. */
export function serveClusterIPs(node: string, ports: readonly VirtualPort[], plan: AddressPlan): void {
  const rules = ports.flatMap((port) => port.clusterIPs.map((clusterIP) => ruleFor(port, clusterIP)))
  const hooks = (['prerouting', 'output'] as const).map(
    (hook) => `chain nat-${hook} {\ntype nat hook ${hook} priority -100\njump services\n}`,
  )
  // as kube-proxy: what still has a ClusterIP after DNAT has nobody behind it
  const ranges = plan.serviceCidrs.map((cidr) => `${ipOf(cidr)} daddr ${cidr} reject`)
  const refusals = (['forward', 'output'] as const).map(
    (hook) => `chain filter-${hook} {\n${[`type filter hook ${hook} priority 0`, ...ranges].join('\n')}\n}`,
  )
  const services = `chain services {\n${rules.map(({ match }) => match).join('\n')}\n}`
  const chains = [...rules.flatMap(({ endpoints }) => endpoints), services, ...hooks, ...refusals]
  nft(node, `table inet services {\n${chains.join('\n')}\n}`)
}

function ruleFor(port: VirtualPort, clusterIP: string): { match: string; endpoints: string[] } {
  const family = familyOf(clusterIP)
  const backends = port.backends.filter((address) => familyOf(address) === family)
  const chain = (index: number) => `${port.name}-${port.protocol}-${family}-${index}`
  const choices = backends.map((_, index) => `${index} : goto ${chain(index)}`).join(', ')
  const match = `${ipOf(clusterIP)} daddr ${clusterIP} ${port.protocol} dport ${port.port}`
  return {
    match: backends.length > 0 ? `${match} numgen random mod ${backends.length} vmap { ${choices} }` : '',
    endpoints: backends.map((address, index) => {
      const target = family === 4 ? `${address}:${port.targetPort}` : `[${address}]:${port.targetPort}`
      return `chain ${chain(index)} {\nmeta l4proto ${port.protocol} dnat ${ipOf(address)} to ${target}\n}`
    }),
  }
}

const ipOf = (address: string): 'ip' | 'ip6' => (familyOf(address) === 4 ? 'ip' : 'ip6')
