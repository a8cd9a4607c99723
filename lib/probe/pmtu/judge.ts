/** From a measured path MTU to the answer of a check. Pure. */
import type { Evidence, Hop, Outcome } from '../../types.ts'
import type { PathMtu } from './result.ts'

/** Inside the cluster every hop is configured by the same hands: a lower MTU is a mistake there, outside it is normal. */
export interface PathMtuExpectation {
  readonly insideCluster: boolean
}

/**
 * Fails with PATH_MTU_BLACK_HOLE (a failure), PATH_MTU_LOWER (inside the cluster only; a warning: hosts adapt), UNREACHABLE
 * (a router or this namespace's routes say that there is no way), PROBE_INCONCLUSIVE (no echo answered, a filter, too
 * much loss), or the code of what was missing here (PERMISSION_MISSING, NATIVE_MODULE_MISSING, FAMILY_UNSUPPORTED,
 * SOCKET_FAILED: inconclusive).
 */
export function judgePathMtu(path: PathMtu, expectation: PathMtuExpectation): Outcome<PathMtu> {
  const evidence = evidenceOf(path)
  const failure = failureOf(path, expectation)
  return failure === null ? { ok: true, value: path, evidence } : { ok: false, ...failure, evidence }
}

interface Failure {
  readonly code: string
  readonly detail: string
}

function failureOf(path: PathMtu, { insideCluster }: PathMtuExpectation): Failure | null {
  const who = path.target.role
  switch (path.state) {
    case 'ok':
      return null
    case 'lower-signalled':
      if (!insideCluster) return null
      return {
        code: 'PATH_MTU_LOWER',
        detail: `packets of up to ${path.mtu} bytes reach ${who} although ${path.promised} are promised; ${signalText(path)}`,
      }
    case 'black-hole':
      return {
        code: 'PATH_MTU_BLACK_HOLE',
        detail: `packets of ${path.smallestLost} bytes and more to ${who} vanish without an ICMP error while ${path.largestPass} bytes pass; ${path.promised} are promised`,
      }
    case 'unanswered':
      return unansweredFailure(path)
    case 'inconclusive':
      return {
        code: 'PROBE_INCONCLUSIVE',
        detail: `the path MTU to ${who} lies between ${path.largestPass} and ${path.promised} bytes, but ${percent(path.loss)} loss does not allow an exact value`,
      }
    case 'error':
      return errorFailure(path)
  }
}

function unansweredFailure(path: PathMtu): Failure {
  const who = path.target.role
  const { error } = path
  if (error === null) {
    return { code: 'PROBE_INCONCLUSIVE', detail: `${who} answers no echo, so its path MTU cannot be measured by ICMP` }
  }
  // "Prohibited" and "port unreachable" to an echo are a firewall's words: others may get through.
  const filtered = error.kind === 'prohibited' || error.text.startsWith('port unreachable')
  return filtered
    ? {
        code: 'PROBE_INCONCLUSIVE',
        detail: `echoes to ${who} are refused, so its path MTU cannot be measured: ${error.text}`,
      }
    : { code: 'UNREACHABLE', detail: `${who} cannot be reached: ${error.text}` }
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

function evidenceOf(path: PathMtu): readonly Evidence[] {
  const scalar = (name: string, value: number | null, unit: string): Evidence[] =>
    value === null ? [] : [{ kind: 'scalar', name, value, unit }]
  return [
    ...scalar('promised MTU', path.promised, 'bytes'),
    ...scalar('path MTU', path.mtu, 'bytes'),
    ...scalar('largest size that passed', path.largestPass, 'bytes'),
    ...scalar('smallest size that did not pass', path.smallestLost, 'bytes'),
    ...scalar('loss', path.largestPass === null ? null : Math.round(path.loss * 1000) / 10, '%'),
    ...scalar('probes sent', path.probesSent, 'packets'),
    ...(path.error === null ? [] : [{ kind: 'scalar' as const, name: 'ICMP error', value: path.error.text }]),
    { kind: 'path', name: 'path', hops: hopsOf(path) },
  ]
}

function hopsOf(path: PathMtu): readonly Hop[] {
  const signalling: Hop[] =
    path.signalledBy === null
      ? []
      : [
          {
            name: 'signals a lower MTU',
            address: path.signalledBy,
            ...(path.signalledMtu === null ? { note: 'names no size' } : { mtu: path.signalledMtu }),
          },
        ]
  const vanish = path.state === 'black-hole' ? { note: `${path.smallestLost} bytes and more vanish on the way` } : {}
  return [
    { name: 'source', mtu: path.promised, note: 'promised' },
    ...signalling,
    {
      name: path.target.name,
      address: path.target.address,
      ...(path.mtu === null ? {} : { mtu: path.mtu }),
      ...vanish,
    },
  ]
}

const percent = (share: number): string => `${Math.round(share * 100)} %`
