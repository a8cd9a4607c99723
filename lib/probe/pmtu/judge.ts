/** From a measured path MTU, and what is known around it, to the answer of a check. Pure. */
import type { Outcome } from '../../types.ts'
import type { PathContext } from './context.ts'
import { evidenceOf, learnedByTcp, VLAN_ROOM } from './evidence.ts'
import { alignFirstHop, letErrorsThrough, setNodeMtu, setPodMtu } from './remedy.ts'
import type { PathMtu } from './result.ts'
import type { SegmentResult } from './tcp.ts'

export interface Judged {
  readonly path: Outcome<PathMtu>
  /** What to do, concretely; absent when the code's own text is all there is. */
  readonly hint?: string
}

/**
 * Fails with PATH_MTU_BLACK_HOLE, PATH_MTU_FIRST_HOP, PATH_MTU_ERRORS_FILTERED or PATH_MTU_BELOW_EXPECTED; PATH_MTU_LOWER (inside
 * the cluster only) and PATH_MTU_OUTER_FRAGMENTS (warnings); UNREACHABLE (a router or this namespace's routes say that there is no
 * way); PROBE_INCONCLUSIVE (no echo answered, a filter, too much loss); or the code of what was missing here
 * (PERMISSION_MISSING, NATIVE_MODULE_MISSING, FAMILY_UNSUPPORTED, SOCKET_FAILED: inconclusive).
 */
export function judgePathMtu(path: PathMtu, context: PathContext): Judged {
  const evidence = evidenceOf(path, context)
  const failure = failureOf(path, context)
  if (failure === null) return { path: { ok: true, value: path, detail: describe(path, context), evidence } }
  const { hint, ...outcome } = failure
  return { path: { ok: false, ...outcome, evidence }, ...(hint ? { hint } : {}) }
}

interface Failure {
  readonly code: string
  readonly detail: string
  readonly hint?: string
}

function failureOf(path: PathMtu, context: PathContext): Failure | null {
  switch (path.state) {
    case 'black-hole':
      return blackHole(path, context)
    case 'ok':
    case 'lower-signalled':
      return belowExpected(path, context) ?? (path.state === 'ok' ? fragments(path, context) : lower(path, context))
    case 'unanswered':
      return unanswered(path, context)
    case 'inconclusive':
      return inconclusive(
        `the path MTU to ${path.target.role} lies between ${path.largestPass} and ${path.promised} bytes, but ${percent(path.loss)} loss does not allow an exact value`,
      )
    case 'error':
      return errorFailure(path)
  }
}

const inconclusive = (detail: string): Failure => ({ code: 'PROBE_INCONCLUSIVE', detail })

/** Which MTU to set to `mtu`, where `promised` is more than the path carries. */
function setMtu(mtu: number, promised: number, { asker, promise, tunnel, nodeLinks }: PathContext): string {
  return asker === 'node' ? setNodeMtu(mtu, promised, promise.device) : setPodMtu(mtu, promised, tunnel, nodeLinks)
}

function blackHole(path: PathMtu, context: PathContext): Failure {
  const { largestPass: passes, smallestLost: lost, promised, target } = path
  const { firstHop, promise, filtered, nodeLinks } = context
  const works = passes ?? 0
  const seen = `packets of ${lost} bytes and more to ${target.role} vanish without an ICMP error while ${passes} bytes pass; ${promised} are promised`
  const tcp = tcpRemark(context.segment)
  if (firstHop && works >= firstHop.mtu && works <= firstHop.mtu + VLAN_ROOM) {
    return {
      code: 'PATH_MTU_FIRST_HOP',
      detail: `${seen}: ${promise.device} has MTU ${promise.linkMtu}, its peer ${firstHop.device} on the node ${firstHop.mtu}${tcp}`,
      hint: alignFirstHop(promise.device, promised, firstHop, nodeLinks),
    }
  }
  if (filtered) {
    const who = filtered.saidByNode ? 'the node says "too big"' : 'somebody beyond the node says "too big"'
    const where = WHERE[filtered.where === 'pod' ? 'pod' : context.asker === 'node' ? 'own' : 'node']
    const wanted = context.insideCluster ? ` ${setMtu(works, promised, context)}` : ''
    return {
      code: 'PATH_MTU_ERRORS_FILTERED',
      detail: `packets of ${lost} bytes and more to ${target.role} do not arrive, ${passes} bytes do: ${who}, but ${where}${tcp}`,
      hint: `${letErrorsThrough(target.family, filtered.where)}${wanted}`,
    }
  }
  const outside = `Let the path carry ${promised} bytes, or its routers say so: ${letErrorsThrough(target.family, 'path')} Until then \`ip route change default ... mtu ${works}\`, or clamp TCP's MSS on the node.`
  return {
    code: 'PATH_MTU_BLACK_HOLE',
    detail: `${seen}${tcp}`,
    hint: context.insideCluster ? setMtu(works, promised, context) : outside,
  }
}

const WHERE = {
  pod: 'a rule in the pod drops it',
  node: 'the node drops it before it reaches the pod',
  own: "the node's own rules drop it",
} as const

/** TCP beside an ICMP black hole: said, and never a reason to overrule it. */
function tcpRemark(segment: SegmentResult | null): string {
  if (segment === null) return ''
  const { state, packetBytes, retransmissions } = segment
  if (state === 'stalled')
    return `; TCP confirms it: a segment in a packet of ${packetBytes} bytes is never acknowledged (sent again ${retransmissions} times)`
  if (state === 'adapted') return `; TCP adapts: it went down to packets of ${packetBytes} bytes`
  if (state === 'carried') return `; yet a TCP segment in a packet of ${packetBytes} bytes was acknowledged`
  return ''
}

function belowExpected(path: PathMtu, { expected, promise, tunnel, nodeLinks }: PathContext): Failure | null {
  if (expected === null || path.mtu === null || path.mtu >= expected) return null
  const why =
    path.promised < expected
      ? `only ${path.promised} are promised (${promise.routeMtu === path.promised ? 'by the route' : `MTU of ${promise.device}`})`
      : signalText(path)
  return {
    code: 'PATH_MTU_BELOW_EXPECTED',
    detail: `packets of up to ${path.mtu} bytes reach ${path.target.role}, EXPECT_MTU is ${expected}: ${why}`,
    hint: `${setPodMtu(expected, expected, null, nodeLinks)} The network between the nodes must carry ${expected + (tunnel?.overhead ?? 0)} bytes for that. If ${path.mtu} is meant, set EXPECT_MTU=${path.mtu}.`,
  }
}

function fragments(path: PathMtu, { outerFragments, tunnel, nodeLinks }: PathContext): Failure | null {
  if (!outerFragments) return null
  const room = tunnel?.underlay && tunnel.overhead !== null ? tunnel.underlay.mtu - tunnel.overhead : null
  return {
    code: 'PATH_MTU_OUTER_FRAGMENTS',
    detail: `packets of ${path.mtu} bytes reach ${path.target.role} only because the node cuts each one in pieces${tunnel ? ` in the tunnel ${tunnel.device}` : ''}`,
    ...(room === null ? {} : { hint: setPodMtu(room, path.promised, tunnel, nodeLinks) }),
  }
}

function lower(path: PathMtu, context: PathContext): Failure | null {
  if (!context.insideCluster) return null
  return {
    code: 'PATH_MTU_LOWER',
    detail: `packets of up to ${path.mtu} bytes reach ${path.target.role} although ${path.promised} are promised; ${signalText(path)}`,
    hint: `Connections adapt, each with a delay. ${setMtu(path.mtu ?? 0, path.promised, context)}`,
  }
}

function unanswered(path: PathMtu, context: PathContext): Failure | null {
  const who = path.target.role
  const { error } = path
  // "Prohibited" and "port unreachable" to an echo are a firewall's words: others may get through.
  const filtered = error === null || error.kind === 'prohibited' || error.text.startsWith('port unreachable')
  if (!filtered) return { code: 'UNREACHABLE', detail: `${who} cannot be reached: ${error.text}` }
  const ping = error === null ? `${who} answers no echo` : `echoes to ${who} are refused (${error.text})`
  const { segment, promise } = context
  const learned = learnedByTcp(segment, promise)
  if (learned !== null && context.insideCluster) {
    return {
      code: 'PATH_MTU_LOWER',
      detail: `${ping}; TCP had to go down to packets of ${learned} bytes although ${promise.mtu} are promised`,
      hint: `Connections adapt, each with a delay. ${setMtu(learned, promise.mtu, context)}`,
    }
  }
  if (segment?.state === 'carried' || segment?.state === 'adapted') return null
  if (segment?.state === 'stalled') {
    return {
      code: 'PATH_MTU_BLACK_HOLE',
      detail: `${ping}; TCP connects, but a segment in a packet of ${segment.packetBytes} bytes is never acknowledged (sent again ${segment.retransmissions} times)`,
      hint: `Lower the MTU of one pod's interface step by step (\`nsenter -t <pid of the pod> -n ip link set dev ${promise.device} mtu 1400\`) until large transfers work: that is the value for the CNI configuration. ${letErrorsThrough(path.target.family, 'path')}`,
    }
  }
  return inconclusive(`${ping}, and no TCP port took a full segment, so its path MTU cannot be measured`)
}

const OWN_CODES: ReadonlySet<string> = new Set([
  'PERMISSION_MISSING',
  'NATIVE_MODULE_MISSING',
  'FAMILY_UNSUPPORTED',
  'SOCKET_FAILED',
])

function errorFailure(path: PathMtu): Failure {
  const code = path.error?.code ?? ''
  const text = path.error?.text ?? 'nothing could be sent'
  if (OWN_CODES.has(code)) return { code, detail: text }
  const filtered = code === 'EPERM' || code === 'EAGAIN' || code === 'ENOBUFS'
  return { code: filtered ? 'PROBE_INCONCLUSIVE' : 'UNREACHABLE', detail: `no packet to ${path.target.role}: ${text}` }
}

function signalText(path: PathMtu): string {
  if (path.signalledBy === null) return 'the kernel itself refuses larger ones'
  if (path.signalledMtu === null) return `${path.signalledBy} says so without naming a size`
  return `${path.signalledBy} signals ${path.signalledMtu}`
}

function describe(path: PathMtu, { segment, promise }: PathContext): string {
  if (path.state === 'unanswered') {
    const why = learnedByTcp(segment, promise) === null ? '' : ', to which TCP had to go down'
    return `no echo is answered; a TCP segment in a packet of ${segment?.packetBytes} bytes is acknowledged${why}`
  }
  const by = path.signalledBy ?? 'the kernel'
  return path.state === 'lower-signalled'
    ? `${path.mtu} bytes of ${path.promised} promised, signalled by ${by}`
    : `${path.mtu} bytes, as promised`
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
