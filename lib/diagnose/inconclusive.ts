/** The codes of checks that could not look: never green, and never a statement about the network. Part of CODES. */
import { type CodeText, inconclusive } from './codes/text.ts'

export const NOT_LOOKED = {
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
