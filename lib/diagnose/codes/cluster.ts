/** Codes of a run over all nodes: what only their answers together say, and why a node gave none. Part of CODES. */
import { type CodeText, fail, inconclusive, warn } from './text.ts'

/** Where packets are lost between nodes. What they meet there, the nodes' own codes say. */
export const BETWEEN_NODES = {
  NODE_UNREACHED_BY_ALL: fail(
    'Of the nodes that asked this one, or its pod, none was answered, while they reach other nodes: it does not take what comes to it.',
    'Look at that node: its firewall (`nft list ruleset`, `iptables-save`), its security group, its tunnel device (`ip -d link`) and the log of its CNI agent. See whether the packets arrive: `tcpdump -ni any udp port 8472 or udp port 4789` there.',
  ),
  NODE_REACHES_NOBODY: fail(
    'Of the nodes that this one asked none answered, while others reach it and each other: what it sends is lost.',
    'Look at that node: its routes (`ip route`), its tunnel entries (`bridge fdb show`, `ip neigh`), its firewall for what leaves, and the log of its CNI agent; restart the agent.',
  ),
  NODE_CUT_OFF: fail(
    'This node exchanges nothing with any other, in either direction, while the others reach each other.',
    'Look at that node: its link and address, its security group, its firewall (`nft list ruleset`), its tunnel device (`ip -d link`) and the log of its CNI agent. Compare with a sound node of the same zone.',
  ),
  ZONES_CUT: fail(
    'No pair of nodes across two zones reaches each other, while the nodes within each zone do.',
    "Look at what stands between the zones: security groups and network ACLs, peering and transit routes, a firewall that lets the nodes' own addresses pass and the tunnel's port not (VXLAN: UDP 8472 or 4789, Geneve: UDP 6081, IP in IP: protocol 4).",
  ),
  ZONE_CUT_OFF: fail(
    'The nodes of one zone exchange nothing with any other zone, while the other zones reach each other.',
    "Look at what that zone's subnet has of its own: its security group, network ACL, route table and gateway; compare with those of another zone.",
  ),
  ZONE_BROKEN_INSIDE: fail(
    'The nodes of one zone do not reach each other, while other pairs of nodes do.',
    "Look at what is between the machines of that zone: its switch or subnet, a security group that does not name itself as a source, and the tunnel's port.",
  ),
  NODES_CUT: fail(
    'No node reaches any other that it asked: the trouble is the same everywhere.',
    "Look at what all nodes share: the CNI's configuration and agents (`kubectl get pods -A -o wide`), a firewall rule or security group that was changed for all, the tunnel's port.",
  ),
  PAIRS_UNREACHED: fail(
    'Single pairs of nodes, or of their pods, do not reach each other, and no node or zone is what they have in common.',
    'Look at both ends of one of them: `ip route get <address>`, `bridge fdb show`, `ip neigh` on the node that asks; firewall rules that name single addresses on both.',
  ),
} as const satisfies Record<string, CodeText>

export const CLUSTER_WARNINGS = {
  NODE_DIFFERS: warn(
    'Some nodes are set differently from most others, in something that all nodes should have alike: a fault in waiting.',
    'Compare the nodes that are named with the others, and set them alike: files in /etc/sysctl.d, the MTU of their interfaces, the configuration of kube-proxy. If it is meant, nothing is to be done.',
  ),
  LEFTOVERS_FOUND: warn(
    'Objects that an earlier run made are still in the cluster: it was killed before it could remove them.',
    'Remove them with the commands that are named.',
  ),
} as const satisfies Record<string, CodeText>

/** Why a node gave no answer. */
export const NODES_NOT_ASKED = {
  IMAGE_NOT_PULLED: inconclusive(
    'The node could not pull the image of the run, so nothing was asked there.',
    "Read the reason; make the image reachable from the nodes, or name one that is. A private registry: an imagePullSecret of the run's ServiceAccount.",
  ),
  NODE_REFUSED_POD: inconclusive(
    'The kubelet of the node took the pod and did not run it: no room, a port that is taken, or a container that cannot be made.',
    'See why: `kubectl describe node <node>` and the events of the namespace of the run.',
  ),
  NODE_NOT_READY: inconclusive(
    'The node is not Ready, and nothing came from it: its kubelet does not run, or does not reach the API server.',
    '`kubectl describe node <node>` (Conditions); on the node: `systemctl status kubelet; journalctl -u kubelet --since -15min`. To look at its network by hand: run `npx vitest run checks/host` there.',
  ),
  POD_NOT_ADMITTED: inconclusive(
    'The API server did not let the pod of the run in: PodSecurity, a quota or an admission webhook refused it.',
    'The reason names what refused it. PodSecurity: label the namespace `pod-security.kubernetes.io/enforce=privileged`; a quota: raise it; a webhook: exempt the namespace.',
  ),
  NODE_TIMED_OUT: inconclusive(
    'The node did not finish within the time that one node has.',
    'Give it more time, or look at what holds it: `kubectl describe pod` of the run, the load of the node.',
  ),
  NODE_REPORT_LOST: inconclusive(
    'The pod of the run ended on the node, but its report could not be read as a whole.',
    'Read what it printed: `kubectl logs` of its pod. A kubelet that cannot be reached (port 10250) serves no logs.',
  ),
  CLUSTER_RUN_FORBIDDEN: inconclusive(
    'The account may not make what a run over all nodes needs: its namespace, roles and Jobs.',
    'Use an account that may, or let an administrator install deploy/base; test with `kubectl auth can-i create jobs -n <namespace>`.',
  ),
} as const satisfies Record<string, CodeText>
