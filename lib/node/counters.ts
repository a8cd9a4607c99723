/** Counters of a network namespace (/proc/<pid>/net/snmp and snmp6), read by a process that lives in it: no need to enter. */
import { readFileSync } from 'node:fs'

/** "Ip.FragCreates", "Icmp.OutDestUnreachs", "Ip6.FragCreates", "Icmp6.OutPktTooBigs": the kernel's names. */
export type Counters = Readonly<Record<string, number>>

/** The counters of the namespace that process `pid` lives in; null when they cannot be read. No capability is needed. */
export function readCounters(pid: number | 'thread-self'): Counters | null {
  try {
    const [v4, v6] = ['snmp', 'snmp6'].map((name) => readIfThere(`/proc/${pid}/net/${name}`))
    return v4 === null ? null : { ...parseSnmp(v4 ?? ''), ...parseSnmp6(v6 ?? '') }
  } catch {
    return null
  }
}

/** A kernel without IPv6 has no snmp6. */
function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && path.endsWith('6')) return null
    throw error
  }
}

/** Pairs of lines, names and values: by name, because the columns differ between kernels. */
export function parseSnmp(text: string): Counters {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const pairs = lines.flatMap((names, index) => {
    const values = lines[index + 1]
    const [prefix] = names
    if (index % 2 !== 0 || !prefix?.endsWith(':') || values?.[0] !== prefix) return []
    return names
      .slice(1)
      .map((name, at): [string, number] => [`${prefix.slice(0, -1)}.${name}`, Number(values[at + 1])])
  })
  return Object.fromEntries(pairs.filter(([, value]) => Number.isFinite(value)))
}

/** One counter a line: "Ip6FragCreates 0" becomes Ip6.FragCreates. */
export function parseSnmp6(text: string): Counters {
  const pairs = text.split('\n').flatMap((line): [string, number][] => {
    const match = /^(Ip6|Icmp6|Udp6|UdpLite6)(\S+)\s+(\d+)$/.exec(line.trim())
    return match ? [[`${match[1]}.${match[2]}`, Number(match[3])]] : []
  })
  return Object.fromEntries(pairs)
}

/**
 * Every counter of the namespace that process `pid` lives in, those of snmp, snmp6, netstat and of each interface
 * ("cni0 rx_dropped"). Empty where they cannot be read.
 */
export function readAllCounters(pid: number | 'thread-self'): Counters {
  const rest = ['netstat', 'dev'].map((name) => {
    try {
      return readFileSync(`/proc/${pid}/net/${name}`, 'utf8')
    } catch {
      return ''
    }
  })
  return { ...readCounters(pid), ...parseSnmp(rest[0] ?? ''), ...parseDevices(rest[1] ?? '') }
}

const DEVICE_COLUMNS = ['rx_packets', 'rx_errors', 'rx_dropped', 'tx_packets', 'tx_errors', 'tx_dropped'] as const
/** Columns of /proc/net/dev: bytes, packets, errs, drop, fifo, frame, compressed, multicast; then the same to send. */
const DEVICE_PLACES = [1, 2, 3, 9, 10, 11] as const

function parseDevices(text: string): Counters {
  const pairs = text.split('\n').flatMap((line): [string, number][] => {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line)
    if (!match?.[2]) return []
    const values = match[2].split(/\s+/).map(Number)
    return DEVICE_COLUMNS.map((column, index) => [`${match[1]} ${column}`, values[DEVICE_PLACES[index] ?? 0] ?? 0])
  })
  return Object.fromEntries(pairs)
}

/** How far each counter has moved. */
export function difference(before: Counters, after: Counters): Counters {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]))
}
