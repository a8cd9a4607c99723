/** Whether the kernel forwards what pods send and what is sent to them. Pure. */
import type { NamespaceState } from '../../state.ts'
import type { Family } from '../../types.ts'
import { type PodsHere, podDevices, sysctlName, uplinks, waysOf } from './pods-here.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

/**
 * IPv4 asks the device that a packet came in by (IN_DEV_FORWARD in ip_route_input_slow, net/ipv4/route.c); ip_forward only sets
 * them all. IPv6 asks `all` alone, and since Linux 6.17 force_forwarding of the device (ip6_forward, net/ipv6/ip6_output.c).
 * Not applicable where no pod's packets come in by a bridge or veth that the node routes for. Code: FORWARDING_OFF.
 */
export function judgeForwarding(
  state: NamespaceState,
  pods: PodsHere,
  otherRanges: readonly string[],
  family: Family,
): StateVerdict {
  const own = podDevices(state, pods, family).map(({ name }) => name)
  if (own.length === 0)
    return notApplicable(`pods that the node routes IPv${family} for`, 'no bridge or veth has a route to one')
  const others = waysOf(state, family).flatMap(({ destination, device }) =>
    otherRanges.includes(destination) ? (device ?? []) : [],
  )
  const devices = [...new Set([...own, ...others, ...uplinks(state, family)])]
  const settings = devices.map((device) => ({ device, off: sysctlOff(state, device, family) }))
  const evidence = table(
    'forwarding',
    ['interface', 'forwards'],
    settings.map(({ device, off }) => [device, off === null ? 'yes' : `no: ${sysctlName(off)} is 0`]),
  )
  const wrong = [...new Set(settings.flatMap(({ off }) => (off === null ? [] : sysctlName(off))))]
  if (wrong.length === 0) return fine(`packets of pods are forwarded from ${devices.join(', ')}`, evidence)
  const commands = wrong.map((name) => `${name}=1`).join(' ')
  const lasting = wrong.map((name) => `${name} = 1`).join('\n')
  return {
    is: 'broken',
    code: 'FORWARDING_OFF',
    detail: `the node does not forward the IPv${family} packets of its pods: ${wrong.map((name) => `${name} is 0`).join(', ')}`,
    hint: `\`sysctl -w ${commands}\`; to make it last: \`printf '${lasting.replaceAll('\n', '\\n')}\\n' > /etc/sysctl.d/99-pods.conf\`, and see who sets it otherwise: \`grep -rs forward /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d /etc/systemd/network\`.`,
    evidence,
  }
}

/** Path of the sysctl that keeps a device from forwarding; null: it forwards, or does not say. */
function sysctlOff({ sysctls }: NamespaceState, device: string, family: Family): string | null {
  const off = (path: string) => sysctls[path] === '0'
  if (family === 6) {
    const forced = sysctls[`ipv6/conf/${device}/force_forwarding`] === '1'
    return off('ipv6/conf/all/forwarding') && !forced ? 'ipv6/conf/all/forwarding' : null
  }
  const own = `ipv4/conf/${device}/forwarding`
  if (!off(own)) return null
  return off('ipv4/ip_forward') ? 'ipv4/ip_forward' : own
}
