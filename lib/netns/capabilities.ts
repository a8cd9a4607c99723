/** What this process may do, read from the kernel (capabilities(7)). */
import { readFileSync } from 'node:fs'

/** Bit numbers of include/uapi/linux/capability.h. */
const NEEDED = {
  CAP_NET_ADMIN: { bit: 12n, for: 'reading the packet filter, the rules of services and connection tracking' },
  CAP_NET_RAW: { bit: 13n, for: 'raw ICMP sockets' },
  CAP_SYS_PTRACE: { bit: 19n, for: "opening another process's namespace and its /proc/<pid>/root" },
  CAP_SYS_ADMIN: { bit: 21n, for: 'entering a network namespace (setns)' },
} as const

/** The capabilities that the suite needs and this process lacks, each with what it is for. */
export function missingCapabilities(
  status = readFileSync('/proc/self/status', 'utf8'),
): { name: string; for: string }[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  return Object.entries(NEEDED)
    .filter(([, { bit }]) => (effective & (1n << bit)) === 0n)
    .map(([name, need]) => ({ name, for: need.for }))
}
