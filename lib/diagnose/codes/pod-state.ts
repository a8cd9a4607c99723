/** The codes of what a pod's interface, addresses and routes are set to, of its node's address pool and of the clocks. Part of CODES. */
import type { CodeText } from './text.ts'

/** Nearer to the root than anything that is sent. */
export const POD_STATE = {
  LINK_DOWN: {
    kind: 'fail',
    means:
      'An interface on the way of every packet of the pod is down: its own, the other end on the node, or the bridge.',
    remedy:
      'Set it up again: `ip link set <interface> up`; and find out who took it down: the log of the CNI agent, and of what manages the network of the node (NetworkManager must leave veth and bridge alone).',
  },
  VETH_DETACHED: {
    kind: 'fail',
    means:
      'The pod is not connected to the network of its node: it has no interface, or its other end is not on the bridge with the pod’s gateway.',
    remedy:
      'On the node: `ip link set <veth> master <bridge>`; for a pod without an interface: delete the pod, so that the CNI plug-in sets it up again.',
  },
  PORT_BLOCKED: {
    kind: 'fail',
    means:
      'The bridge of the node does not forward at the pod’s port (spanning tree), or keeps it apart from other isolated ports.',
    remedy:
      'See the ports: `bridge -d link`; then `bridge link set dev <veth> isolated off` or `bridge link set dev <veth> state 3`.',
  },
  DUPLICATE_ADDRESS: {
    kind: 'fail',
    means:
      'Somebody else on the link answers for the address of the pod: packets for the pod go to whoever answered last.',
    remedy:
      'Find who has the MAC that is named: `bridge fdb | grep <MAC>` and `ip neigh` on the node, then compare the CNI’s allocations. Delete the pod that was given the address second.',
  },
  ADDRESS_MISSING: {
    kind: 'fail',
    means: 'An address that the API says the pod has is not on its interface: nobody can reach the pod there.',
    remedy:
      'Compare `kubectl get pod -o wide` with `ip address` in the pod. Delete the pod, so that the CNI plug-in gives it an address again.',
  },
  POD_ROUTE_BLOCKED: {
    kind: 'fail',
    means: 'A route or policy rule inside the pod refuses what the pod must reach: nothing of it leaves.',
    remedy:
      'See `ip rule; ip route show table all` in the pod, and take away what is named: `ip route del <route>`, `ip rule del priority <number>`.',
  },
  GATEWAY_MAC_WRONG: {
    kind: 'fail',
    means:
      'A permanent neighbour entry in the pod gives its gateway a hardware address that the node does not have: everything that leaves the pod is lost.',
    remedy:
      'Take it away: `ip neigh del <gateway> dev eth0` in the pod; or delete the pod, so that the CNI plug-in sets the right one.',
  },
  ADDRESS_POOL_EXHAUSTED: {
    kind: 'fail',
    means: 'The node has no address left for a new pod: the next one stays in ContainerCreating.',
    remedy:
      'Move pods away: `kubectl drain <node>` or fewer of them; leases that belong to no sandbox can be deleted. A larger range per node needs node-cidr-mask-size, for new nodes.',
  },
  CLOCK_SKEW: {
    kind: 'fail',
    means:
      'The clock of this node and that of the API server differ: certificates and tokens look expired, or not valid yet. From 60 s on that is a failure, from 5 s a warning.',
    remedy:
      'Compare `date -u` on both; repair time synchronisation on the one that is wrong: `chronyc tracking`, `timedatectl`.',
  },
} as const satisfies Record<string, CodeText>

export const POD_STATE_WARNINGS = {
  ADDRESS_FOREIGN: {
    kind: 'warn',
    means:
      'The pod’s interface holds one more address of the pod’s own range, of which the API knows nothing: another pod may be given it.',
    remedy: 'Compare `ip address` in the pod with the CNI’s allocations; take it away where nobody claims it.',
  },
  ADDRESS_POOL_LOW: {
    kind: 'warn',
    means: 'More than 90 % of the addresses that this node has for pods are in use.',
    remedy: 'Plan for fewer pods here (kubelet --max-pods), or larger ranges for new nodes (node-cidr-mask-size).',
  },
  ADDRESS_LEAKED: {
    kind: 'warn',
    means: 'Most of the addresses that this node has for pods are leased to sandboxes that do not exist any more.',
    remedy:
      'Compare the files in the directory that is named with `crictl pods -q`, and delete those whose first line names no sandbox. A node that was restarted hard leaves such leases.',
  },
} as const satisfies Record<string, CodeText>

export const SIDECAR_NOT_LOOKED = {
  SIDECAR_INTERCEPTS: {
    kind: 'inconclusive',
    means:
      'A proxy in the pod (a service mesh’s sidecar) accepts every TCP connection itself, so that a connection proves nothing about the way beyond it, and no way around the proxy is known.',
    remedy:
      'See the rules: `nft list ruleset` in the pod. Ask from a pod without the sidecar, or exclude the addresses from interception (traffic.sidecar.istio.io/excludeOutboundIPRanges).',
  },
} as const satisfies Record<string, CodeText>
