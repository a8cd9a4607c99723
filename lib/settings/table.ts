/** Every environment variable that a run reads: the one source of the README's table and of .env.example. */

export interface Setting {
  readonly name: string
  /** What it means and what it may hold, one or two sentences. */
  readonly meaning: string
  /** What happens when it is not set. */
  readonly default: string
  /** The command-line flag of the Go original that it replaces. */
  readonly flag?: string
  /** A value as a user would write it. */
  readonly example: string
}

/** In the order in which documentation shows them. */
export const SETTINGS = [
  {
    name: 'SRC_POD',
    meaning:
      'The pod to ask from: a name, namespace/name, a workload (deploy/x, ds/x, sts/x, rs/x, job/x, cronjob/x), a label selector (app=x) or the start of a name. It must run on this node.',
    default: 'none: only the host checks run',
    flag: '-srcpodname',
    example: 'bbox',
  },
  {
    name: 'SRC_NAMESPACE',
    meaning: 'The namespace of SRC_POD.',
    default:
      'the kubeconfig context’s namespace, else default; else the only namespace that has such a pod on this node',
    flag: '-srcpodns',
    example: 'default',
  },
  {
    name: 'DST_POD',
    meaning:
      'The pod to reach, on any node: written as SRC_POD is, or a pod’s IP address, or none for no destination pod at all.',
    default: 'a pod on another node and one on this node are picked',
    flag: '-dstpodname',
    example: 'web-0',
  },
  {
    name: 'DST_NAMESPACE',
    meaning: 'The namespace of DST_POD.',
    default: 'the source pod’s; else the only namespace that has such a pod',
    flag: '-dstpodns',
    example: 'default',
  },
  {
    name: 'DST_SVC',
    meaning: 'The Service to reach: a name, namespace/name, or none for no service at all.',
    default: 'a Service with ready endpoints is picked',
    flag: '-dstsvcname',
    example: 'web',
  },
  {
    name: 'DST_SVC_NAMESPACE',
    meaning: 'The namespace of DST_SVC.',
    default: 'the source pod’s; else the only namespace that has such a Service',
    flag: '-dstsvcns',
    example: 'default',
  },
  {
    name: 'EXTERNAL_IP',
    meaning: 'An address outside the cluster that should answer ping, one per family, separated by a comma; or none.',
    default: 'none: the external checks are skipped, an address is never guessed',
    flag: '-externalip',
    example: '192.0.2.10,2001:db8::10',
  },
  {
    name: 'EXTERNAL_NAME',
    meaning: 'A host name outside the cluster that the pods should be able to resolve; or none.',
    default: 'none: the external name is not asked for, it is never guessed',
    example: 'www.example.org',
  },
  {
    name: 'KUBECONFIG',
    meaning: 'Path of the kubeconfig, or several separated by colons; the first that defines something wins.',
    default:
      'the in-cluster account, else ~/.kube/config, else the admin file of kubeadm, k3s, RKE2, k0s or MicroK8s on this node',
    flag: '-config',
    example: '/etc/kubernetes/admin.conf',
  },
  {
    name: 'KUBE_CONTEXT',
    meaning: 'The kubeconfig context to use.',
    default: 'the kubeconfig’s current-context',
    example: 'prod',
  },
  {
    name: 'NODE_NAME',
    meaning: 'The name of the Node object of the node that the run is on.',
    default: 'the Node whose InternalIP is an address of this machine, else the host name',
    example: 'worker-1',
  },
  {
    name: 'CONTAINER_RUNTIME_ENDPOINT',
    meaning: 'The socket of the container runtime: CRI (containerd, CRI-O, cri-dockerd) or Docker.',
    default: 'the usual sockets of containerd, CRI-O, Docker, k3s, RKE2, k0s and MicroK8s are tried',
    example: 'unix:///run/containerd/containerd.sock',
  },
  {
    name: 'NODE_NETNS',
    meaning: 'Path of the node’s network namespace.',
    default: 'the namespace in which the run is started',
    example: '/proc/1/ns/net',
  },
  {
    name: 'CNI_LEASES_DIR',
    meaning: 'The directory on the node in which the CNI plug-in host-local keeps its leases, by network.',
    default: '/var/lib/cni/networks, and that of kindnet',
    example: '/var/lib/cni/networks',
  },
  {
    name: 'PROBES',
    meaning: 'Echo requests for each target, 1 to 100.',
    default: '5',
    example: '5',
  },
  {
    name: 'EXPECT_MTU',
    meaning:
      'The path MTU in bytes that pods must have between them, 576 to 65535: a path that carries less, or a pod that is promised less, fails.',
    default: 'none: the path must carry what the pod is promised',
    example: '8951',
  },
  {
    name: 'EXPECT_DENIED',
    meaning:
      'What a NetworkPolicy is meant to deny, separated by commas: pod (the destination pods), service (the destination service and its endpoints), dns, api, external, an IP address, or the name of a pod or Service (web, default/web); each may end in :port ([address]:port over IPv6). Then a denial passes, and being reached fails.',
    default: 'none: what a policy denies fails',
    example: 'external,dns,web:8080',
  },
  {
    name: 'PEERS',
    meaning:
      'Other nodes to ask, with a pod on each, as a JSON list of at most 64: {"node", "zone", "addresses", "pod": {"namespace", "name", "addresses", "port"}}, zone and pod may be null. A run over all nodes sets it.',
    default: 'none: the questions about peers do not apply',
    example:
      '[{"node":"worker-2","zone":null,"addresses":["192.0.2.2"],"pod":{"namespace":"default","name":"web-1","addresses":["198.18.2.5"],"port":8080}}]',
  },
  {
    name: 'STRICT',
    meaning: 'Whether a warning fails the run: 1 or 0.',
    default: '0',
    example: '1',
  },
  {
    name: 'TRACE',
    meaning:
      'Whether the kernel is asked for its reasons while failures are asked again: 1 or 0. It makes a private instance below /sys/kernel/tracing for some seconds, the only thing on the node that is ever written.',
    default: '0',
    example: '1',
  },
  {
    name: 'REDACT',
    meaning:
      'Whether reports and terminal show pseudonyms instead of the names of pods, namespaces, nodes and API servers, and of addresses: 1 or 0.',
    default: '0',
    example: '1',
  },
  {
    name: 'BASELINE',
    meaning:
      'The JSON reports of earlier runs to compare with, separated by commas, or directories of them: every report then says what is new, known, fixed or worse.',
    default: 'none: nothing is compared',
    example: 'before/report-worker-1.json',
  },
  {
    name: 'GATE',
    meaning:
      'regressions: only what fails that did not fail in BASELINE, or is measurably worse, fails the run (exit code 1).',
    default: 'every failure fails the run',
    example: 'regressions',
  },
  {
    name: 'KNOWN_ISSUES',
    meaning:
      'A YAML or JSON file of waivers: failures that do not fail the run, each with a reason and a last day. One that has run out fails the run.',
    default: 'none: nothing is waived',
    example: 'known-issues.yaml',
  },
  {
    name: 'REPORTS_DIR',
    meaning: 'The directory for the reports.',
    default: 'reports',
    example: 'reports',
  },
  {
    name: 'PRINT_REPORTS',
    meaning:
      'Reports to print on standard output between marked lines at the end of a run, separated by commas: junit, json, markdown; packed is the JSON report, gzipped and in base64.',
    default: 'none: reports are files only',
    example: 'junit',
  },
] as const satisfies readonly Setting[]

export type SettingName = (typeof SETTINGS)[number]['name']
