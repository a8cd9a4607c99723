/** Whether kubelet and kube-proxy are well, from what they answer on loopback. Pure. */
import type { ChainName } from '../../node/netfilter.ts'
import type { LinkState } from '../../state.ts'
import type { Health } from '../healthz.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

const answers = (all: readonly Health[]) =>
  table(
    'asked',
    ['url', 'answer'],
    all.map(({ url, status, said }) => [url, [status ?? '', said].join(' ').trim()]),
  )

const trouble = ({ state, url, status, said }: Health): string =>
  state === 'silent'
    ? `${url} takes connections and does not answer`
    : `${url} answers ${status === null ? `with an error (${said})` : `${status}: ${said}`}`

const LOOK = (unit: string) => `\`systemctl status ${unit}; journalctl -u ${unit} --since -15min\``

/**
 * `api`: the kubelet's other port, as the Node object names it, at the node's addresses; null: that is not known. Refused on both:
 * nobody is there. Refused on the health port alone: it is switched off (healthzPort 0). `isNode`: this is the Node object's machine.
 * Code: KUBELET_UNHEALTHY.
 */
export function judgeKubelet(health: Health, api: readonly Health[] | null, isNode: boolean | null): StateVerdict {
  const evidence = answers([health, ...(api ?? [])])
  const hint = `${LOOK('kubelet')}; k3s and RKE2 hold it in their own service. Without it no pod of this node is started, stopped or probed.`
  if (health.state === 'well') return fine('the kubelet says that it is well', evidence)
  if (isNode === false) return notApplicable('the network namespace of a node', 'no address here is the Node object’s')
  if (health.state !== 'refused')
    return { is: 'broken', code: 'KUBELET_UNHEALTHY', detail: trouble(health), hint, evidence }
  if (isNode === null || api === null || api.length === 0)
    return notApplicable(
      'a Node object that names the kubelet’s port, and is this machine’s',
      `nobody listens at ${health.url}`,
    )
  if (api.some(({ state }) => state !== 'refused'))
    return notApplicable(
      'the kubelet’s health port',
      `it is switched off; the kubelet listens at ${api.find(({ state }) => state !== 'refused')?.url}`,
    )
  const detail = `no kubelet runs: nobody listens at ${[health, ...api].map(({ url }) => url).join(', ')}`
  return { is: 'broken', code: 'KUBELET_UNHEALTHY', detail, hint, evidence }
}

/** Interfaces of data planes that serve ClusterIPs themselves: what kube-proxy wrote may be left from before. */
const OTHERS = /^(?:cilium_|lxc|antrea-|ovn-|kube-ipvs|kube-bridge|weave)/

/**
 * `metrics`: its second port. Refused on both is normal where there is no kube-proxy, and a fault where its rules are there and no
 * other data plane is. Code: KUBE_PROXY_UNHEALTHY.
 */
export function judgeKubeProxy(
  health: Health,
  metrics: Health | null,
  chains: readonly ChainName[] | null,
  links: readonly LinkState[],
): StateVerdict {
  const evidence = answers(metrics === null ? [health] : [health, metrics])
  const hint =
    'Restart kube-proxy on this node: `kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide`, read the log of this node’s pod, then delete it. Services change, and this node’s rules do not, until it runs again.'
  if (health.state === 'well') return fine('kube-proxy says that it is well', evidence)
  if (health.state !== 'refused')
    return { is: 'broken', code: 'KUBE_PROXY_UNHEALTHY', detail: trouble(health), hint, evidence }
  const nobody = `nobody listens at ${health.url}`
  if (metrics !== null && metrics.state !== 'refused')
    return notApplicable('kube-proxy’s health port', `${nobody}, but it lives: ${metrics.url} is taken`)
  const rules = chains?.find(
    ({ table: of, name }) => name === 'KUBE-SERVICES' || (of === 'kube-proxy' && name === 'services'),
  )
  const other = links.find(({ name }) => OTHERS.test(name))
  if (!rules || other)
    return notApplicable('kube-proxy', other ? `${nobody}; ${other.name} belongs to another data plane` : nobody)
  const detail = `kube-proxy does not run: ${nobody}, while its rules are there (chain ${rules.name} of table ${rules.table}) and nothing else serves services`
  return { is: 'broken', code: 'KUBE_PROXY_UNHEALTHY', detail, hint, evidence }
}
