/**
 * What the kernel counts beside SNMP: connection tracking, neighbour tables, the packets that CPUs and interfaces dropped. Files of
 * the calling thread's network namespace, read at once (two measurements a moment apart need no child process).
 */
import { readFileSync } from 'node:fs'
import { parseStat } from './conntrack.ts'
import { type Counters, parseSnmp } from './counters.ts'

export interface InterfaceCounters {
  readonly rxPackets: number
  readonly rxErrors: number
  readonly rxDropped: number
  readonly txPackets: number
  readonly txErrors: number
  readonly txDropped: number
}

/** Numbers since the machine or the namespace came up; null: this namespace has no such file. */
export interface Statistics {
  /** /proc/net/stat/nf_conntrack, by column, summed over CPUs; `entries` is the same on each. */
  readonly conntrack: Counters | null
  /** /proc/net/stat/arp_cache and ndisc_cache: of the whole machine, and only in its first namespace. */
  readonly neighbours: Readonly<Record<4 | 6, Counters | null>>
  /** Packets dropped because a CPU's backlog was full, of the whole machine (/proc/net/softnet_stat). */
  readonly backlogDrops: number | null
  readonly interfaces: Readonly<Record<string, InterfaceCounters>>
  /** "Udp.InCsumErrors", "TcpExt.IPReversePathFilter" and the like (/proc/net/snmp and netstat). */
  readonly snmp: Counters
}

const BASE = '/proc/thread-self/net'

export function readStatistics(): Statistics {
  return {
    conntrack: parseIfThere(read('stat/nf_conntrack'), parseStat),
    neighbours: {
      4: parseIfThere(read('stat/arp_cache'), parseStat),
      6: parseIfThere(read('stat/ndisc_cache'), parseStat),
    },
    backlogDrops: parseIfThere(read('softnet_stat'), parseSoftnet),
    interfaces: parseInterfaces(read('dev') ?? ''),
    snmp: { ...parseSnmp(read('snmp') ?? ''), ...parseSnmp(read('netstat') ?? '') },
  }
}

function read(name: string): string | null {
  try {
    return readFileSync(`${BASE}/${name}`, 'utf8')
  } catch {
    return null
  }
}

const parseIfThere = <T>(text: string | null, parse: (text: string) => T): T | null =>
  text === null ? null : parse(text)

/** The second number of each CPU's line, hexadecimal. */
export const parseSoftnet = (text: string): number =>
  text
    .trim()
    .split('\n')
    .reduce((total, line) => total + (Number.parseInt(line.trim().split(/\s+/)[1] ?? '0', 16) || 0), 0)

/** "  eth0: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ..." (net/core/net-procfs.c) */
export function parseInterfaces(text: string): Record<string, InterfaceCounters> {
  const pairs = text.split('\n').flatMap((line): [string, InterfaceCounters][] => {
    const match = /^\s*(\S+):\s*(\d.*)$/.exec(line)
    const numbers = match?.[2]?.trim().split(/\s+/).map(Number) ?? []
    if (match?.[1] === undefined || numbers.length < 16) return []
    const [, rxPackets = 0, rxErrors = 0, rxDropped = 0, , , , , , txPackets = 0, txErrors = 0, txDropped = 0] = numbers
    return [[match[1], { rxPackets, rxErrors, rxDropped, txPackets, txErrors, txDropped }]]
  })
  return Object.fromEntries(pairs)
}
