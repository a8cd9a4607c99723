/** What runs full or drops packets on the node. Only what moves during the run counts: sums since boot are history. Pure. */
import type { Counters } from '../../node/counters.ts'
import type { InterfaceCounters, Statistics } from '../../node/statistics.ts'
import type { NamespaceState } from '../../state.ts'
import type { Family } from '../../types.ts'
import { uplinks } from './pods-here.ts'
import { fine, notApplicable, type StateVerdict, table } from './verdict.ts'

/** Two readings of the same counters. */
export interface Window {
  readonly before: Statistics
  readonly after: Statistics
}

/** Shares of a table from which on it is nearly, and all but, full. */
const NEARLY = 0.8
const FULL = 0.95
/** So many of a kind in one window are no stray packets. */
const SEVERAL = 10

/** How far a counter has moved; all of it where there was none before. */
export const movedBy = (before: Counters | null, after: Counters | null, name: string): number =>
  Math.max(0, (after?.[name] ?? 0) - (before?.[name] ?? 0))

const percent = (share: number): string => `${Math.round(share * 100)} %`

/** Codes: CONNTRACK_FULL (from 80 % on a warning, from 95 % on a failure). */
export function judgeConntrackFill({ sysctls }: NamespaceState): StateVerdict {
  const [count, max] = ['count', 'max'].map((name) => Number(sysctls[`netfilter/nf_conntrack_${name}`]))
  if (!max || count === undefined || Number.isNaN(count))
    return notApplicable('connection tracking', 'this kernel or namespace has none')
  const share = count / max
  const evidence = table('conntrack', ['entries', 'most'], [[count, max]])
  if (share <= NEARLY) return fine(`${count} of ${max} connections tracked`, evidence)
  return {
    is: share > FULL ? 'broken' : 'doubtful',
    code: 'CONNTRACK_FULL',
    detail: `${count} of at most ${max} connections are tracked (${percent(share)}): new ones are dropped when the table is full`,
    hint: `\`sysctl -w net.netfilter.nf_conntrack_max=${max * 2}\`, in kube-proxy’s configuration conntrack.maxPerCore; see who holds them: \`conntrack -L 2>/dev/null | awk '{print $1, $3, $4}' | sort | uniq -c | sort -rn | head\`.`,
    evidence,
  }
}

/**
 * `early_drop`: entries given up because the table was full; `drop`: packets dropped, of which races of two packets of one
 * connection are counted in insert_failed as well (nf_conntrack_core.c). A few of the latter are normal (two DNS questions at once).
 * Code: CONNTRACK_DROPS.
 */
export function judgeConntrackDrops({ before, after }: Window): StateVerdict {
  if (before.conntrack === null || after.conntrack === null)
    return notApplicable('connection tracking', 'this kernel or namespace has none')
  const moved = (name: string) => movedBy(before.conntrack, after.conntrack, name)
  const [drop, early, races] = [moved('drop'), moved('early_drop'), moved('insert_failed')]
  const evidence = table('conntrack, during this run', ['drop', 'early_drop', 'insert_failed'], [[drop, early, races]])
  const others = Math.max(0, drop - races)
  if (early < SEVERAL && others < SEVERAL && races < SEVERAL) return fine('connection tracking drops nothing', evidence)
  const full = early >= SEVERAL || others >= SEVERAL
  return {
    is: 'doubtful',
    code: 'CONNTRACK_DROPS',
    detail: `during this run connection tracking dropped ${drop} packets (${races} in races between packets of one connection) and gave up ${early} entries early`,
    hint: full
      ? 'The table is, or was, full: compare `sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`, and raise the latter.'
      : 'Two packets of one connection raced, as a resolver’s A and AAAA questions from one port do: use NodeLocal DNSCache, or `options single-request-reopen` in the pods’ dnsConfig.',
    evidence,
  }
}

/**
 * Entries of the whole machine against gc_thresh3. Permanent ones do not count towards it (neigh_alloc, net/core/neighbour.c).
 * Code: NEIGHBOUR_TABLE_FULL (from 80 % on a warning, from 95 % on, or when an entry was refused during the run, a failure).
 */
export function judgeNeighbours(state: NamespaceState, { before, after }: Window, family: Family): StateVerdict {
  const ip = family === 4 ? 'ipv4' : 'ipv6'
  const most = Number(state.sysctls[`${ip}/neigh/default/gc_thresh3`])
  const now = after.neighbours[family]
  if (now === null || !most)
    return notApplicable(
      'the machine’s own network namespace',
      'this one does not show the neighbour tables’ statistics',
    )
  const refused = movedBy(before.neighbours[family], now, 'table_fulls')
  const permanent = state.neighbours.filter(
    (one) => one.state === 'PERMANENT' && one.address.includes(':') === (family === 6),
  ).length
  const entries = Math.max(0, movedBy(null, now, 'entries') - permanent)
  const share = entries / most
  const evidence = table(
    `IPv${family} neighbours`,
    ['entries', 'permanent', 'most', 'refused'],
    [[entries, permanent, most, refused]],
  )
  if (share <= NEARLY && refused === 0) return fine(`${entries} of ${most} neighbours`, evidence)
  const sysctl = `net.${ip}.neigh.default.gc_thresh`
  return {
    is: share > FULL || refused > 0 ? 'broken' : 'doubtful',
    code: 'NEIGHBOUR_TABLE_FULL',
    detail: `the IPv${family} neighbour table holds ${entries} of at most ${most} entries (${percent(share)}), and refused ${refused} during this run: hosts that do not fit cannot be reached`,
    hint: `\`sysctl -w ${sysctl}1=${most} ${sysctl}2=${most * 2} ${sysctl}3=${most * 4}\`, and the same in /etc/sysctl.d/99-neighbours.conf.`,
    evidence,
  }
}

/** Code: SOFTNET_DROPS. Applies in the machine's first namespace alone: the counters are the machine's. */
export function judgeBacklog({ before, after }: Window): StateVerdict {
  if (before.backlogDrops === null || after.backlogDrops === null || after.neighbours[4] === null)
    return notApplicable(
      'the machine’s own network namespace',
      'the backlog of the CPUs is the whole machine’s, and this namespace is only a part of it',
    )
  const drops = Math.max(0, after.backlogDrops - before.backlogDrops)
  const evidence = table('CPU backlog, during this run', ['dropped'], [[drops]])
  if (drops < SEVERAL) return fine('no CPU drops packets that wait for it', evidence)
  return {
    is: 'doubtful',
    code: 'SOFTNET_DROPS',
    detail: `during this run the CPUs dropped ${drops} packets that had arrived, because their backlog was full`,
    hint: 'See which CPU it is (`cat /proc/net/softnet_stat`, second column) and what it does (`mpstat -P ALL 1`); `sysctl -w net.core.netdev_max_backlog=5000`, and spread the load over CPUs (RSS, RPS).',
    evidence,
  }
}

/** Of the packets that an interface handled, so large a part dropped is trouble; frames of unknown protocols are dropped on any. */
const LOSSY = 0.01

/** The node's uplinks. Code: INTERFACE_DROPS. */
export function judgeInterfaces(state: NamespaceState, { before, after }: Window): StateVerdict {
  const names = [...new Set(([4, 6] as const).flatMap((family) => uplinks(state, family)))].filter(
    (name) => name in after.interfaces,
  )
  if (names.length === 0) return notApplicable('an interface with a default route', 'there is none')
  const moved = names.map((name) => ({ name, ...movement(before.interfaces[name], after.interfaces[name]) }))
  const evidence = table(
    'uplinks, during this run',
    ['interface', 'received', 'errors', 'dropped', 'sent', 'errors', 'dropped'],
    moved.map((one) => [
      one.name,
      one.rxPackets,
      one.rxErrors,
      one.rxDropped,
      one.txPackets,
      one.txErrors,
      one.txDropped,
    ]),
  )
  const bad = moved.filter(isLossy)
  if (bad.length === 0) return fine(`${names.join(', ')} without errors`, evidence)
  const told = bad.map(
    (one) =>
      `${one.name}: ${one.rxErrors + one.txErrors} errors, ${one.rxDropped} of ${one.rxPackets} received and ${one.txDropped} of ${one.txPackets} sent dropped`,
  )
  return {
    is: 'doubtful',
    code: 'INTERFACE_DROPS',
    detail: `packets are lost at the node’s own interface during this run: ${told.join('; ')}`,
    hint: `\`ip -s -s link show ${bad[0]?.name}\` and \`ethtool -S ${bad[0]?.name}\`: CRC and frame errors are cable, optics or port; missed and fifo errors a ring that is too small (\`ethtool -G\`).`,
    evidence,
  }
}

const NONE: InterfaceCounters = { rxPackets: 0, rxErrors: 0, rxDropped: 0, txPackets: 0, txErrors: 0, txDropped: 0 }

function movement(before = NONE, after = NONE): InterfaceCounters {
  const of = (name: keyof InterfaceCounters) => Math.max(0, after[name] - before[name])
  return {
    ...{ rxPackets: of('rxPackets'), rxErrors: of('rxErrors'), rxDropped: of('rxDropped') },
    ...{ txPackets: of('txPackets'), txErrors: of('txErrors'), txDropped: of('txDropped') },
  }
}

function isLossy({ rxPackets, rxErrors, rxDropped, txPackets, txErrors, txDropped }: InterfaceCounters): boolean {
  const many = (dropped: number, packets: number) => dropped >= SEVERAL && dropped > packets * LOSSY
  return rxErrors + txErrors >= SEVERAL || many(rxDropped, rxPackets) || many(txDropped, txPackets)
}
