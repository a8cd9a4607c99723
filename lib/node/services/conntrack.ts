/** UDP entries of connection tracking to services: the parser is pure, the reader asks conntrack, else /proc. */
import { canonicalAddress } from '../../packet/address.ts'
import type { Outcome } from '../../types.ts'
import { shell } from './shell.ts'

/** One UDP flow to a service: who asks whom, and who was chosen to answer. */
export interface UdpEntry {
  readonly source: string
  readonly sourcePort: number
  /** The service's address, before translation. */
  readonly address: string
  readonly port: number
  /** Where the answer is expected from: the endpoint. */
  readonly backend: string
  readonly backendPort: number
  /** Until the entry is forgotten; each packet sets it anew (nf_conntrack_udp_timeout). */
  readonly secondsLeft: number
}

/** The first "src= dst= sport= dport=" is the request, the second the expected answer (nf_conntrack_standalone.c, ct_seq_show). */
const FLOW = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g
const HEAD = /^(?:ipv[46] +\d+ +)?udp +17 (\d+) /

/** Lines of `conntrack -L` or of /proc/net/nf_conntrack: UDP entries whose request goes to one of `addresses`. */
export function parseConntrack(output: string, addresses: ReadonlySet<string>): readonly UdpEntry[] {
  return output.split('\n').flatMap((line): UdpEntry[] => {
    const secondsLeft = HEAD.exec(line)?.[1]
    const [request, reply] = [...line.matchAll(FLOW)]
    if (secondsLeft === undefined || !request || !reply) return []
    const [source, address, backend] = [request[1], request[2], reply[1]].map((one) => canonicalAddress(one ?? ''))
    if (source === undefined || address === undefined || backend === undefined || !addresses.has(address)) return []
    return [
      {
        ...{ source, sourcePort: Number(request[3]), address, port: Number(request[4]) },
        ...{ backend, backendPort: Number(reply[3]), secondsLeft: Number(secondsLeft) },
      },
    ]
  })
}

/** grep keeps the lines of the addresses that are its arguments: a busy node has hundreds of thousands of others. */
const SCRIPT = `if command -v conntrack >/dev/null; then
  for f in ipv4 ipv6; do conntrack -L -p udp -f $f 2>/dev/null; done | grep -F "$1"
elif [ -r /proc/self/net/nf_conntrack ]; then grep -F ' udp ' /proc/self/net/nf_conntrack
else echo neither; fi`

const BUDGET_MS = 1000

/** Of the calling thread's namespace. `addresses` in their canonical form. Codes: TOOL_MISSING, TOOL_FAILED (budget 1 s). */
export async function readConntrack(addresses: ReadonlySet<string>): Promise<Outcome<readonly UdpEntry[]>> {
  const patterns = [...addresses].map((address) => `dst=${address} `).join('\n')
  const output = await shell(null, SCRIPT, [patterns], BUDGET_MS)
  if (!output.ok) return output
  if (output.value === 'neither\n') {
    const detail = 'neither the program conntrack nor /proc/net/nf_conntrack is there'
    return { ok: false, code: 'TOOL_MISSING', detail, evidence: [] }
  }
  return { ok: true, value: parseConntrack(output.value, addresses), evidence: [] }
}
