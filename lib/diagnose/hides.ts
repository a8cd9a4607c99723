/** What cannot be seen until a cause is mended that a check names by itself: of those that end all of a way. */
import type { Code } from '../types.ts'

const BEYOND_POD = 'what lies beyond the pod’s own interface'
const BEYOND_NODE = 'what lies beyond the node, for its pods'
const OTHER_PODS = 'what the other nodes’ pods are like'
const THROUGH_SERVICES = 'whether the endpoints of services would answer through them'

export const HIDES: Readonly<Record<Code, string>> = {
  ...{ LINK_DOWN: BEYOND_POD, VETH_DETACHED: BEYOND_POD, ADDRESS_MISSING: BEYOND_POD, DUPLICATE_ADDRESS: BEYOND_POD },
  ...{ PORT_BLOCKED: 'what the pods on this node are like' },
  ...{ GATEWAY_UNRESOLVED: 'what lies beyond the gateway', GATEWAY_MAC_WRONG: 'what lies beyond the gateway' },
  ...{
    NO_DEFAULT_ROUTE: 'what lies beyond the own subnet',
    POD_ROUTE_BLOCKED: 'what lies where the pod’s routes let it not go',
  },
  ...{ FORWARDING_OFF: BEYOND_NODE, RP_FILTER: BEYOND_NODE },
  ...{ POD_ROUTE_MISSING: OTHER_PODS, POD_ROUTE_WRONG: OTHER_PODS },
  ...{ TUNNEL_ENTRY_MISSING: OTHER_PODS, TUNNEL_ENTRY_WRONG: OTHER_PODS },
  ...{ KUBE_PROXY_UNHEALTHY: THROUGH_SERVICES, SERVICE_RULES_MISSING: THROUGH_SERVICES },
}
