/** What a report shows of a measured path: the figures, and the path with each MTU at its place. Pure. */
import type { PromisedMtu } from '../../node/routes.ts'
import type { Evidence, Hop } from '../../types.ts'
import type { PathContext } from './context.ts'
import type { PathMtu } from './result.ts'
import type { SegmentResult } from './tcp.ts'

/** A veth lets that much more than its peer's MTU pass: room for a VLAN tag (drivers/net/veth.c, is_skb_forwardable). */
export const VLAN_ROOM = 4

export function evidenceOf(path: PathMtu, context: PathContext): readonly Evidence[] {
  const { segment, promise, firstHop, tunnel } = context
  const scalar = (name: string, value: number | null | undefined, unit: string): Evidence[] =>
    value == null ? [] : [{ kind: 'scalar', name, value, unit }]
  const learned = promise.learnedMtu !== null && promise.learnedMtu < path.promised ? promise.learnedMtu : null
  return [
    ...scalar('promised MTU', path.promised, 'bytes'),
    ...scalar('path MTU', path.mtu, 'bytes'),
    ...scalar('largest size that passed', path.largestPass, 'bytes'),
    ...scalar('smallest size that did not pass', path.smallestLost, 'bytes'),
    ...scalar('loss', path.largestPass === null ? null : Math.round(path.loss * 1000) / 10, '%'),
    ...scalar('probes sent', path.probesSent, 'packets'),
    ...(path.error === null ? [] : [{ kind: 'scalar' as const, name: 'ICMP error', value: path.error.text }]),
    ...scalar('path MTU that the kernel had learned before', learned, 'bytes'),
    ...scalar('EXPECT_MTU', context.expected, 'bytes'),
    ...scalar("MTU of the node's end of the pod's link", firstHop?.mtu, 'bytes'),
    ...scalar('MTU of the tunnel', tunnel?.mtu, 'bytes'),
    ...(segment === null
      ? []
      : [
          {
            kind: 'scalar' as const,
            name: 'full-size TCP segment',
            value: `${segment.state}, port ${segment.target.port}`,
          },
          ...scalar('packet of the TCP segment', segment.packetBytes, 'bytes'),
          ...scalar('TCP segments sent again', segment.retransmissions, 'packets'),
        ]),
    {
      kind: 'path',
      name: 'path',
      hops: hopsOf(path, context),
      mtu: { promised: path.promised, measured: measuredOf(path, context), signalledBy: path.signalledBy },
    },
  ]
}

/** What the kernel has learned for TCP stands in for a measure where no echo is answered. */
const measuredOf = (path: PathMtu, { segment, promise }: PathContext): number | null =>
  path.mtu ?? (path.state === 'unanswered' ? learnedByTcp(segment, promise) : null)

function hopsOf(path: PathMtu, context: PathContext): readonly Hop[] {
  const { promise, firstHop, tunnel } = context
  const atFirstHop = firstHop !== null && firstHop.mtu + VLAN_ROOM < path.promised
  const hole = path.state === 'black-hole'
  const before: Hop[] = [
    {
      name: 'source',
      mtu: path.promised,
      note: `promised, ${promise.device}`,
      ...(hole && atFirstHop ? { stops: true } : {}),
    },
    ...(firstHop ? [{ name: `node, ${firstHop.device}`, mtu: firstHop.mtu }] : []),
    ...(tunnel ? [{ name: `tunnel ${tunnel.device}`, mtu: tunnel.mtu }] : []),
    ...signalling(path),
  ]
  const last = before.length - 1
  return [
    ...before.map((hop, index) => (hole && !atFirstHop && index === last ? { ...hop, stops: true } : hop)),
    {
      name: path.target.name,
      address: path.target.address,
      ...(path.mtu === null ? {} : { mtu: path.mtu }),
      ...(hole ? { note: `${path.smallestLost} bytes and more vanish` } : {}),
    },
  ]
}

function signalling(path: PathMtu): Hop[] {
  if (path.signalledBy === null) return []
  const said = path.signalledMtu === null ? { note: 'names no size' } : { mtu: path.signalledMtu }
  return [{ name: 'signals a lower MTU', address: path.signalledBy, ...said }]
}

/** The path MTU below the promise that the kernel has learned for TCP; null: none, or no evidence. */
export function learnedByTcp(segment: SegmentResult | null, { mtu }: PromisedMtu): number | null {
  const went = segment?.state === 'carried' || segment?.state === 'adapted'
  return went && segment.pathMtu !== null && segment.pathMtu < mtu ? segment.pathMtu : null
}
