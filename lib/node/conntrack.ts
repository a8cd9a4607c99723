/** What connection tracking counts (/proc/<pid>/net/stat/nf_conntrack), read from outside of the namespace: no need to enter. */
import { readFileSync } from 'node:fs'
import type { Counters } from './counters.ts'

/** Of the namespace that process `pid` lives in; null where the kernel keeps no such file. */
export function readConntrack(pid: number): Counters | null {
  try {
    return parseStat(readFileSync(`/proc/${pid}/net/stat/nf_conntrack`, 'utf8'))
  } catch {
    return null
  }
}

/**
 * /proc/net/stat/<table>: a head line of names, then one line of hexadecimal numbers for each CPU
 * (net/netfilter/nf_conntrack_standalone.c, net/core/neighbour.c): their sums, but `entries`, which is the same on each. By name, because
 * the columns differ between kernels.
 */
export function parseStat(text: string): Counters {
  const [head = [], ...cpus] = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).filter(Boolean))
  const sum = (column: number) => cpus.reduce((total, cpu) => total + (Number.parseInt(cpu[column] ?? '', 16) || 0), 0)
  const first = (column: number) => Number.parseInt(cpus[0]?.[column] ?? '', 16) || 0
  return Object.fromEntries(head.map((name, column) => [name, name === 'entries' ? first(column) : sum(column)]))
}
