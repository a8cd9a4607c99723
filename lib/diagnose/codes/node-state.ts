/** Codes of what the node's own state says. Part of CODES; they stand nearer to the root than what the probes meet. */
import { type CodeText, fail, warn } from './text.ts'

export const NODE_STATE = {
  KUBELET_UNHEALTHY: fail(
    'The kubelet of this node does not answer, or says that it is not well: its pods are no longer started, stopped or probed.',
    '`systemctl status kubelet; journalctl -u kubelet --since -15min`.',
  ),
  KUBE_PROXY_UNHEALTHY: fail(
    'The kube-proxy of this node hangs, is gone or says that it is not well: services change, and the rules of this node do not.',
    '`kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide`, its log, and restart the one of this node.',
  ),
  FORWARDING_OFF: fail(
    'The kernel of this node does not forward packets on an interface that its pods need: they reach this node and nothing else.',
    '`sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`, and the same in a file of /etc/sysctl.d; for one interface the setting that the finding names.',
  ),
  RP_FILTER: fail(
    'Packets of pods come in by another interface than the way back to them, and strict reverse path filtering drops them without a word.',
    'Mend the routes so that both ways use one interface (`ip route get <pod>`), or filter loosely: `sysctl -w net.ipv4.conf.<interface>.rp_filter=2`.',
  ),
  POD_ROUTE_WRONG: fail(
    'The route to the pods of another node leads nowhere: a blackhole, an interface that is down, or one that does not lead to that node.',
    'Look at `ip route; ip -6 route`, take away what is not the CNI’s, and restart the CNI agent of this node.',
  ),
  POD_ROUTE_MISSING: fail(
    'This node has no route to the pods of another node, where its CNI makes one for each.',
    'Read the log of the CNI agent on this node, and restart it: `kubectl get pods -A -o wide --field-selector spec.nodeName=<node>`.',
  ),
  TUNNEL_ENTRY_WRONG: fail(
    "The tunnel device sends what is meant for another node's pods to a wrong machine or hardware address.",
    'Compare `ip neigh show dev <tunnel>` and `bridge fdb show dev <tunnel>` with the addresses of the nodes, then restart the CNI agent of this node.',
  ),
  TUNNEL_ENTRY_MISSING: fail(
    "The tunnel device does not know where another node is: what is meant for that node's pods is dropped.",
    'Compare `ip neigh show dev <tunnel>` and `bridge fdb show dev <tunnel>` with those of another node, then restart the CNI agent of this node.',
  ),
  BRIDGE_NF_OFF: fail(
    "What the pods' bridge carries does not meet netfilter: answers of a service's pod on the same node are not translated back, so the connection fails.",
    '`modprobe br_netfilter && sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1`, and the same in /etc/modules-load.d and /etc/sysctl.d.',
  ),
  IPTABLES_MIXED: fail(
    'Rules of one writer are in both back ends of iptables, nft and legacy: packets meet both, and old rules in one overrule new ones in the other.',
    'Compare `iptables-legacy-save` and `nft list ruleset`; let everything use one back end, and take the rules away from the other, or restart the node.',
  ),
  CONNTRACK_FULL: fail(
    'The table of tracked connections is nearly full (above 80 %, a warning) or all but full (above 95 %): new connections are dropped.',
    '`sysctl -w net.netfilter.nf_conntrack_max=<twice as many>`; in kube-proxy’s configuration conntrack.maxPerCore. See who holds them: `conntrack -L`.',
  ),
  NEIGHBOUR_TABLE_FULL: fail(
    'The table of neighbours (ARP, NDP) is nearly full (above 80 %, a warning) or full: hosts and pods that do not fit cannot be reached.',
    'Raise `net.ipv4.neigh.default.gc_thresh1`, `gc_thresh2` and `gc_thresh3`, and those of ipv6, in /etc/sysctl.d.',
  ),
} as const satisfies Record<string, CodeText>

export const NODE_STATE_WARNINGS = {
  CONNTRACK_DROPS: warn(
    'Connection tracking dropped packets during the run: its table was full, or two packets of one connection raced.',
    '`conntrack -S`; see the evidence: early drops want a larger table, races want NodeLocal DNSCache or single-request-reopen.',
  ),
  SOFTNET_DROPS: warn(
    'The CPUs of this node dropped packets during the run, because they could not keep up with what arrived.',
    '`cat /proc/net/softnet_stat` (second column), `mpstat -P ALL 1`; raise `net.core.netdev_max_backlog`, spread interrupts over the CPUs.',
  ),
  INTERFACE_DROPS: warn(
    "Packets were damaged or dropped at the node's own interface during the run.",
    '`ip -s -s link show <interface>` and `ethtool -S <interface>`: CRC errors are cable, optics or port; missed and fifo errors a ring that is too small.',
  ),
  VXLAN_CHECKSUM_OFFLOAD: warn(
    'This kernel is known to miscount checksums of translated VXLAN packets while they are left to the device, or wrong checksums arrive now: connections stall for 1, 3, 7 ... 63 s.',
    '`ethtool -K <vxlan device> tx-checksum-ip-generic off` on every node, or a newer kernel.',
  ),
} as const satisfies Record<string, CodeText>
