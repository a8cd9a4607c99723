/** kube-proxy's iptables mode (pkg/proxy/iptables/proxier.go), from the lines of `iptables-save -t nat`. Pure. */
import type { Family } from '../../types.ts'
import { protocolOf } from './protocol.ts'
import type { Backend, ProxyRules, ServiceRule } from './rules.ts'

/** Chains that lead from a service's address to its endpoints. The reader leaves out all other lines. */
export const CHAINS = '^-A KUBE-(SERVICES|SVC-|SVL-|SEP-)'

/** null: kube-proxy has no rules in this table. Rules of other services than those at `addresses` are left out. */
export function iptablesRules(
  family: Family,
  lines: readonly string[],
  addresses: ReadonlySet<string>,
): ProxyRules | null {
  const chains = new Map<string, string[]>()
  for (const line of lines) {
    const chain = /^-A (KUBE-\S+) /.exec(line)?.[1]
    if (chain === undefined) continue
    const rules = chains.get(chain)
    if (rules) rules.push(line)
    else chains.set(chain, [line])
  }
  const services = chains.get('KUBE-SERVICES')
  if (services === undefined) return null
  const rules = services.flatMap((line): ServiceRule[] => {
    const address = /(?: )-d ([^ /]+)/.exec(line)?.[1]
    const chain = /-j (KUBE-SV[CL]-\S+)/.exec(line)?.[1]
    if (address === undefined || chain === undefined || !addresses.has(address)) return []
    const choices = (chains.get(chain) ?? []).flatMap((rule) => /-j (KUBE-SEP-\S+)/.exec(rule)?.[1] ?? [])
    const backends = [...new Set(choices)].flatMap((choice) => (chains.get(choice) ?? []).flatMap(destination))
    return [
      {
        address,
        port: Number(/--dport (\d+)/.exec(line)?.[1]),
        protocol: protocolOf(/-p (\S+)/.exec(line)?.[1] ?? ''),
        backends,
      },
    ]
  })
  return { family, mode: 'iptables', rules, nodePortAddresses: nodePortAddresses(services) }
}

/** "-j DNAT --to-destination 198.18.1.2:8080" or "[2001:db8::2]:8080". */
function destination(rule: string): readonly Backend[] {
  const [, address, port] = /--to-destination \[?([^ \]]+?)\]?:(\d+)(?: |$)/.exec(rule) ?? []
  return address === undefined ? [] : [{ address, port: Number(port) }]
}

/** "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS" for all addresses, else one rule for each. */
function nodePortAddresses(services: readonly string[]): readonly string[] | null {
  const rules = services.filter((line) => line.includes('-j KUBE-NODEPORTS'))
  const named = rules.flatMap((line) => /(?<!!) -d ([^ /]+)/.exec(line)?.[1] ?? [])
  return rules.length > 0 && named.length === rules.length ? named : null
}
