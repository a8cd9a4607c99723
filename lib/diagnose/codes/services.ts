/** Codes of the service data plane: the rules of kube-proxy, conntrack, and what a service is set to. */
import { type CodeText, fail } from './text.ts'

export const SERVICE_CODES = {
  SERVICE_RULES_MISSING: fail(
    "This node's rules lack a service, or ready endpoints of it, which the API has: connections to it fail here, or load is not shared.",
    "Restart kube-proxy on this node: `kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy`, then delete this node's pod. Before that read its log for a lost connection to the API server or a rule that it cannot write: `kubectl -n kube-system logs <pod> --tail=50`. Connections that were begun meanwhile are remembered for two minutes: `conntrack -D -d <ClusterIP>` ends that at once.",
  ),
  SERVICE_RULES_STALE: fail(
    "This node's rules still send connections to addresses that are no ready endpoint of the service any more: those connections fail.",
    "Restart kube-proxy on this node, which does not follow the API: `kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy`, then delete this node's pod. Its log says why: `kubectl -n kube-system logs <pod> --tail=50`.",
  ),
  CONNTRACK_STALE: fail(
    'The connection tracking of this node still sends UDP of a service to an address that is no endpoint any more: the clients of these entries get no answer.',
    'Delete the entries: `conntrack -D -p udp --orig-dst <ClusterIP> --reply-src <address>`. kube-proxy does so itself when an endpoint goes; see whether it runs and what its log says.',
  ),
  NO_LOCAL_ENDPOINT: fail(
    'The service has internalTrafficPolicy Local and no ready endpoint on this node: by design nobody on this node can reach it.',
    'Run an endpoint on every node that has clients (a DaemonSet), or set the policy back: `kubectl patch service <service> -p \'{"spec":{"internalTrafficPolicy":"Cluster"}}\'`.',
  ),
  HAIRPIN_BROKEN: fail(
    'A pod cannot reach itself through its own service: connections that the service sends back to the pod that asks are lost.',
    'Let the bridge send a packet back where it came from: `bridge link set dev <veth> hairpin on`, for all pods "hairpinMode": true in the CNI configuration; and see that kube-proxy masquerades such connections (clusterCIDR is right).',
  ),
} as const satisfies Record<string, CodeText>
