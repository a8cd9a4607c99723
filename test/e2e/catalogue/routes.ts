/** Routes and neighbour entries of the source pod's node that lead its packets, or their answers, astray. */
import { hostLength } from '../../bed/addresses.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import type { Injection } from '../injection.ts'
import { type Entry, type FaultClass, oneOf, takenBack } from './entry.ts'
import { A_THIRD, chain, firstNode, inside, ipLines, source, webOn } from './means.ts'

const host = (address: string) => `${address}/${hostLength(address)}`
const flag = (address: string) => (address.includes(':') ? '-6 ' : '')
/** The resolver that the cluster's DNS forwards to is the external address. */
const UPSTREAM = ['DNS_UPSTREAM_BROKEN']
const ALL = ['same node', 'other node', 'external', 'api', 'dns', 'service'] as const
const OTHER = ['other node', 'dns', 'service'] as const

const refuses = (name: string, touches: Entry['touches'], injection: Injection, says?: RegExp): Entry => ({
  ...{ name, class: 'routes', place: 'node', touches, root: ['ROUTE_REFUSES'] },
  ...injection,
  ...(says ? { repair: takenBack(says, injection) } : {}),
})

export const routes: FaultClass = (pick) => {
  const type = oneOf(pick, ['unreachable', 'prohibit'])
  const metric = pick(1, 50)
  const priority = pick(100, 900)
  return [
    {
      ...refuses(
        'an unreachable route to the external address',
        ['external'],
        ipLines(
          firstNode,
          async ({ plan }) => plan.outside.map((one) => `${flag(one)}route add ${type} ${host(one)} metric ${metric}`),
          bareRoute,
        ),
      ),
      also: UPSTREAM,
    },
    refuses(
      'a blackhole route to a pod of the other node',
      OTHER,
      ipLines(
        firstNode,
        async (cluster) => (await remoteWeb(cluster)).map((one) => `${flag(one)}route add blackhole ${host(one)}`),
        bareRoute,
      ),
    ),
    refuses(
      'a policy rule that refuses the pod the way out',
      ['external'],
      ipLines(firstNode, async (cluster) => rulesFrom(cluster, priority)),
    ),
    {
      ...refuses(
        'a more specific route leads the answers for the pod astray',
        ALL,
        ipLines(firstNode, async (cluster) =>
          (await source(cluster)).map(
            (one) =>
              `${flag(one)}route add ${host(one)} via ${cluster.plan.nodeRouter[one.includes(':') ? 1 : 0]} dev eth0`,
          ),
        ),
      ),
    },
    {
      ...refuses('a permanent neighbour entry with a wrong address for the pod', ALL, wrongEntry(source, 'cni0')),
      root: ['NEIGHBOUR_UNRESOLVED'],
    },
    {
      ...refuses(
        'a permanent neighbour entry with a wrong address for the gateway',
        ['external'],
        wrongEntry(async ({ plan }) => plan.nodeRouter, 'eth0'),
      ),
      root: ['NEIGHBOUR_UNRESOLVED', 'GATEWAY_MAC_WRONG'],
      also: UPSTREAM,
    },
  ]
}

const bareRoute = (line: string) => line.replace(' add ', ' del ')

const remoteWeb = async (cluster: Cluster) => (await webOn(cluster, 'second')).at(-1)?.addresses ?? []

async function rulesFrom(cluster: Cluster, priority: number): Promise<string[]> {
  const from = await source(cluster)
  return cluster.plan.outside.map(
    (to, index) => `${flag(to)}rule add from ${from[index]} to ${to} priority ${priority} prohibit`,
  )
}

/** Nobody has that hardware address. */
function wrongEntry(of: (cluster: Cluster) => Promise<readonly string[]>, device: string): Injection {
  const mac = '02:00:00:00:00:99'
  return {
    async inject(cluster) {
      const path = await firstNode(cluster)
      for (const one of await of(cluster))
        inside(path, 'ip', 'neigh', 'replace', one, 'lladdr', mac, 'dev', device, 'nud', 'permanent')
    },
    async undo(cluster) {
      const path = await firstNode(cluster)
      for (const one of await of(cluster)) {
        inside(path, 'ip', 'neigh', 'replace', one, 'lladdr', mac, 'dev', device, 'nud', 'permanent')
        inside(path, 'ip', 'neigh', 'del', one, 'dev', device)
      }
    },
  }
}

/** Rules of the node that drop a part. */
export const loss: FaultClass = () => {
  const pings = `meta l4proto { icmp, icmpv6 } ${A_THIRD}`
  return [
    // one rule for both families: of five packets none may be lost, and each finding is mended by itself
    lossOnNode(
      'a rule that drops a third of the pings to the external address',
      ['external'],
      `iifname "cni0" oifname "eth0" ${pings}`,
    ),
    lossOnNode(
      'a rule that drops a third of the pings’ answers from the other node',
      OTHER,
      `iifname "vx0" oifname "cni0" ${pings}`,
    ),
  ]
}

const lossOnNode = (name: string, touches: Entry['touches'], rule: string): Entry => ({
  ...{ name, class: 'loss', place: 'node', touches, root: ['PACKET_LOSS'], names: /fault/ },
  ...chain({ at: firstNode, hook: 'forward priority 0', rules: async () => [rule] }),
})
