/**
 * Every failure code, what it means and what to do next. The codes are a public interface: dashboards group by them.
 * The order is the order of reading: what stands nearer to the root of a trouble comes first, in every report.
 */
import type { Code } from '../types.ts'

export interface CodeText {
  /** One sentence: what this says about the network, or why nothing can be said. */
  readonly means: string
  /** The next step, with commands to copy. */
  readonly remedy: string
  /** How a check ends with this code. `fail` codes may also come as a warning. */
  readonly kind: 'fail' | 'warn' | 'inconclusive'
}

const fail = (means: string, remedy: string): CodeText => ({ kind: 'fail', means, remedy })
const warn = (means: string, remedy: string): CodeText => ({ kind: 'warn', means, remedy })
const inconclusive = (means: string, remedy: string): CodeText => ({ kind: 'inconclusive', means, remedy })

const FAILURES = {
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
  PATH_MTU_BLACK_HOLE: fail(
    'Small packets arrive, large ones vanish without an ICMP error: connections open and then hang (TLS, large answers).',
    "Set the pod network's MTU in the CNI configuration to the largest size that passed, and restart the pods; or let ICMP type 3 code 4 (IPv4) and ICMPv6 type 2 through every firewall between the nodes.",
  ),
  NO_READY_ENDPOINTS: fail(
    'The service exists, but no ready endpoint stands behind it: there is nobody who could answer.',
    '`kubectl get endpointslices -l kubernetes.io/service-name=<service>` and `kubectl describe service <service>`: compare the selector with the labels of the pods, then see why they are not Ready.',
  ),
  BACKEND_DEAD: fail(
    'Some connections to the virtual address work and some die: at least one endpoint behind it does not answer.',
    'The check that asks every endpoint by itself names the dead one: delete that pod, or cordon its node. If all endpoints answer directly, kube-proxy holds an old endpoint: restart kube-proxy (or the CNI agent) on this node.',
  ),
  UNREACHABLE: fail(
    'Nothing came back: the packets, or their answers, were dropped on the way without a word.',
    "Ask for policies first (`kubectl get networkpolicy -A`), then find where the packet ends: `tcpdump -ni any host <address>` on this node and on the target's node. Sent here and absent there: tunnel, routes, `sysctl net.ipv4.ip_forward` or a cloud firewall.",
  ),
  REJECTED: fail(
    'Something on the way refused the packet actively (ICMP prohibited or unreachable): a firewall rule, a policy, or a service without endpoints.',
    "Look for the rule on this node and on the target's: `nft list ruleset | grep -i reject` and `iptables-save | grep -i REJECT`; for a service: `kubectl get endpointslices -l kubernetes.io/service-name=<service>`.",
  ),
  NOTHING_LISTENING: fail(
    'The address answers, but nothing listens on that port: the connection was refused.',
    'Look at what the pod listens on: `kubectl exec <pod> -- ss -ltn`, or on its node `nsenter -t <pid> -n ss -ltn`. A process bound to 127.0.0.1 or to one family only looks like this; so does a wrong targetPort.',
  ),
  PACKET_LOSS: fail(
    'Packets are lost again and again on a path that works otherwise; from 20 % on that is a failure, below it a warning.',
    'Look for drops: `ip -s link` on both nodes, `ethtool -S <nic> | grep -iE "drop|err"`, `nstat -az | grep -i drop`, `conntrack -S`. Compare with other nodes to find the link.',
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
  DNS_NO_ANSWER: fail(
    'A DNS server did not answer in time, over UDP or TCP as named.',
    'Compare with the checks of the single DNS replicas: if they answer and the service address does not, look at kube-proxy on this node; if none answers, at the path (policies for port 53) and `kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`.',
  ),
  DNS_SERVFAIL: fail(
    'The DNS server answers that it cannot resolve the name (SERVFAIL): it, or the server behind it, is in trouble.',
    '`kubectl -n kube-system logs -l k8s-app=kube-dns --tail=50`: look for "plugin/errors", loops, and a lost connection to the API server.',
  ),
  DNS_NXDOMAIN: fail(
    'The DNS server says that the name does not exist, yet Kubernetes has it.',
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
  PATH_MTU_LOWER: warn(
    'The path carries less than was promised, and says so by ICMP: connections adapt, with a delay at the start.',
    "Nothing is broken. Inside the cluster, set the pod network's MTU to the size measured to save the detour.",
  ),
  ICMP_FILTERED: warn(
    'Ping is lost but TCP is answered: something on the way filters ICMP. Path MTU discovery may suffer too.',
    'If this is not meant so, let echo and "fragmentation needed" pass: look at policies, node firewalls and cloud security groups.',
  ),
  NODE_ADDRESS_MISMATCH: warn(
    "No address of this network namespace is an address of the Node object: the suite may not see the node's network.",
    "In a Job or DaemonSet set hostNetwork: true, or mount the host's /proc and set NODE_NETNS=/host/proc/1/ns/net. Check NODE_NAME.",
  ),
} as const satisfies Record<string, CodeText>

const NOT_LOOKED = {
  SETUP_FAILED: inconclusive(
    'The set-up ended before the checks could run.',
    'The message says at what. Run again; if it stays, report it with the message.',
  ),
  NOTHING_RAN: inconclusive(
    'No check gave an answer: none matched, or every one did not apply.',
    'See what would run and why not: `npx vitest list`. For pod checks set SRC_POD.',
  ),
  RUN_INTERRUPTED: inconclusive(
    'The run was ended before all checks had answered; what is missing here was not asked.',
    'Run again and let it end. A pipeline that ends it: raise its time limit.',
  ),
  ANOTHER_RUN: inconclusive(
    'Another run on this node writes the same reports.',
    'Wait for it, or give this one a directory of its own: REPORTS_DIR=<directory>.',
  ),
  REPORTS_UNWRITABLE: inconclusive(
    'The reports could not be written; files from an earlier run may still lie there.',
    'Make the directory writable (`df -h`, `mount`, `ls -ld`), or set REPORTS_DIR to one that is.',
  ),
  NOT_LINUX: inconclusive(
    'The suite looks into Linux network namespaces; this system has none.',
    'Run it on a node, as root, or in the container image on the node.',
  ),
  NATIVE_MODULE_MISSING: inconclusive(
    'A native module (raw-socket or koffi) is missing or was built for another Node.js version.',
    'Run `npm rebuild` with the Node.js that runs the suite (`node -v`); it needs a compiler, make and python3.',
  ),
  PERMISSION_MISSING: inconclusive(
    'The suite lacks a right on this machine that this question needs.',
    'Run as root on the node. In a container: privileged, or the capability that is named (SYS_ADMIN, NET_RAW, NET_ADMIN, SYS_PTRACE), with hostPID: true.',
  ),
  TOOL_MISSING: inconclusive(
    'A program that this question needs is not installed here.',
    'Install it (for `ip`: `apt-get install iproute2`), or use the container image, which holds all of them.',
  ),
  TOOL_FAILED: inconclusive(
    'A program that this question needs ran and failed.',
    'Run the command in the message by hand, on the node as root, and read what it says.',
  ),
  SETTINGS_INVALID: inconclusive(
    'A setting cannot be used as it is.',
    'Correct the variable that is named, in the environment or in .env; the README lists what each takes.',
  ),
  KUBECONFIG_MISSING: inconclusive(
    'There is no kubeconfig at the place named, and no in-cluster account.',
    'Set KUBECONFIG to a file that exists; on a kubeadm node: KUBECONFIG=/etc/kubernetes/admin.conf.',
  ),
  KUBECONFIG_UNREADABLE: inconclusive(
    'The kubeconfig is there but cannot be read.',
    'Run as root, or make it readable: `ls -l "$KUBECONFIG"`.',
  ),
  KUBECONFIG_INVALID: inconclusive(
    'The kubeconfig is not valid: not YAML, or without cluster, user or context.',
    'Check it: `kubectl config view --kubeconfig "$KUBECONFIG"`.',
  ),
  KUBE_CONTEXT_UNKNOWN: inconclusive(
    'The kubeconfig holds no context of that name.',
    'Choose one of `kubectl config get-contexts -o name`, or leave KUBE_CONTEXT unset for the current one.',
  ),
  CREDENTIALS_UNAVAILABLE: inconclusive(
    'The credentials that the kubeconfig names could not be had: a plug-in is missing or failed, or a file is gone.',
    'Run `kubectl get --raw /version` with the same kubeconfig as the same user; it shows the same error.',
  ),
  API_UNAUTHORIZED: inconclusive(
    'The API server does not accept the credentials (401): expired or from another cluster.',
    'Get a new kubeconfig or token; test with `kubectl auth whoami`.',
  ),
  API_FORBIDDEN: inconclusive(
    'The account may not read what this question needs (403).',
    'Grant the verb and resource that are named (deploy/ holds the role), or use an account that has them; test with `kubectl auth can-i <verb> <resource> -A`.',
  ),
  API_UNAVAILABLE: inconclusive(
    'The Kubernetes API could not be asked, so what only it knows is unknown. Whether that is a fault, the check of the API server says.',
    'Repair that first, see the checks of the API server. To look at a pod meanwhile: SRC_POD=<namespace>/<name> and explicit targets work without the API.',
  ),
  CA_UNKNOWN: inconclusive(
    "No CA is known to verify the server's certificate against; the path itself may be fine.",
    'Use a kubeconfig with certificate-authority-data, or let the account read the ConfigMap kube-root-ca.crt.',
  ),
  NODE_NOT_FOUND: inconclusive(
    'Kubernetes knows no Node object for this machine, so it is unclear which node this is.',
    'Set NODE_NAME to one of `kubectl get nodes -o name`; check that the kubeconfig belongs to this cluster.',
  ),
  DNS_DOMAIN_UNKNOWN: inconclusive(
    "The cluster's DNS domain is not known, so the full name of a service cannot be asked.",
    "Look at the search list in /etc/resolv.conf of the pod and at kubelet's clusterDomain; the API may hold it when it can be read.",
  ),
  SRC_POD_NOT_SET: inconclusive(
    'The pod checks were asked for, but no source pod is named.',
    'Set SRC_POD=<pod>, <namespace>/<pod>, deploy/<name> or app=<label>.',
  ),
  POD_NOT_FOUND: inconclusive(
    'No pod of that name is known.',
    'See which there are: `kubectl get pods -A -o wide --field-selector spec.nodeName=<node>`.',
  ),
  POD_ELSEWHERE: inconclusive(
    'The pod runs on another node; its network namespace is only there.',
    'Run the suite on the node that is named.',
  ),
  POD_AMBIGUOUS: inconclusive(
    'Several workloads match the name, so it is unclear which pod is meant.',
    'Name one of the candidates: SRC_POD=<namespace>/<pod>.',
  ),
  POD_NOT_RUNNING: inconclusive(
    'The pod has no running sandbox, so it has no network to look at.',
    'See why: `kubectl describe pod <pod>`. "FailedCreatePodSandBox" is a CNI problem: read the kubelet and CNI logs on the node.',
  ),
  POD_NOT_ON_NODE: inconclusive(
    'The API says that the pod runs here, but the runtime of this node does not know it.',
    "Check that this is the node that is meant (NODE_NAME) and that CONTAINER_RUNTIME_ENDPOINT is kubelet's runtime: `crictl pods`.",
  ),
  SERVICE_NOT_FOUND: inconclusive(
    'No Service of that name is known.',
    'See which there are: `kubectl get services -A`; then set DST_SVC=<namespace>/<name>.',
  ),
  RUNTIME_UNAVAILABLE: inconclusive(
    "No container runtime could be asked for the pod's network namespace.",
    'Check that it runs (`systemctl status containerd crio`), mount its socket when in a container, or name it: CONTAINER_RUNTIME_ENDPOINT=unix:///run/containerd/containerd.sock.',
  ),
  SANDBOXED_RUNTIME: inconclusive(
    "The pod runs in a sandboxed runtime (gVisor, Kata): its network stack is not in the node's kernel.",
    'Ask from an ordinary pod on the same node, or run the suite inside the sandbox.',
  ),
  GATEWAY_UNPROVEN: inconclusive(
    'The gateway neither proved to be there nor to be gone: its neighbour entry is old and it answered no probe.',
    'See whether the checks beyond the gateway pass. If they do not: `ip neigh flush dev <device>` there and run again.',
  ),
  FAMILY_UNSUPPORTED: inconclusive(
    'This kernel or network namespace does not speak that IP version (switched off, or not built in).',
    'Look at `sysctl net.ipv6.conf.all.disable_ipv6` there. If the cluster is meant to use that version, repair this; else leave out the targets of that version.',
  ),
  SOCKET_FAILED: inconclusive(
    'The kernel did not give the suite the socket that it needs.',
    "The message holds the kernel's reason: too many open files (`ulimit -n`), no memory, or a seccomp or AppArmor profile. Run it as root outside that confinement.",
  ),
  LINK_MISSING: inconclusive(
    'A network interface that a route names is not there: it was removed meanwhile.',
    'Run again. If it stays, look at `ip link` and `ip route` in that network namespace.',
  ),
  NAMESPACE_GONE: inconclusive(
    'The network namespace vanished: the pod was deleted or restarted meanwhile.',
    'Run again. If it goes on, the pod restarts: `kubectl describe pod <pod>`.',
  ),
  NAMESPACE_CHANGED: inconclusive(
    'The process was not in the network namespace that the question is about, so nothing was sent.',
    'Run again. If the pod was restarted meanwhile that is the reason; otherwise report it.',
  ),
  UDP_SILENT: inconclusive(
    'Nothing came back over UDP; most UDP services say nothing to strangers, so this proves nothing.',
    "Ask the service in its own protocol from the pod, or watch whether the datagram arrives: `tcpdump -ni any udp port <port>` on the target's node.",
  ),
  PROBE_INCONCLUSIVE: inconclusive(
    'The probe itself could not tell: its measurements contradict each other or this machine got in their way.',
    'Run again when the node is less busy; read the evidence.',
  ),
  TIMED_OUT: inconclusive(
    'The check did not come to its end within its time; that says nothing about the network yet.',
    'Run this check alone: `npx vitest run <file>`. Look at the load of the node.',
  ),
  WORKER_DIED: inconclusive(
    'The process that asked the questions died; answers are lost.',
    'Look at `dmesg | tail` (out of memory, segmentation fault), then run the named file alone.',
  ),
  CHECK_CRASHED: inconclusive(
    'The check itself broke: a defect of this tool, no statement about the network.',
    'Report it with the message. The other checks stand.',
  ),
} as const satisfies Record<string, CodeText>

export const CODES: Readonly<Record<Code, CodeText>> = { ...FAILURES, ...WARNINGS, ...NOT_LOOKED }

/** Place in the order of reading, unknown codes last. */
const order = new Map(Object.keys(CODES).map((code, index) => [code, index]))
export const rankOf = (code: Code): number => order.get(code) ?? order.size
