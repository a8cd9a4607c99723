/**
 * A prober as a process of its own, so that its CPU can be taken away: enters a namespace, says "ready", waits for a line
 * on standard input, measures the targets one after another, and writes their results as one line of JSON.
 * Arguments: namespace, link MTU, then the targets as JSON.
 */
import { once } from 'node:events'
import { enterNamespace } from '../../lib/netns/index.ts'
import { type PathMtu, pathMtu } from '../../lib/probe/pmtu/index.ts'
import type { Target } from '../../lib/types.ts'
import { netnsPath } from '../bed/namespace.ts'

/** On a machine that is slow already the little that is left takes longer: this is about the value. */
const BUDGET_MS = 30_000

const [namespace = '', linkMtu = '', targets = '[]'] = process.argv.slice(2)
await enterNamespace(netnsPath(namespace))
console.log('ready')
await once(process.stdin, 'data')
const paths: PathMtu[] = []
for (const target of JSON.parse(targets) as Target[]) {
  paths.push(await pathMtu(target, { promised: Number(linkMtu), linkMtu: Number(linkMtu), budgetMs: BUDGET_MS }))
}
console.log(JSON.stringify(paths))
process.exit()
