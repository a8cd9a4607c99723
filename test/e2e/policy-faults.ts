/**
 * NetworkPolicies as faults, in the shape of faults.ts: the policy's object, and rules that do in the nodes' namespaces what a CNI
 * would do (the cluster's own enforces none). The source pod is bbox on the first node, what it asks are the web pods.
 */
import { pathOf } from '../bed/kubernetes/api.ts'
import type { Cluster } from '../bed/kubernetes/cluster.ts'
import { type Expected, type Fault, fails } from './faults.ts'
import { addRules, addressesOf, deleteRules, lastRemoteWebPod, nodes, podsOf, setPodLabel } from './injection.ts'

export interface PolicyFault extends Fault {
  /** What each failing check says: policy, end and missing rule. */
  readonly says: RegExp
  /** What each failing check that a policy denies says is to be done. */
  readonly remedy?: RegExp
}

const WEB = { DST_POD: 'app=web', DST_SVC: 'web' }
const V4 = { families: [4] } as const
const NAMED = { row: 'named' }

const policy = (name: string, spec: object) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'default' },
  spec,
})

const bbox = { podSelector: { matchLabels: { app: 'bbox' } } }
const dnsPods = {
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
  podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
}
const dnsPorts = ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 }))

const JAIL = policy('jail', { ...bbox, policyTypes: ['Egress'], egress: [{ to: [dnsPods], ports: dnsPorts }] })

const QUARANTINE = policy('quarantine', {
  podSelector: { matchLabels: { quarantine: 'yes' } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [bbox], ports: [{ protocol: 'TCP', port: 22 }] }],
})

const PORT_ONLY = policy('port-only', {
  podSelector: { matchLabels: { app: 'web' } },
  policyTypes: ['Ingress'],
  ingress: [{ from: [bbox], ports: [{ port: 'http' }] }],
})

/** Allows pods of the namespace, the API server and what is outside. */
const forgetful = (cluster: Cluster) => {
  const addresses = [...nodes(cluster).first.addresses, ...cluster.plan.outside]
  const blocks = addresses.map((address) => ({ ipBlock: { cidr: `${address}/${address.includes(':') ? 128 : 32}` } }))
  return policy('forgetful', { ...bbox, policyTypes: ['Egress'], egress: [{ to: [{ podSelector: {} }, ...blocks] }] })
}

/** Drops what leaves the source pod, into the network and to its own node. In nft's words: what is spared, and what of the rest. */
async function dropFromSource(
  cluster: Cluster,
  { spare = [], what = '' }: { spare?: readonly string[]; what?: string },
) {
  const { first } = nodes(cluster)
  const [four = '', six = ''] = addressesOf(await podsOf(cluster, 'bbox', first.name))
  const rules = [
    ...[
      'ct state established,related accept',
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
      ...spare,
    ],
    ...[`ip saddr ${four} ${what} drop`, `ip6 saddr ${six} ${what} drop`],
  ]
  for (const hook of ['forward', 'input'])
    addRules(first.namespace, 'inet', `${hook} priority -10`, rules, `policy-${hook}`)
}

const releaseSource = async (cluster: Cluster) => {
  for (const hook of ['forward', 'input']) deleteRules(nodes(cluster).first.namespace, 'inet', `policy-${hook}`)
}

/** Drops on both nodes what the source sends to pods. */
async function dropToPods(cluster: Cluster, to: readonly string[], what: string): Promise<void> {
  const source = addressesOf(await podsOf(cluster, 'bbox', nodes(cluster).first.name))
  const rules = ([4, 6] as const).map((family) => {
    const own = (list: readonly string[]) => list.filter((one) => one.includes(':') === (family === 6)).join(', ')
    const ip = family === 4 ? 'ip' : 'ip6'
    return `${ip} saddr { ${own(source)} } ${ip} daddr { ${own(to)} } ${what} drop`
  })
  const all = ['ct state established,related accept', ...rules]
  for (const { namespace } of cluster.nodes) addRules(namespace, 'inet', 'forward priority -10', all)
}

const releasePods = async (cluster: Cluster) => {
  for (const { namespace } of cluster.nodes) deleteRules(namespace, 'inet')
}

const remove = (cluster: Cluster, object: ReturnType<typeof policy>) =>
  cluster.api(pathOf(object), { method: 'DELETE' })

const toWeb = (code: string): readonly Expected[] => [
  fails('pod/destination-tcp', code, NAMED),
  fails('pod/endpoints-port', code),
  fails('pod/service-cluster-ip', code),
]

/** What a CNI that enforces the jail does. */
export const enforceJail = (cluster: Cluster) => dropFromSource(cluster, { spare: ['th dport 53 accept'] })

const jailed = {
  async inject(cluster: Cluster) {
    await cluster.apply([JAIL])
    await enforceJail(cluster)
  },
  async undo(cluster: Cluster) {
    await releaseSource(cluster)
    await remove(cluster, JAIL)
  },
}

/** Everything that the jail denies. */
export const JAILED_AS_MEANT = { ...WEB, EXPECT_DENIED: 'pod,service,api,external' }

export const POLICY_FAULTS: readonly PolicyFault[] = [
  {
    name: 'an egress policy that allows DNS only',
    env: WEB,
    ...jailed,
    says: /NetworkPolicy default\/jail selects pod default\/bbox-\S+ for egress, and no rule allows (TCP|ICMP)/,
    remedy: /^Add to spec\.egress of NetworkPolicy default\/jail the rule `- \{to: \[\{(podSelector|ipBlock): /,
    expect: {
      exitCode: 1,
      troubles: [
        ...toWeb('POLICY_DENIES'),
        ...['pod/destination-ping', 'pod/mtu-destination'].map((check) => fails(check, 'POLICY_DENIES', NAMED)),
        ...['endpoints-ping', 'external-ping', 'mtu-external'].map((check) => fails(`pod/${check}`, 'POLICY_DENIES')),
        ...['api-cluster-ip', 'api-endpoints', 'mtu-api'].map((check) => fails(`pod/${check}`, 'POLICY_DENIES', V4)),
      ],
    },
  },
  {
    name: 'the same, expected by EXPECT_DENIED',
    env: JAILED_AS_MEANT,
    ...jailed,
    says: /./,
    expect: { exitCode: 0, troubles: [] },
  },
  {
    name: 'an egress policy that forgets DNS',
    env: WEB,
    async inject(cluster) {
      await cluster.apply([forgetful(cluster)])
      await dropFromSource(cluster, { what: 'th dport 53' })
    },
    async undo(cluster) {
      await releaseSource(cluster)
      await remove(cluster, forgetful(cluster))
    },
    says: /NetworkPolicy default\/forgetful selects pod default\/bbox-\S+ for egress, and no rule allows (UDP|TCP) 53 to pods k8s-app=kube-dns of namespace kube-system/,
    // the check that names the missing rule asked over UDP alone, or over both
    remedy: /k8s-app: kube-dns\}\}\}\], ports: \[\{protocol: UDP, port: 53\}(, \{protocol: TCP, port: 53\})?\]\}`/,
    expect: {
      exitCode: 1,
      troubles: [
        ...['dns-kubernetes', 'dns-service', 'dns-search', 'dns-external'].map((check) =>
          fails(`pod/${check}`, 'POLICY_DENIES', V4),
        ),
        fails('pod/dns-replicas', 'POLICY_DENIES'),
      ],
    },
  },
  {
    name: 'an ingress policy on one endpoint of four, which allows another port',
    env: { DST_POD: 'none', DST_SVC: 'web' },
    async inject(cluster) {
      const pod = await lastRemoteWebPod(cluster)
      await setPodLabel(cluster, pod, 'quarantine', 'yes')
      await cluster.apply([QUARANTINE])
      await dropToPods(cluster, pod.addresses, '')
    },
    async undo(cluster) {
      await releasePods(cluster)
      await remove(cluster, QUARANTINE)
      await setPodLabel(cluster, await lastRemoteWebPod(cluster), 'quarantine', null)
    },
    says: /NetworkPolicy default\/quarantine selects the receiving pod for ingress, and no rule allows (TCP 8080|ICMP) from pods app=bbox of namespace default \(only TCP 22\)/,
    remedy:
      /spec\.ingress of NetworkPolicy default\/quarantine the rule `- \{from: \[\{podSelector: \{matchLabels: \{app: bbox\}\}\}\], ports: \[\{protocol: TCP, port: 8080\}\]\}`/,
    expect: {
      exitCode: 1,
      troubles: ['endpoints-ping', 'endpoints-port', 'service-cluster-ip'].map((check) =>
        fails(`pod/${check}`, 'POLICY_DENIES'),
      ),
    },
  },
  {
    // as Calico and Cilium do; nothing that is needed is missing
    name: 'an ingress policy that allows the port, and with it drops ping',
    env: WEB,
    async inject(cluster) {
      await cluster.apply([PORT_ONLY])
      const web = [...(await podsOf(cluster, 'web', 'n1')), ...(await podsOf(cluster, 'web', 'n2'))]
      await dropToPods(cluster, addressesOf(web), 'meta l4proto { icmp, ipv6-icmp }')
    },
    async undo(cluster) {
      await releasePods(cluster)
      await remove(cluster, PORT_ONLY)
    },
    says: /./,
    expect: { exitCode: 0, troubles: [] },
  },
  {
    name: 'a policy that nothing enforces, and one that is not there, both expected',
    env: { ...WEB, EXPECT_DENIED: 'pod,service,dns' },
    inject: async (cluster) => cluster.apply([JAIL]),
    undo: jailed.undo,
    says: /it was reached/,
    expect: {
      exitCode: 1,
      troubles: [
        ...toWeb('POLICY_NOT_ENFORCED'),
        ...['dns-kubernetes', 'dns-service', 'dns-external'].map((check) =>
          fails(`pod/${check}`, 'EXPECTED_DENIED_BUT_REACHED', V4),
        ),
        fails('pod/dns-replicas', 'EXPECTED_DENIED_BUT_REACHED'),
      ],
    },
  },
]
