/** What is set differently on some of the nodes. Pure. */
import type { NodeDifference, NodeRun, StateFact, StateTopic } from '../types.ts'
import { commonest, compareText, groupedBy } from './lists.ts'

/** Topics that a node shares with others. Routes hold its own pods and gateway, rules are counted, DNS replicas are the cluster's. */
const COMPARED: ReadonlySet<StateTopic> = new Set([
  ...(['kernel', 'kubernetes', 'runtime', 'cni', 'kube-proxy', 'sysctl', 'mtu'] as const),
])

/** What the kernel or kube-proxy derives from the machine's memory and processors. */
const OF_MACHINE = /nf_conntrack_max$/

/** Where nodes differ in a fault in waiting; the others only tell what they run. */
const TROUBLE: ReadonlySet<StateTopic> = new Set(['sysctl', 'mtu', 'kube-proxy'])

export const isTrouble = ({ topic }: NodeDifference): boolean => TROUBLE.has(topic)

interface Known {
  readonly node: string
  readonly topic: StateTopic
  readonly name: string
  readonly value: string | number
}

/**
 * By topic and name. What a node does not know is no difference, nor is what it does not have (an interface of another name);
 * what is different on nearly every node is each node's own.
 */
export function differencesOf(runs: readonly NodeRun[]): NodeDifference[] {
  const facts = runs.flatMap(({ node, report }) => (report?.environment ?? []).flatMap((fact) => knownOf(node, fact)))
  return [...groupedBy(facts, ({ topic, name }) => `${topic}\n${name}`).values()]
    .flatMap((list) => differenceOf(list as [Known, ...Known[]]) ?? [])
    .toSorted((a, b) => compareText(a.topic, b.topic) || compareText(a.name, b.name))
}

const knownOf = (node: string, { topic, name, value }: StateFact): Known[] =>
  value === null || !COMPARED.has(topic) || OF_MACHINE.test(name) ? [] : [{ node, topic, name, value }]

function differenceOf(list: readonly [Known, ...Known[]]): NodeDifference | null {
  const [{ topic, name }] = list
  const values = groupedBy(list, ({ value }) => JSON.stringify(value))
  const nodes = new Set(list.map(({ node }) => node)).size
  if (values.size < 2 || (nodes > 3 && values.size * 2 > nodes)) return null
  const usual = commonest(list.map(({ value }) => value)) as string | number
  const others = [...values.values()]
    .filter(([first]) => first?.value !== usual)
    .map((same) => ({
      value: (same[0] as Known).value,
      nodes: [...new Set(same.map(({ node }) => node))].toSorted(compareText),
    }))
    .toSorted((a, b) => b.nodes.length - a.nodes.length || compareText(String(a.value), String(b.value)))
  return { topic, name, usual, usualNodes: nodes - others.reduce((sum, one) => sum + one.nodes.length, 0), others }
}

/** "MTU of flannel.1 1400 (39 others: 1450)" for each thing in which the node differs, what can break something first. */
export function differencesOfNode(node: string, differences: readonly NodeDifference[]): string[] {
  const own = differences.flatMap((difference) => {
    const other = difference.others.find(({ nodes }) => nodes.includes(node))
    return other ? [{ difference, value: other.value }] : []
  })
  return own
    .toSorted((a, b) => Number(isTrouble(b.difference)) - Number(isTrouble(a.difference)))
    .map(({ difference, value }) => {
      const { usual, usualNodes } = difference
      return `${titleOf(difference)} ${value} (${usualNodes} ${usualNodes === 1 ? 'other' : 'others'}: ${usual})`
    })
}

/** "MTU of eth0", "net.ipv4.ip_forward", "mode of kube-proxy" */
export function titleOf({ topic, name }: Pick<NodeDifference, 'topic' | 'name'>): string {
  if (topic === 'mtu') return `MTU of ${name}`
  return topic === 'sysctl' ? `net.${name.replaceAll('/', '.')}` : name
}
