/** Path MTU by ICMP echo: the exact largest packet that passes, and whether the path says so when one does not. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Echoes, openEchoes, SMALLEST_ECHO } from '../../socket/icmp-echo.ts'
import type { Target } from '../../types.ts'
import type { EchoError } from '../icmp-result.ts'
import { type Ledger, newLedger } from './ledger.ts'
import { type PathMtu, pathMtuOf } from './result.ts'
import { type Boundary, boundaryOf, nextStep, type Question, type Step } from './search.ts'
import { LARGEST_PACKET } from './sizes.ts'

export { type FilteredErrors, type PathContext, plainContext } from './context.ts'
export { type Judged, judgePathMtu } from './judge.ts'
export { type Tunnel, tunnelOf } from './remedy.ts'
export type { PathMtu, PathMtuState } from './result.ts'
export { fullSegment, type SegmentResult } from './tcp.ts'
export * from './windows.ts'

export interface PathMtuOptions {
  /** What the source is promised, IP packet bytes: the smaller of its link's and its route's MTU. */
  readonly promised: number
  /** MTU of the link that the packets leave by. */
  readonly linkMtu: number
  /** After this an undecided measurement is inconclusive; default 8000. */
  readonly budgetMs?: number
}

const CONTROL_INTERVAL_MS = 50
/** With half of the packets lost, all of so many are lost once in ten million measurements. */
const CONTROL_TRIES = 24
/** So often the control echo must meet an error before that is the answer (a rule may drop at random). */
const FEWEST_TRIES = 3
/** How long the last control echo is waited for. */
const CONTROL_PATIENCE_MS = 1000
/** Between two sends of a round; longer once loss was taken for a boundary (shallow queue, policing). */
const PACE_MS = 1
/** So few are sent at once: both sides of a signalled MTU, twice. */
const BURST = 4
const SLOWEST_PACE_MS = 16
const CONFIRM_PACE_MS = 4
const QUIET_MS = 60
const CONFIRM_QUIET_MS = 150
/** With a smaller share of replies the path may be dropping because of the pace. */
const CALM_SHARE = 0.75
const SLACK_MS = 20
const BUFFER_FULL_MS = 5
/** So often in a row there may be no buffer: then it is the device that drops (a veth whose peer is smaller says ENOBUFS). */
const MOST_DROPPED = 6

/** One measurement under way. */
interface Run {
  readonly echoes: Echoes
  readonly ledger: Ledger
  readonly target: Target
  readonly question: Question
  readonly deadline: number
  paceMs: number
}

/**
 * Measures the path MTU to a target, one address family at a time. Sends with DF and without the kernel's cached path
 * MTU (IP_PMTUDISC_PROBE), several sizes at once, never more than `promised`. A healthy path takes one round trip, one that
 * signals a lower MTU two, a black hole under 1.5 s. A "too big" error leaves the kernel's usual route exception behind.
 * Failures are states of the result: 'unanswered' (no echo is answered at all), 'error' (nothing could be sent).
 */
export async function pathMtu(target: Target, options: PathMtuOptions): Promise<PathMtu> {
  const started = performance.now()
  const question: Question = {
    family: target.family,
    promised: Math.min(options.promised, options.linkMtu, LARGEST_PACKET[target.family]),
    control: SMALLEST_ECHO[target.family],
  }
  const opening = openEchoes(target.family)
  const ledger = newLedger()
  const finish = (step: Step | null, error: EchoError | null) =>
    pathMtuOf({ target, promised: options.promised, ledger, step, error, ms: performance.now() - started })
  if (!opening.ok) {
    return finish(null, { kind: 'local', from: null, text: `${opening.detail}. ${opening.hint}`, code: opening.code })
  }
  const deadline = started + (options.budgetMs ?? 8000)
  const run: Run = { echoes: opening.echoes, ledger, target, question, deadline, paceMs: PACE_MS }
  try {
    return finish(await measure(run), ledger.error())
  } finally {
    opening.echoes.close()
  }
}

/** Returns the last step; null when no echo was answered. */
async function measure(run: Run): Promise<Step | null> {
  if (!(await contact(run))) return null
  for (;;) {
    const step = nextStep(run.ledger.facts(), run.question)
    if (step.kind === 'found' || step.kind === 'give-up') return step
    if (performance.now() > run.deadline) return { kind: 'give-up', boundary: boundaryNow(run) }
    if (step.kind === 'ask') {
      const sizes = Array.from({ length: step.copies }, () => step.sizes).flat()
      const unpaced = sizes.length <= BURST && run.paceMs === PACE_MS
      await ask(run, sizes, unpaced ? 0 : run.paceMs, QUIET_MS)
    } else {
      await confirm(run, step)
    }
  }
}

/**
 * Asks the two sizes at the boundary in turns. When the upper one passes after all, a burst was taken for a boundary: what
 * was silent above it is forgotten and asked again more slowly.
 */
async function confirm(run: Run, step: Extract<Step, { kind: 'confirm' }>): Promise<void> {
  const before = run.ledger.replies(step.passes)
  const turns = Array.from({ length: step.times }, () => [step.lost, step.passes])
  await ask(run, turns.flat(), Math.max(CONFIRM_PACE_MS, run.paceMs), CONFIRM_QUIET_MS)
  const lossy = run.ledger.replies(step.passes) - before < step.times * CALM_SHARE
  const disproved = boundaryNow(run).lo >= step.lost
  if (run.paceMs >= SLOWEST_PACE_MS || !(lossy || disproved)) return
  run.paceMs = lossy ? SLOWEST_PACE_MS : Math.min(SLOWEST_PACE_MS, run.paceMs * 4)
  if (disproved) run.ledger.forgetSilence(boundaryNow(run).lo)
}

const boundaryNow = (run: Run): Boundary => boundaryOf(run.ledger.facts(), run.question)

/**
 * The control echo, and with it the promised size: where all is well this is the whole measurement. False when nothing
 * was answered, not even late, or when the kernel refuses to send.
 */
async function contact(run: Run): Promise<boolean> {
  const { control, promised } = run.question
  await ask(run, [control, promised, promised], 0, CONTROL_INTERVAL_MS)
  for (let tries = 1; !answered(run); tries++) {
    if (tries === CONTROL_TRIES || performance.now() > run.deadline) return false
    if (run.ledger.error() !== null) {
      if (tries >= FEWEST_TRIES) return false
      await sleep(CONTROL_INTERVAL_MS)
    }
    await ask(run, [control], 0, tries === CONTROL_TRIES - 1 ? CONTROL_PATIENCE_MS : CONTROL_INTERVAL_MS)
    // The path is slow or lossy: the promised size gets the time that the control echo took.
    if (answered(run) && !run.ledger.settled(promised)) await ask(run, [promised, promised], run.paceMs, QUIET_MS)
  }
  return true
}

const answered = (run: Run): boolean => run.ledger.slowestMs() !== null

/**
 * Sends these sizes in this order and waits until all are answered, the promised size has passed, or it has been quiet
 * for a while (longer on slow paths). Answers that come later still reach the ledger.
 */
async function ask(run: Run, sizes: readonly number[], paceMs: number, quietMs: number): Promise<void> {
  const open = new Set<number>()
  for (const [index, size] of sizes.entries()) {
    if (index > 0 && paceMs > 0) await sleep(paceMs)
    open.add(index)
    if (!(await send(run, size, () => open.delete(index)))) open.delete(index)
  }
  const lastSent = performance.now()
  for (;;) {
    // The clock first: what came while this process was not running is read before it is given up.
    const waitedMs = performance.now() - lastSent
    run.echoes.drain()
    const quiet = Math.max(quietMs, 2 * (run.ledger.slowestMs() ?? 0) + SLACK_MS)
    if (open.size === 0 || boundaryNow(run).hi === null || waitedMs > quiet) return
    await sleep(1)
  }
}

/** Sends one echo, patiently while the send buffer is full; false when the kernel refused it. */
async function send(run: Run, size: number, answered: () => void): Promise<boolean> {
  const { ledger, target } = run
  for (let tries = 1; ; tries++) {
    const errno = run.echoes.send(target.address, size, (answer) => {
      ledger.noteAnswer(size, answer)
      answered()
    })
    if (errno === null) {
      ledger.noteSent(size)
      return true
    }
    const full = errno === 'EAGAIN' || (errno === 'ENOBUFS' && tries < MOST_DROPPED)
    if (!full || performance.now() > run.deadline) {
      ledger.noteRefused(size, errno)
      return false
    }
    await sleep(BUFFER_FULL_MS)
  }
}
