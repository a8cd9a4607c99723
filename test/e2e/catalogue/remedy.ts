/** Carries out the commands of a remedy as they are written: those in backticks that change something. */
import type { Finding } from '../../../lib/types.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { netnsPath, run } from '../../bed/namespace.ts'
import { nodes } from '../injection.ts'
import { podNamespace } from '../packets.ts'

/** What changes something; the others show. */
const CHANGES = [
  /^ip( -[46])? (link set|route (add|del|replace|change)|rule (add|del)|neigh (add|del|replace|flush)|addr(ess)? (add|del|replace)) /,
  /^nft (delete|add|insert|replace|flush|chain) /,
  /^ip6?tables-(nft|legacy) .*-(A|D|I|P|R) /,
  /^(modprobe \w+ *(;|&&) *)?sysctl -w /,
  /^conntrack -D /,
  /^bridge (fdb (add|append|del|replace)|link set) /,
]

/** A remedy may name the namespace itself. */
const ENTERED = /^nsenter --net=\S+ (-- )?/

/** The commands that change something, in their order. A placeholder such as <address> is nothing that a shell could execute. */
export const commandsOf = (remedy: string): readonly string[] =>
  [...remedy.matchAll(/`([^`]+)`/g)]
    .map(([, command = '']) => command)
    .filter(
      (command) => !/<[\w ]+>/.test(command) && CHANGES.some((change) => change.test(command.replace(ENTERED, ''))),
    )

/** "namespace/name" of the pod in which the remedy wants its commands executed; null: on the node. */
export const podOf = (remedy: string, pods: readonly { namespace: string; name: string }[]): string | null =>
  pods.map(({ namespace, name }) => `${namespace}/${name}`).find((id) => remedy.includes(id)) ?? null

/** Executes them; returns what was executed. Throws as the command does. */
export async function carryOut(cluster: Cluster, { remedy }: Pick<Finding, 'remedy'>): Promise<readonly string[]> {
  const commands = commandsOf(remedy)
  const pods = await cluster.pods()
  const id = podOf(remedy, pods)
  const pod = pods.find(({ namespace, name }) => `${namespace}/${name}` === id)
  const node = cluster.nodes.find(({ name }) => name === pod?.node) ?? nodes(cluster).first
  const path = pod ? podNamespace(node, pod.uid) : netnsPath(node.namespace)
  for (const command of commands) run('nsenter', [`--net=${path}`, 'sh', '-ec', command])
  return commands
}
