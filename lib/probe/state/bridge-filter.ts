/** Whether bridged packets meet netfilter, where services depend on it. Pure. */
import type { NamespaceState } from '../../state.ts'
import type { Family } from '../../types.ts'
import { type PodsHere, podDevices } from './pods-here.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

/** Bridges of pods of a family whose packets do not meet netfilter: neither by the sysctl nor by the bridge's own flag. */
export function unfilteredBridges(state: NamespaceState, pods: PodsHere, family: Family): string[] {
  if (state.sysctls[sysctlOf(family)] === '1') return []
  return bridgesOf(state, pods, family)
    .filter(({ bridge }) => !(family === 4 ? bridge?.callsIptables : bridge?.callsIp6tables))
    .map(({ name }) => name)
}

const bridgesOf = (state: NamespaceState, pods: PodsHere, family: Family) =>
  podDevices(state, pods, family).filter(({ kind }) => kind === 'bridge')

const sysctlOf = (family: Family) => `bridge/bridge-nf-call-ip${family === 4 ? '' : '6'}tables`

/**
 * A pod that asks a ClusterIP and is sent to a pod on its own bridge gets the answer from there directly: it must pass netfilter to
 * be translated back (net/bridge/br_netfilter_hooks.c). Not so where kube-proxy masquerades everything: then the answer goes to the node.
 * `rules`: kube-proxy's, of nftables or iptables; null: there are none, something else serves ClusterIPs. Code: BRIDGE_NF_OFF.
 */
export function judgeBridgeFilter(
  state: NamespaceState,
  pods: PodsHere,
  rules: string | null,
  family: Family,
): StateVerdict {
  const bridges = bridgesOf(state, pods, family).map(({ name }) => name)
  if (bridges.length === 0) return notApplicable(`pods on a bridge with IPv${family}`, 'no bridge has a route to one')
  const open = unfilteredBridges(state, pods, family)
  const value = state.sysctls[sysctlOf(family)] ?? 'absent: br_netfilter is not loaded'
  const evidence = table(
    'bridges of pods',
    ['bridge', sysctlOf(family), 'meets netfilter'],
    bridges.map((name) => [name, value, open.includes(name) ? 'no' : 'yes']),
  )
  if (open.length === 0) return fine(`what ${bridges.join(', ')} carries meets netfilter`, evidence)
  if (rules === null)
    return notApplicable(
      `kube-proxy's IPv${family} rules in nftables or iptables`,
      'there are none: something else serves ClusterIPs',
    )
  if (masqueradesAll(rules))
    return fine('kube-proxy masquerades all traffic to services, so answers pass the node', evidence)
  const name = `net.${sysctlOf(family).replace('/', '.')}`
  return {
    is: 'broken',
    code: 'BRIDGE_NF_OFF',
    detail: `${name} is ${value}, and pods are on ${open.join(', ')}: answers of a service's pod on the same node are not translated back`,
    hint: `\`${state.sysctls[sysctlOf(family)] === undefined ? 'modprobe br_netfilter && ' : ''}sysctl -w ${name}=1\`; to make it last: \`echo br_netfilter > /etc/modules-load.d/br_netfilter.conf; echo '${name} = 1' > /etc/sysctl.d/99-bridge.conf\`.`,
    evidence,
  }
}

/** The rule that marks each packet to a ClusterIP, whoever sends it. */
const masqueradesAll = (rules: string): boolean =>
  rules
    .split('\n')
    .some(
      (line) =>
        /\bdaddr |-d /.test(line) && /mark-for-masquerade|KUBE-MARK-MASQ/.test(line) && !/\bsaddr |-s /.test(line),
    )
