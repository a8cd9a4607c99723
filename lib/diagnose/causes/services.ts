/** A Service's address that the node does not translate, or knows no endpoint for. */
import type { FilterSeen } from '../../state.ts'
import type { Around, Draft } from '../cause.ts'
import { askingSide, called, isVirtual } from '../names.ts'
import type { Branch } from '../trace.ts'

/** A Service's address is nobody's: packets to it that leave the node as they are were not translated. */
export const untranslated = ({ flow, destination }: Branch): boolean =>
  flow.target.address === destination && isVirtual(flow.target.role)

/** Packets to a Service's address left the node as they were. */
export function serviceUntranslated({ destination, last }: Branch, { names, place }: Around): Draft {
  return {
    code: 'SERVICE_NOT_TRANSLATED',
    key: 'SERVICE_NOT_TRANSLATED',
    cause: `Packets from ${askingSide(place, names)} to the Service address ${called(destination, names)} leave node ${names.node} by ${last?.device} untranslated: no rule on this node knows it.`,
    confidence: 'proven',
    remedy: `Restart kube-proxy (or what replaces it) on ${names.node} and read its log; the rules: \`nft list map ip kube-proxy service-ips\` or \`iptables-save -t nat\`.`,
    hides: 'whether the endpoints of the Service would answer through it',
  }
}

/** kube-proxy refuses, or drops, what it knows no endpoint for. */
export function byKubeProxy({ rule, chain }: FilterSeen, { flow }: Branch, { names }: Around): Draft {
  return {
    code: 'SERVICE_WITHOUT_BACKENDS',
    key: `SERVICE_WITHOUT_BACKENDS ${flow.target.address}`,
    cause: `On node ${names.node} kube-proxy refuses the Service address ${called(flow.target.address, names)}: it knows no endpoint for it ("${rule}" in ${chain}).`,
    confidence: 'proven',
    remedy: `Compare with \`kubectl get endpointslices -A\`: if there are ready endpoints, restart kube-proxy on ${names.node} and read its log; if not, see why the pods are not Ready.`,
    hides: null,
  }
}
