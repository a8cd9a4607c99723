/** What pinging one target came to, and what that means. Pure. */
import type { IcmpReason } from '../packet/icmp.ts'
import type { Target } from '../types.ts'
import { NEXT_HOP_SILENT } from './next-hop.ts'

export interface EchoError {
  /** 'local': this machine did not send; 'unresolved': its kernel gave up on the next hop; the others were said by ICMP. */
  readonly kind: 'unreachable' | 'time-exceeded' | 'prohibited' | 'unresolved' | 'local'
  /** Who said so; null when it was this machine's own kernel. */
  readonly from: string | null
  readonly text: string
  /** Errno's name, a code of openIcmp, or ICMP type/code such as "icmp 3/13". */
  readonly code: string
}

export interface EchoResult {
  readonly target: Target
  readonly sent: number
  readonly received: number
  /** Round trip times in ms, in the order of the replies. */
  readonly rttsMs: readonly number[]
  /** The last error that concerned this target; null when there was none. */
  readonly error: EchoError | null
}

/** 'not-measured': nothing could be sent from here (permission, module, family): no statement about the network. */
export type EchoState = 'answered' | 'lossy' | 'very-lossy' | 'silent' | 'rejected' | 'no-route' | 'not-measured'

export interface EchoJudgement {
  readonly state: EchoState
  /** Share of lost echoes, 0 to 1. */
  readonly loss: number
  /** Round trip times in ms; null without a reply. */
  readonly min: number | null
  readonly avg: number | null
  readonly max: number | null
}

/** From this share on, loss is a failure and no longer a warning. */
export const VERY_LOSSY = 0.2
/** Below this share it is no verdict: long paths lose a packet of a hundred now and then. */
const LOSSY = 0.05

/** Errnos of sendto(2) that come from routing: no route; a blackhole route says EINVAL, a prohibit route EACCES. */
const ROUTE_ERRNOS: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EINVAL',
  'EACCES',
  'EADDRNOTAVAIL',
  'ENODEV',
])

/** Judges the measurement: any reply counts before any error. 'rejected' includes a local firewall rule (EPERM). */
export function judgeEcho(result: EchoResult): EchoJudgement {
  const { rttsMs, sent, received } = result
  const loss = sent === 0 ? 1 : (sent - received) / sent
  const times = {
    min: rttsMs.length === 0 ? null : Math.min(...rttsMs),
    avg: rttsMs.length === 0 ? null : rttsMs.reduce((sum, rtt) => sum + rtt, 0) / rttsMs.length,
    max: rttsMs.length === 0 ? null : Math.max(...rttsMs),
  }
  return { state: stateOf(result, loss), loss, ...times }
}

function stateOf({ sent, received, error }: EchoResult, loss: number): EchoState {
  if (received > 0) return stateOfLoss(loss)
  // Nothing was asked: not a word about the network.
  return sent === 0 ? 'not-measured' : stateWithoutReply(error)
}

function stateOfLoss(loss: number): EchoState {
  if (loss < LOSSY) return 'answered'
  return loss < VERY_LOSSY ? 'lossy' : 'very-lossy'
}

function stateWithoutReply(error: EchoError | null): EchoState {
  if (error === null || error.kind === 'unresolved') return 'silent'
  if (error.kind !== 'local' || error.code === 'EPERM') return 'rejected'
  return ROUTE_ERRNOS.has(error.code) ? 'no-route' : 'not-measured'
}

const LOCAL_TEXTS: Readonly<Record<string, string>> = {
  ENETUNREACH: 'no route to the address in this network namespace',
  EHOSTUNREACH: 'the route to the address says unreachable',
  EINVAL: 'a blackhole route discards packets to the address',
  EACCES: 'a prohibit route refuses the address',
  EPERM: 'a firewall rule of this network namespace refuses to send to the address',
  ENETDOWN: 'the interface towards the address is down',
  EADDRNOTAVAIL: 'no source address fits the address',
  ENODEV: 'the address names an interface that does not exist',
  EAGAIN: 'the send buffer stayed full',
  ENOBUFS: 'the kernel had no buffer to send',
}

/** The kernel refused to send. */
export function localError(errno: string): EchoError {
  return { kind: 'local', from: null, text: LOCAL_TEXTS[errno] ?? `the kernel refused to send: ${errno}`, code: errno }
}

/** Host unreachable, and address unreachable: what a kernel says of its own echo too, when the next hop is silent. */
const HOST_UNREACHABLE: ReadonlySet<string> = new Set(['icmp 3/1', 'icmp 1/3'])

/** Whether nothing but "that host cannot be reached" came back: who said so is to be found out. */
export const isHostUnreachable = ({ received, error }: EchoResult): boolean =>
  received === 0 && HOST_UNREACHABLE.has(error?.code ?? '')

/** The same result, where the kernel itself gave up on the next hop. */
export const withSilentNextHop = (result: EchoResult): EchoResult => ({
  ...result,
  error: { kind: 'unresolved', from: null, text: NEXT_HOP_SILENT, code: result.error?.code ?? '' },
})

/** An ICMP error that answered one of our echoes. */
export function remoteError(
  from: string,
  error: { readonly reason: IcmpReason; readonly type: number; readonly code: number; readonly text: string },
): EchoError {
  const kind = error.reason === 'prohibited' || error.reason === 'time-exceeded' ? error.reason : 'unreachable'
  return { kind, from, text: `${error.text}, says ${from}`, code: `icmp ${error.type}/${error.code}` }
}
