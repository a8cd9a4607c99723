/** The control plane and the objects of the cluster. */
import { until } from '../../bed/kubernetes/api.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { inNamespace } from '../../bed/namespace.ts'
import type { Injection } from '../injection.ts'
import { nodes } from '../injection.ts'
import { type Entry, type FaultClass, takenBack } from './entry.ts'

const WEB = '/api/v1/namespaces/default/services/web'

const entry = (
  about: Pick<Entry, 'name' | 'class' | 'place' | 'touches' | 'root'> & Partial<Entry> & { says: RegExp },
  injection: Injection,
): Entry => {
  const { says, ...rest } = about
  return { ...rest, ...injection, repair: takenBack(says, injection) }
}

const web =
  (spec: object): ((cluster: Cluster) => Promise<unknown>) =>
  (cluster) =>
    cluster.api(WEB, { method: 'PATCH', body: { spec } })

/** Addresses of the service's ready endpoints with their port, as the API shows them. */
async function endpointsOf(cluster: Cluster): Promise<string[]> {
  const { items } = await cluster.api<{
    items: { endpoints: { addresses: string[] }[] | null; ports: { port: number }[] | null }[]
  }>('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=web')
  return items.flatMap(({ endpoints, ports }) =>
    (endpoints ?? []).flatMap(({ addresses }) => addresses.map((address) => `${address} ${ports?.[0]?.port}`)),
  )
}

/** What kube-proxy of the first node knows of the service's endpoints. */
const known = (cluster: Cluster) =>
  ['ip', 'ip6']
    .map((family) => inNamespace(nodes(cluster).first.namespace, 'nft', 'list', 'table', family, 'kube-proxy'))
    .join('\n')

const backends = (cluster: Cluster, port: number) =>
  known(cluster)
    .split('\n')
    .filter((line) => line.includes('dnat to') && line.trimEnd().endsWith(`:${port}`)).length

export const services: FaultClass = (pick) => {
  const wrong = pick(8081, 8999)
  return [
    entry(
      {
        name: 'the service’s targetPort is wrong',
        class: 'services',
        place: 'cluster objects',
        env: { DST_SVC: 'web' },
        touches: ['service'],
        root: ['NOTHING_LISTENING'],
        says: /targetPort/,
      },
      {
        async inject(cluster) {
          await web({ ports: [{ name: 'http', port: 80, targetPort: wrong }] })(cluster)
          await until('the wrong port to be known', 20, async () => backends(cluster, wrong) === 8)
        },
        undo: backToNormal,
      },
    ),
  ]
}

async function backToNormal(cluster: Cluster): Promise<void> {
  await web({ selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] })(cluster)
  await until(
    'all endpoints to be known',
    20,
    async () => (await endpointsOf(cluster)).length === 8 && backends(cluster, 8080) === 8,
  )
}

export const api: FaultClass = () => [
  entry(
    {
      name: 'the API server hangs',
      class: 'api',
      place: 'control plane',
      touches: ['api', 'same node', 'other node', 'external', 'dns', 'service'],
      root: ['TLS_STALLED', 'HTTP_NO_ANSWER'],
      says: /server itself hangs|hangs/,
    },
    {
      inject: async (cluster) => signalApi(cluster, 'SIGSTOP'),
      async undo(cluster) {
        signalApi(cluster, 'SIGCONT')
        await until('the API server to be ready', 30, () => cluster.api('/readyz'))
        await cluster.waitReady()
      },
    },
  ),
]

function signalApi(cluster: Cluster, name: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = /pid=(\d+)/.exec(inNamespace(nodes(cluster).first.namespace, 'ss', '-ltnpH', 'sport = :6443'))?.[1]
  if (pid === undefined) throw new Error('nobody listens on port 6443')
  process.kill(Number(pid), name)
}
