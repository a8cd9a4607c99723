/**
 * Every failure code, what it means and what to do next. The codes are a public interface: dashboards group by them.
 * The order is the order of reading: what stands nearer to the root of a trouble comes first, in every report.
 */
import type { Code } from '../types.ts'
import { BETWEEN_NODES, CLUSTER_WARNINGS, NODES_NOT_ASKED } from './codes/cluster.ts'
import { COMPARED } from './codes/comparison.ts'
import { DNS_COSTS, DNS_FAULTS } from './codes/dns.ts'
import { NODE_STATE, NODE_STATE_WARNINGS } from './codes/node-state.ts'
import { PATH_CAUSES } from './codes/path.ts'
import { POD_STATE, POD_STATE_WARNINGS, SIDECAR_NOT_LOOKED } from './codes/pod-state.ts'
import { POLICY } from './codes/policy.ts'
import { SERVICE_CODES } from './codes/services.ts'
import { type CodeText, fail, warn } from './codes/text.ts'
import { NOT_LOOKED } from './inconclusive.ts'

const FAILURES = {
  ...NODE_STATE,
  ...POD_STATE,
  NO_DEFAULT_ROUTE: fail(
    'The network namespace has no default route, so nothing beyond its own links can be reached.',
    'Look at `ip route; ip -6 route` there. In a pod: delete the pod so that the CNI plug-in sets it up again, and read the CNI log. On a node: repair its network configuration.',
  ),
  GATEWAY_UNRESOLVED: fail(
    'Nobody answers for the hardware address of the default gateway (ARP or NDP failed): every packet that leaves this namespace is lost at its first hop.',
    'Look at `ip neigh` and `ip route` there. In a pod: check its veth on the node (`ip -d link`, up, on the right bridge), Calico: the node itself needs a default route for proxy ARP; then restart the CNI agent. On a node: check cable, VLAN and the gateway.',
  ),
  NO_ROUTE: fail(
    'The kernel or a router said at once that there is no way to the address.',
    'Run `ip route get <address>` in that namespace and on the node. If the node has no route to the other pod network, look at the CNI agent: `kubectl -n kube-system get pods -o wide`.',
  ),
  ...POLICY,
  PATH_MTU_BLACK_HOLE: fail(
    'Small packets arrive, large ones vanish without an ICMP error: connections open and then hang (TLS, large answers).',
    "Set the pod network's MTU in the CNI configuration to the largest size that passed, and restart the pods; or let ICMP type 3 code 4 (IPv4) and ICMPv6 type 2 through every firewall between the nodes.",
  ),
  PATH_MTU_FIRST_HOP: fail(
    "The pod's interface promises more than its peer on the node takes: larger packets are dropped at the first step, without an ICMP error.",
    'Give both ends of the veth pair the same MTU: the one that the path beyond carries. On the node: `ip link`; for all pods: the MTU in the CNI configuration, then restart the pods.',
  ),
  PATH_MTU_ERRORS_FILTERED: fail(
    'Somebody says that packets are too big, but the ICMP error is dropped before it reaches the pod: to the pod it is a black hole.',
    'Let ICMP type 3 code 4 (IPv4) and ICMPv6 type 2 pass in the firewall that is named: `nft list ruleset`, `iptables-save`.',
  ),
  PATH_MTU_BELOW_EXPECTED: fail(
    'The path carries less than EXPECT_MTU asks for, or the pod is promised less.',
    "Set the pod network's MTU in the CNI configuration, and see that the network between the nodes carries it with the tunnel's overhead.",
  ),
  NO_READY_ENDPOINTS: fail(
    'The service exists, but no ready endpoint stands behind it: there is nobody who could answer.',
    '`kubectl get endpointslices -l kubernetes.io/service-name=<service>` and `kubectl describe service <service>`: compare the selector with the labels of the pods, then see why they are not Ready.',
  ),
  ...SERVICE_CODES,
  UNREACHABLE: fail(
    'Nothing came back: the packets, or their answers, were dropped on the way without a word.',
    "Ask for policies first (`kubectl get networkpolicy -A`), then find where the packet ends: `tcpdump -ni any host <address>` on this node and on the target's node. Sent here and absent there: tunnel, routes, `sysctl net.ipv4.ip_forward` or a cloud firewall.",
  ),
  REJECTED: fail(
    'Something on the way refused the packet actively (ICMP prohibited or unreachable): a firewall rule, a policy, or a service without endpoints.',
    "Look for the rule on this node and on the target's: `nft list ruleset | grep -i reject` and `iptables-save | grep -i REJECT`; for a service: `kubectl get endpointslices -l kubernetes.io/service-name=<service>`.",
  ),
  NOTHING_LISTENING: fail(
    'The address answers, but refuses the connection: nothing listens on that port. Of a service address: the rules on this node know no endpoint for it.',
    'Look at what the pod listens on: `kubectl exec <pod> -- ss -ltn`, or on its node `nsenter -t <pid> -n ss -ltn`. A process bound to 127.0.0.1 or to one family only looks like this; so does a wrong targetPort. A service address whose endpoints answer by themselves: look at kube-proxy (or what replaces it) on this node, its rules are old.',
  ),
  BACKEND_DEAD: fail(
    'Some connections to the virtual address work and some die: at least one endpoint behind it does not answer.',
    'The check that asks every endpoint by itself names the dead one: delete that pod, or cordon its node. If all endpoints answer directly, kube-proxy holds an old endpoint: restart kube-proxy (or the CNI agent) on this node.',
  ),
  PACKET_LOSS: fail(
    'Packets are lost again and again on a path that works otherwise; from 20 % on that is a failure, from 5 % on a warning.',
    'Look for drops: `ip -s link` on both nodes, `ethtool -S <nic> | grep -iE "drop|err"`, `nstat -az | grep -i drop`, `conntrack -S`. Compare with other nodes to find the link.',
  ),
  API_NAME_UNRESOLVED: fail(
    'The name of the API server in the kubeconfig does not resolve on this node.',
    'Try `getent hosts <name>` on the node; repair its resolver or /etc/hosts, or name the server by address in the kubeconfig.',
  ),
  TLS_CERT_EXPIRED: fail(
    'The server answers, but its certificate has expired.',
    "On kubeadm: `kubeadm certs check-expiration`, then `kubeadm certs renew all` and restart the control plane pods. Other distributions: restart the server, it renews on start. Check this machine's clock too: `date -u`.",
  ),
  TLS_CERT_NOT_YET_VALID: fail(
    'The server answers, but its certificate is not valid yet: nearly always a wrong clock on one side.',
    'Compare `date -u` on this node and on the control plane; repair time synchronisation (`chronyc tracking` or `timedatectl`).',
  ),
  TLS_NAME_MISMATCH: fail(
    'The certificate is trusted but was made for other names than the one asked for.',
    'See its names: `openssl s_client -connect <address:port> </dev/null | openssl x509 -noout -ext subjectAltName`. Make the certificate again with the missing name (kubeadm: certSANs), or use a server name that it holds.',
  ),
  TLS_UNTRUSTED: fail(
    "The server shows a certificate that the cluster's CA did not sign: the wrong server, something in between, or a kubeconfig with an old CA.",
    'See who signed it: `openssl s_client -connect <address:port> -showcerts </dev/null`. Compare with `kubectl config view --raw` (certificate-authority-data) and the ConfigMap kube-root-ca.crt.',
  ),
  TLS_STALLED: fail(
    'TCP connects, then the TLS handshake hangs: typically the first large packet is lost, a path MTU problem.',
    'Read the path MTU checks of this report first. Test by hand: `ping -M do -s 1372 <address>`, then larger sizes. If all sizes pass, the server itself hangs: look at its load and log.',
  ),
  TLS_HANDSHAKE_FAILED: fail(
    'TCP connects, but the server ends or garbles the TLS handshake: it may not speak TLS on this port, or share no version with us.',
    'Run `openssl s_client -connect <address:port> </dev/null` and read the alert. Check that the port is the https port, and that no proxy sits in between.',
  ),
  HTTP_NO_ANSWER: fail(
    'The connection (and TLS) stands, but no HTTP answer came in time.',
    'The server is overloaded or hangs: look at its log and load. For the API server: `kubectl get --raw /readyz?verbose` on a control plane node, and the state of etcd.',
  ),
  HTTP_STATUS: fail(
    'The server answers over HTTP, but not with a status that it gives when it is well.',
    'Read the status and text in the evidence. 5xx from the API server: look at its log and at etcd. 404 or a foreign page: the address belongs to another server.',
  ),
  API_NOT_HEALTHY: fail(
    'The API server answers and says that one of its own health checks fails.',
    'The failing sub-checks are named in the evidence; see them live with `kubectl get --raw "/readyz?verbose"`. "etcd" failing: look at the etcd pods and their disks first.',
  ),
  ...DNS_FAULTS,
  DNS_NO_ANSWER: fail(
    'A DNS server did not answer in time, over UDP or TCP as named.',
    'Compare with the checks of the single DNS replicas: if they answer and the service address does not, look at kube-proxy on this node; if none answers, at the path (policies for port 53) and `kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`.',
  ),
  DNS_SERVFAIL: fail(
    'The DNS server answers that it cannot resolve the name (SERVFAIL): it, or the server behind it, is in trouble.',
    '`kubectl -n kube-system logs -l k8s-app=kube-dns --tail=50`: look for "plugin/errors", loops, and a lost connection to the API server.',
  ),
  DNS_NXDOMAIN: fail(
    'The DNS server says that a name does not exist that it should know.',
    "Check that the cluster domain is right (kubelet --cluster-domain, the Corefile's kubernetes zone) and that the server asked is the cluster's: compare /etc/resolv.conf of the pod with `kubectl -n kube-system get service kube-dns`.",
  ),
  DNS_REFUSED: fail(
    'The DNS server refuses to answer this question: it does not serve the zone, or an access list keeps this client out.',
    'Check which server /etc/resolv.conf of the pod names, and the Corefile: `kubectl -n kube-system get configmap coredns -o yaml`.',
  ),
  DNS_WRONG_ANSWER: fail(
    'The DNS answer differs from what the Kubernetes API says about the service.',
    'Compare the two in the evidence. A DNS server that lost its watch gives old answers: look at the log of the DNS pods, then restart them: `kubectl -n kube-system rollout restart deployment coredns`.',
  ),
} as const satisfies Record<string, CodeText>

const WARNINGS = {
  ...NODE_STATE_WARNINGS,
  ...POD_STATE_WARNINGS,
  PATH_MTU_LOWER: warn(
    'The path carries less than was promised, and says so by ICMP: connections adapt, with a delay at the start.',
    "Nothing is broken. Inside the cluster, set the pod network's MTU to the size measured to save the detour.",
  ),
  PATH_MTU_OUTER_FRAGMENTS: warn(
    'Full-size packets arrive, but the node cuts each of them in pieces to fit its tunnel: that costs throughput, and breaks where fragments are dropped.',
    "Set the pod network's MTU to the MTU between the nodes less the tunnel's overhead (VXLAN 50 bytes over IPv4, 70 over IPv6), and restart the pods.",
  ),
  ...DNS_COSTS,
  ICMP_FILTERED: warn(
    'Ping is lost but TCP is answered: something on the way filters ICMP. Path MTU discovery may suffer too.',
    'If this is not meant so, let echo and "fragmentation needed" pass: look at policies, node firewalls and cloud security groups.',
  ),
  NODE_ADDRESS_MISMATCH: warn(
    "No address of this network namespace is an address of the Node object: the suite may not see the node's network.",
    "In a Job or DaemonSet set hostNetwork: true, or mount the host's /proc and set NODE_NETNS=/host/proc/1/ns/net. Check NODE_NAME.",
  ),
} as const satisfies Record<string, CodeText>

/** In the order of reading. No code is in two of them: the later one would decide its kind. */
export const PARTS: readonly Readonly<Record<Code, CodeText>>[] = [
  ...[BETWEEN_NODES, PATH_CAUSES, FAILURES, WARNINGS, CLUSTER_WARNINGS, COMPARED],
  ...[NOT_LOOKED, SIDECAR_NOT_LOOKED, NODES_NOT_ASKED],
]

export const CODES: Readonly<Record<Code, CodeText>> = Object.assign({}, ...PARTS)

/** Place in the order of reading, unknown codes last. */
const order = new Map(Object.keys(CODES).map((code, index) => [code, index]))
export const rankOf = (code: Code): number => order.get(code) ?? order.size
