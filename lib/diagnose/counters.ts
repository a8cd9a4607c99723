/** Counters and drop reasons that moved while a failing path was asked again: what follows the probes, and what is noise. Pure. */
import type { Observed, Side, Windows } from '../state.ts'
import type { Evidence } from '../types.ts'

/** Counters of what goes wrong, by their kernel names (net/ipv4/proc.c, net/ipv6/proc.c, /proc/net/dev). */
const TELLING =
  /\.(?:InAddrErrors|InDiscards|OutDiscards|InNoRoutes|OutNoRoutes|InHdrErrors|InUnknownProtos|FragFails|ReasmFails|InCsumErrors|NoPorts|RcvbufErrors|SndbufErrors|InErrors|ListenDrops|ListenOverflows|IPReversePathFilter|InDestUnreachs|OutDestUnreachs|InTruncatedPkts|OutRateLimitHost|OutRateLimitGlobal|TCPBacklogDrop)$| (?:rx|tx)_(?:dropped|errors)$/

const NAMES: Readonly<Record<Side, string>> = { own: 'asking side', node: 'node', target: 'target pod' }

/** Moved with every probe of both busy windows, and rested in the empty one. */
export const movesWith = ([busy, empty, busier]: Windows, [least, , more]: Windows): boolean =>
  busy >= least && empty <= 1 && busier >= more

/** Whether a counter of a side followed the probes of at least one flow. */
export const follow = ({ counters }: Observed, side: Side, name: string, sent: Windows): boolean => {
  const moved = counters[side]?.[name]
  return moved !== undefined && movesWith(moved, sent)
}

/** Telling counters that moved, each with what that says; the kernel's reasons of drops, where they were asked for. */
export function movedEvidence({ counters, drops, blind }: Observed, sent: Windows): readonly Evidence[] {
  const word = (moved: Windows) =>
    movesWith(moved, sent)
      ? 'follows the probes'
      : moved[1] > 1
        ? 'noise: moves without them too'
        : 'moves with some of them'
  const rows = (Object.keys(counters) as Side[]).flatMap((side) =>
    Object.entries(counters[side] ?? {})
      .filter(([name]) => TELLING.test(name))
      .map(([name, moved]) => [NAMES[side], name, moved.join(', '), word(moved)]),
  )
  const reasons =
    drops !== null && typeof drops !== 'string'
      ? Object.entries(drops).map(([reason, moved]) => ['kernel', `dropped: ${reason}`, moved.join(', '), word(moved)])
      : []
  const unseen = (Object.keys(blind) as Side[]).map(
    (side): Evidence => ({ kind: 'scalar', name: `not seen of the ${NAMES[side]}`, value: blind[side] ?? '' }),
  )
  const refused: Evidence[] =
    typeof drops === 'string' ? [...unseen, { kind: 'scalar', name: 'TRACE', value: drops }] : unseen
  const all = [...rows, ...reasons]
  if (all.length === 0) return refused
  const name = `counters that moved in windows of ${sent.join(', ')} probes a target`
  return [
    { kind: 'table', name, columns: ['where', 'counter', 'moved by', 'which'], rows: all.slice(0, 30) },
    ...refused,
  ]
}
