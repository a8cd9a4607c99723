/** Ping: many targets at once, loss measured and not retried away. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Echoes, openEchoes, SMALLEST_ECHO } from '../socket/icmp-echo.ts'
import type { Family, Target } from '../types.ts'
import { type EchoError, type EchoResult, isHostUnreachable, withSilentNextHop } from './icmp-result.ts'
import {
  type EchoLimits,
  type EchoRow,
  forgetSent,
  grantMore,
  isDecided,
  MORE_WHEN_LOST,
  newRow,
  noteAnswer,
  noteRefused,
  noteSent,
  rowResult,
  type Waiting,
} from './icmp-row.ts'
import { isNextHopSilent } from './next-hop.ts'

export {
  type EchoError,
  type EchoJudgement,
  type EchoResult,
  type EchoState,
  judgeEcho,
  VERY_LOSSY,
} from './icmp-result.ts'

export interface EchoOptions {
  /** Echoes a target gets at first. */
  readonly probes: number
  /** Between two echoes to one target; default 5. */
  readonly intervalMs?: number
  /** How long after the last echo a reply still counts; default 2000. */
  readonly timeoutMs?: number
}

/** Unanswered echoes at a time. */
const IN_FLIGHT = 256
/** An echo unanswered for so long no longer holds others up (its reply still counts). */
const SLOT_MS = 50
/** Sends between two looks at the receive buffer. */
const BURST = 32
/** The kernel's send buffer may stay full this long before that is an error. */
const STUCK_MS = 1000
const IDLE_MS = 5
/** With more targets than this, silent ones earn only a few more echoes: 5,000 of them are to end within seconds. */
const MANY = 200
const FEWEST_WHEN_SILENT = 5

/**
 * Pings all targets in parallel: measurement only, judgeEcho judges. A target that lost an echo earns 20 more, and 100
 * more where some of those were lost too.
 * A reply counts when id, sequence, source and payload are ours, until `timeoutMs` after the last echo. Resolves as soon
 * as everything is answered; a silent target takes about 2.5 s.
 * Where ICMP cannot be sent at all, results have sent 0 and error.kind 'local' with the code PERMISSION_MISSING,
 * NATIVE_MODULE_MISSING, FAMILY_UNSUPPORTED or SOCKET_FAILED.
 */
export async function echo(targets: readonly Target[], options: EchoOptions): Promise<EchoResult[]> {
  const results = new Map<Target, EchoResult>()
  const families = ([4, 6] as const).map(async (family) => {
    const ofFamily = targets.filter((target) => target.family === family)
    for (const result of await echoFamily(family, ofFamily, options)) results.set(result.target, result)
  })
  await Promise.all(families)
  return targets.flatMap((target) => results.get(target) ?? [])
}

async function echoFamily(family: Family, targets: readonly Target[], options: EchoOptions): Promise<EchoResult[]> {
  if (targets.length === 0) return []
  const opening = openEchoes(family)
  if (!opening.ok) {
    const error: EchoError = {
      kind: 'local',
      from: null,
      text: `${opening.detail}. ${opening.hint}`,
      code: opening.code,
    }
    return targets.map((target) => ({ target, sent: 0, received: 0, rttsMs: [], error }))
  }
  const limits: EchoLimits = {
    probes: options.probes,
    intervalMs: options.intervalMs ?? 5,
    timeoutMs: options.timeoutMs ?? 2000,
    moreWhenSilent: targets.length > MANY ? Math.max(2, FEWEST_WHEN_SILENT - options.probes) : MORE_WHEN_LOST,
  }
  const rows = targets.map((target) => newRow(target, limits))
  try {
    await sweep(opening.echoes, rows, limits)
  } finally {
    opening.echoes.close()
  }
  return withNextHops(rows.map(rowResult))
}

/** Of many targets that the same host calls unreachable one tells whether that host is this one. */
async function withNextHops(results: readonly EchoResult[]): Promise<EchoResult[]> {
  const saidBy = new Map(results.filter(isHostUnreachable).map(({ target, error }) => [error?.from, target.address]))
  const said = [...saidBy].map(async ([from, address]) => ((await isNextHopSilent(address)) ? [from] : []))
  const own = new Set((await Promise.all(said)).flat())
  return results.map((one) => (isHostUnreachable(one) && own.has(one.error?.from) ? withSilentNextHop(one) : one))
}

async function sweep(echoes: Echoes, rows: readonly EchoRow[], limits: EchoLimits): Promise<void> {
  let undecided = rows
  let inFlight: Waiting[] = []
  let movedAt = performance.now()
  for (;;) {
    echoes.drain()
    const now = performance.now()
    for (const row of undecided) grantMore(row, limits, now)
    undecided = undecided.filter((row) => !isDecided(row, limits, now))
    if (undecided.length === 0) return
    inFlight = inFlight.filter((waiting) => waiting.open && now - waiting.sentAt < SLOT_MS)
    const due = undecided.filter((row) => row.sent < row.budget && row.nextAt <= now)
    const batch = due.slice(0, IN_FLIGHT - inFlight.length)
    const sent = sendBatch(echoes, batch, limits, now - movedAt > STUCK_MS)
    inFlight.push(...sent)
    if (sent.length > 0 || batch.length === 0) movedAt = now
    await (sent.length > 0 && sent.length === batch.length ? nextTurn() : sleep(IDLE_MS))
  }
}

/** Sends one echo to each row until the kernel's buffer is full; `stuck`: even that counts as an error. */
function sendBatch(echoes: Echoes, rows: readonly EchoRow[], limits: EchoLimits, stuck: boolean): Waiting[] {
  const sent: Waiting[] = []
  for (const row of rows) {
    const waiting = noteSent(row, limits, performance.now())
    const size = SMALLEST_ECHO[row.target.family]
    const errno = echoes.send(row.target.address, size, (answer) => noteAnswer(row, waiting, answer))
    if ((errno === 'EAGAIN' || errno === 'ENOBUFS') && !stuck) {
      forgetSent(row, waiting)
      break
    }
    if (errno !== null) noteRefused(row, waiting, errno)
    sent.push(waiting)
    if (sent.length % BURST === 0) echoes.drain()
  }
  return sent
}
