/**
 * The kernel's own reasons for dropped packets (tracepoint skb:kfree_skb, Linux 5.17), by a private tracefs instance that lives
 * as long as the probes. It writes below /sys/kernel/tracing, so only a user who asks for it gets it (TRACE=1). Needs root.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where tracefs is mounted (Documentation/trace/ftrace.rst). */
const PLACES = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'] as const
const EVENT = 'events/skb/kfree_skb/enable'

export interface DropTrace {
  /** How many packets were dropped since the last reading, by "REASON in function, IPv4". */
  read(): Readonly<Record<string, number>>
  close(): void
}

/** Starts to record; a text says why that cannot be. */
export function openDropTrace(): DropTrace | string {
  const root = PLACES.find((path) => existsSync(join(path, 'instances')))
  if (!root) return 'tracefs is not mounted here: mount -t tracefs tracefs /sys/kernel/tracing'
  const instance = join(root, 'instances', `k8snetlook-${process.pid}`)
  try {
    mkdirSync(instance)
  } catch (cause) {
    return `a trace cannot be opened (${(cause as NodeJS.ErrnoException).code}): it needs root and a writable ${root}`
  }
  const close = () => {
    try {
      writeFileSync(join(instance, EVENT), '0')
    } finally {
      rmdirSync(instance)
    }
  }
  try {
    writeFileSync(join(instance, EVENT), '1')
  } catch (cause) {
    close()
    return `this kernel cannot trace dropped packets (${(cause as NodeJS.ErrnoException).code} on ${EVENT})`
  }
  return {
    read() {
      const drops = parseDrops(readFileSync(join(instance, 'trace'), 'utf8'))
      // an empty write empties the buffer
      writeFileSync(join(instance, 'trace'), '')
      return drops
    },
    close,
  }
}

/** Ends of packets that have served their purpose. */
const HARMLESS: ReadonlySet<string> = new Set([
  ...['QUEUE_PURGE', 'SOCKET_CLOSE', 'OTHERHOST', 'UNHANDLED_PROTO', 'PACKET_SOCK_ERROR', 'SOCKET_FILTER'],
  ...['TCP_OLD_DATA', 'TCP_OLD_ACK', 'TCP_OFOMERGE', 'TCP_OLD_SEQUENCE', 'TCP_CLOSE', 'UNIX_DISCONNECT'],
])
const FAMILIES: Readonly<Record<string, string>> = { '2048': 'IPv4', '34525': 'IPv6' }

/** "kfree_skb: ... protocol=2048 location=nf_hook_slow+0x9a/0xe0 reason: NETFILTER_DROP" */
export function parseDrops(trace: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const line of trace.split('\n')) {
    const match = /kfree_skb: .*protocol=(\d+) location=([^+\s]+)\S* reason: (\w+)/.exec(line)
    const family = FAMILIES[match?.[1] ?? '']
    if (!match || !family || HARMLESS.has(match[3] ?? '')) continue
    const key = `${match[3]} in ${match[2]}, ${family}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
