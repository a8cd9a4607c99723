/** Causes that the diagnosis finds behind failing checks: where on its way a packet ends, and by what. */
import { type CodeText, fail } from './text.ts'

export const PATH_CAUSES = {
  FIREWALL_DROPS: fail(
    'A packet filter rule drops the packets without a word.',
    'Remove or narrow the rule that is named, where it is made: a firewall of the node, a policy, a left-over of another CNI. See it: `nft list ruleset`, `iptables-save`.',
  ),
  FIREWALL_REJECTS: fail(
    'A packet filter rule refuses the packets: the sender is told so by a reset or an ICMP error.',
    'Remove or narrow the rule that is named, where it is made: a firewall of the node, a policy, a left-over of another CNI. See it: `nft list ruleset`, `iptables-save`.',
  ),
  ROUTE_REFUSES: fail(
    "The kernel's routing refuses the packets: there is no route, or one of type unreachable, prohibit or blackhole.",
    'Put the route right: `ip route`, `ip -6 route`, `ip rule` in the namespace that is named. Routes to other nodes are set by the CNI agent: restart it on this node.',
  ),
  NEIGHBOUR_UNRESOLVED: fail(
    'The next hop does not answer for its hardware address (ARP or NDP), so packets for it are never sent.',
    'See the entry with `ip neigh` in the namespace that is named; find out whether the next hop is there: its interface, the bridge or switch between. A wrong permanent entry: `ip neigh del <address> dev <device>`.',
  ),
  SERVICE_NOT_TRANSLATED: fail(
    'Packets to a Service address leave the node untranslated: no rule on this node knows the Service.',
    'See that kube-proxy (or what replaces it) runs on this node and reaches the API server: `kubectl -n kube-system get pods -o wide`, its log; then restart it here.',
  ),
  SERVICE_WITHOUT_BACKENDS: fail(
    'The rules of kube-proxy on this node refuse the Service: they know no endpoint for it.',
    'Compare `kubectl get endpointslices` of the Service with the rules; if endpoints are ready, restart kube-proxy on this node and read its log.',
  ),
  LOST_IN_POD: fail(
    "The packets do not leave the pod's own network namespace.",
    'Look inside it from the node: `nsenter -t <pid> -n ip addr`, `ip route`, `nft list ruleset`. Deleting the pod lets the CNI plug-in set its network up again.',
  ),
  LOST_AT_VETH: fail(
    "The packets leave the pod's interface and do not come in on the node: the pair of interfaces between them is broken.",
    'On the node look at the peer: `ip -d link`. It must be up, and on a bridge a port of it in state forwarding. Deleting the pod lets the CNI plug-in make it anew.',
  ),
  LOST_ON_NODE: fail(
    'The packets come in on the node and do not leave it, and nothing that was read of the node says why.',
    'Follow them by hand: `tcpdump -ni any host <address>`, `nft monitor trace`, `perf trace -e skb:kfree_skb`; eBPF programs (`bpftool net`) drop without a trace in rules or routes.',
  ),
  TUNNEL_SENDS_NOTHING: fail(
    "The node hands the packets to its tunnel's interface, but no tunnel packet leaves the node.",
    'Look at the entries that name the other end: `bridge fdb show`, `ip neigh`, `ip route`; restart the CNI agent on this node, it writes them.',
  ),
  TUNNEL_UNANSWERED: fail(
    'Tunnel packets leave for the other node and nothing comes back, while the node itself can be reached.',
    "Open the tunnel's port between the nodes in every firewall and security group (VXLAN of flannel: UDP 8472, of others UDP 4789; Geneve: UDP 6081), both ways.",
  ),
  TUNNEL_REFUSED: fail(
    'The other node refuses the tunnel packets: it has no such tunnel.',
    'See on that node whether the tunnel is there and has the same port and id: `ip -d link show type vxlan`; restart the CNI agent there.',
  ),
  NODE_UNREACHABLE: fail(
    'Nothing on that node answers, not even the node itself.',
    'See whether the node runs and what lies between: `kubectl get node <node> -o wide`, then routes, switches, security groups.',
  ),
  LEFT_NODE_UNANSWERED: fail(
    'The packets leave this node and nothing comes back.',
    "What drops them lies beyond this node, where it cannot be seen from here: run the suite on the target's node, or watch there: `tcpdump -ni any host <address>`.",
  ),
  POD_UNANSWERED: fail(
    'One pod on another node does not answer, while others on that node do.',
    'Look at that pod and at its half of the path: a NetworkPolicy, its interface and routes; run the suite on its node with SRC_POD set to it.',
  ),
  FILTERED_BEYOND: fail(
    'The address answers, but not to this protocol and port: beyond this node something drops just that.',
    'Look for a NetworkPolicy on the target, a firewall on its node, and whether the process behind the port accepts connections at all (a full backlog drops them).',
  ),
  REFUSED_BEYOND: fail(
    'A host on the way refuses the packets by an ICMP error.',
    'Look at the host that sent it: its firewall rules and its routes to the target.',
  ),
  TARGET_SILENT: fail(
    "The packets are handed to the pod's interface on this node, and nothing comes back from it.",
    'Look inside that pod: its firewall rules (`nsenter -t <pid> -n nft list ruleset`), its routes, and whether its process still runs.',
  ),
  ANSWER_LOST_ON_NODE: fail(
    'Answers come back to this node, but it does not hand them on.',
    'Look at rules for the way back, `sysctl net.ipv4.conf.all.rp_filter`, the forwarding of the interface they come in by, and the route and neighbour entry of the pod.',
  ),
  ANSWER_NOT_TRANSLATED: fail(
    "Answers of a Service's endpoint reach the pod with the endpoint's own address: the node does not translate them back, and the pod drops them.",
    'Let bridged packets pass netfilter: `modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1`.',
  ),
  ANSWER_LOST_IN_POD: fail(
    "Answers reach the pod's interface, but not the process that asked.",
    'Look at the rules inside the pod (`nsenter -t <pid> -n nft list ruleset`) and whether the pod still has the address that the answers are sent to.',
  ),
} as const satisfies Record<string, CodeText>
