/** Kubelet and kube-proxy of this node. Both are asked at once: one that hangs takes seconds. */
import { nftChains } from '../node/netfilter.ts'
import { askHealth, askOnce, type Health } from '../probe/healthz.ts'
import { judgeKubelet, judgeKubeProxy } from '../probe/state/daemons.ts'
import type { Place, Plan } from '../types.ts'
import { answerOf, readNodeState, type StateAnswer } from './verdict.ts'

/** Ports of kubelet's and kube-proxy's own configuration; both are set there. */
const KUBELET_HEALTH = 10248
const PROXY_HEALTH = 10256
const PROXY_METRICS = 10249

let asked: { readonly kubelet: Promise<Health>; readonly proxy: Promise<Health> } | undefined

function health() {
  asked ??= { kubelet: askHealth(KUBELET_HEALTH, '/healthz'), proxy: askProxy() }
  return asked
}

/** /healthz of a node that the autoscaler is about to take away says 503; /livez (1.28) does not. */
async function askProxy(): Promise<Health> {
  const live = await askHealth(PROXY_HEALTH, '/livez')
  return live.status === 404 ? askHealth(PROXY_HEALTH, '/healthz') : live
}

export async function kubeletHealth(plan: Plan): Promise<StateAnswer> {
  const said = await health().kubelet
  const { internalIPs, kubeletPort, addressMatches } = plan.node
  const hosts = [...new Set(['127.0.0.1', ...internalIPs])].map((ip) => (ip.includes(':') ? `[${ip}]` : ip))
  const api =
    said.state === 'refused' && kubeletPort !== null
      ? await Promise.all(hosts.map((host) => askOnce(`http://${host}:${kubeletPort}/`, 2000)))
      : null
  return answerOf(judgeKubelet(said, api, addressMatches))
}

export async function kubeProxyHealth(plan: Plan, place: Place): Promise<StateAnswer> {
  const said = await health().proxy
  if (said.state !== 'refused') return answerOf(judgeKubeProxy(said, null, null, []))
  const [state, metrics, chains] = await Promise.all([
    readNodeState(plan, place),
    askHealth(PROXY_METRICS, '/healthz'),
    nftChains(),
  ])
  return answerOf(judgeKubeProxy(said, metrics, chains, state.links))
}
