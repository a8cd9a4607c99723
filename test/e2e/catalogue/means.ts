/** The means of the catalogue's faults: rules, routes and settings in the namespaces of nodes and pods. Taking back never fails for having been done. */
import { familyOf } from '../../bed/addresses.ts'
import type { Pod } from '../../bed/kubernetes/api.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { netnsPath, run } from '../../bed/namespace.ts'
import { type Injection, nodes, podsOf } from '../injection.ts'
import { podNamespace } from '../packets.ts'

/** Path of a network namespace. */
export type At = (cluster: Cluster) => Promise<string>

export const firstNode: At = async (cluster) => netnsPath(nodes(cluster).first.namespace)
export const secondNode: At = async (cluster) => netnsPath(nodes(cluster).second.namespace)
export const router: At = async (cluster) => netnsPath(cluster.underlay.router)
export const insidePod =
  (pod: (cluster: Cluster) => Promise<Pod>): At =>
  async (cluster) => {
    const { node, uid } = await pod(cluster)
    const there = cluster.nodes.find(({ name }) => name === node)
    if (!there) throw new Error(`no node ${node}`)
    return podNamespace(there, uid)
  }

const only = async (pods: Promise<readonly Pod[]>): Promise<Pod> => {
  const [pod] = await pods
  if (!pod) throw new Error('no such pod')
  return pod
}
export const sourcePod = (cluster: Cluster) => only(podsOf(cluster, 'bbox', nodes(cluster).first.name))
/** Every pod of the web service on a node; the first is the one that the suite picks as destination. */
export const webOn = (cluster: Cluster, which: 'first' | 'second') => podsOf(cluster, 'web', nodes(cluster)[which].name)
export const neighbourPod = (cluster: Cluster) => only(webOn(cluster, 'first'))

export const source = async (cluster: Cluster) => (await sourcePod(cluster)).addresses
export const outside = async ({ plan }: Cluster) => plan.outside
/** The source pod's node, on which the API server is. */
export const ownNode = async (cluster: Cluster) => nodes(cluster).first.addresses
export const otherNode = async (cluster: Cluster) => nodes(cluster).second.addresses
/** Pods on the other node that the suite asks: of the web service and the cluster's DNS. */
export const remotePods = async (cluster: Cluster) => onNode(cluster, nodes(cluster).second.name)
/** The same on this node, beside the source pod. */
export const localPods = async (cluster: Cluster) => onNode(cluster, nodes(cluster).first.name)

const onNode = async (cluster: Cluster, node: string) =>
  (await cluster.pods())
    .filter((pod) => pod.node === node && pod.labels.app !== 'bbox')
    .flatMap(({ addresses }) => addresses)

export type Addresses = (cluster: Cluster) => Promise<readonly string[]>

export const inside = (path: string, ...command: readonly string[]): string =>
  run('nsenter', [`--net=${path}`, ...command])

/** Repeats a command that deletes until there is nothing left for it: at least none is too. */
export const deleteAll = (path: string, ...command: readonly string[]): string =>
  inside(path, 'sh', '-c', 'i=0; while [ $i -lt 20 ] && "$@" 2>/dev/null; do i=$((i+1)); done', 'sh', ...command)

/** "ip saddr { ... } ip daddr { ... }", one a family, with what else they match and their end. */
export function between(from: readonly string[], to: readonly string[], end: string | Record<4 | 6, string>): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const of = (list: readonly string[]) => list.filter((one) => familyOf(one) === family)
    if (of(from).length === 0 || of(to).length === 0) return []
    const ip = family === 4 ? 'ip' : 'ip6'
    const tail = typeof end === 'string' ? end : end[family]
    return [`${ip} saddr { ${of(from).join(', ')} } ${ip} daddr { ${of(to).join(', ')} } ${tail}`]
  })
}

export type Rules = (cluster: Cluster) => Promise<readonly string[]>

export const pairs =
  (from: Addresses, to: Addresses, end: string | Record<4 | 6, string>): Rules =>
  async (cluster) =>
    between(await from(cluster), await to(cluster), end)

interface Chain {
  readonly at: At
  readonly family?: 'inet' | 'ip' | 'ip6' | 'bridge' | 'netdev'
  /** "forward priority -10", "ingress device eth0 priority 0", with a policy where it is not to accept. */
  readonly hook: string
  readonly rules: Rules
  readonly policy?: 'drop'
}

/** What a rule does to a third of its packets, in turn and not by chance: of five echoes that all come through nothing could be said. */
export const A_THIRD = 'numgen inc mod 3 == 1 drop'

let tables = 0

/** Rules in a chain of a table of their own. */
export function chain({ at, family = 'inet', hook, rules, policy }: Chain): Injection {
  const table = `${family} fault${++tables}`
  const load = async (cluster: Cluster, text: string) => {
    run('nsenter', [`--net=${await at(cluster)}`, 'nft', '-f', '-'], text)
  }
  const base = `type filter hook ${hook};${policy ? ` policy ${policy};` : ''}`
  return {
    inject: async (cluster) =>
      load(cluster, `table ${table} {\nchain fault {\n${base}\n${(await rules(cluster)).join('\n')}\n}\n}`),
    undo: (cluster) => load(cluster, `table ${table} {}\ndelete table ${table}`),
  }
}

/** Rules of iptables as words after -A: "FORWARD -s 192.0.2.1 -j DROP"; the program names the back end and the family. */
export function iptables(
  program: `ip${'6' | ''}tables-${'nft' | 'legacy'}`,
  rules: Rules,
  policy?: readonly [table: string, chain: string],
): Injection {
  const append = (rule: string) => rule.split(' ')
  return {
    async inject(cluster) {
      const path = await firstNode(cluster)
      for (const rule of await rules(cluster)) inside(path, program, ...tableOf(rule), '-A', ...append(bare(rule)))
      if (policy) inside(path, program, '-t', policy[0], '-P', policy[1], 'DROP')
    },
    async undo(cluster) {
      const path = await firstNode(cluster)
      if (policy) inside(path, program, '-t', policy[0], '-P', policy[1], 'ACCEPT')
      for (const rule of await rules(cluster)) deleteAll(path, program, ...tableOf(rule), '-D', ...append(bare(rule)))
    },
  }
}

/** "mangle: PREROUTING ..." stands in table mangle. */
const tableOf = (rule: string): string[] => {
  const table = /^(\w+): /.exec(rule)?.[1]
  return table ? ['-t', table] : []
}
const bare = (rule: string) => rule.replace(/^\w+: /, '')

/** `ip ...` lines, and those that take them back as long as there is something to take back. */
export function ipLines(
  at: At,
  make: (cluster: Cluster) => Promise<readonly string[]>,
  unmake: (line: string) => string = (line) => line.replace(/ (add|replace) /, ' del '),
): Injection {
  const run = async (cluster: Cluster, each: (path: string, words: readonly string[]) => unknown, turn = false) => {
    const path = await at(cluster)
    for (const line of await make(cluster)) each(path, (turn ? unmake(line) : line).split(' '))
  }
  return {
    inject: (cluster) => run(cluster, (path, words) => inside(path, 'ip', ...words)),
    undo: (cluster) => run(cluster, (path, words) => deleteAll(path, 'ip', ...words), true),
  }
}

/** Two injections at once; taken back in reverse order. */
export const together = (first: Injection, second: Injection): Injection => ({
  async inject(cluster) {
    await first.inject(cluster)
    await second.inject(cluster)
  },
  async undo(cluster) {
    await second.undo(cluster)
    await first.undo(cluster)
  },
})
