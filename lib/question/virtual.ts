/**
 * A virtual address with N backends, asked often enough that one dead backend is met with certainty.
 *
 * A dead backend shows in two ways. What is dropped behind it is silent to the end. What this node itself drops (a policy, a
 * missing route) leaves no conntrack entry, so the kernel's repeated SYN may be sent to another backend and succeed a
 * second later: only the lost first packet tells. Random loss loses first packets too; it takes no steady share.
 */
import { isSilence, judgeRepeated } from '../probe/judge.ts'
import { attemptsFor } from '../probe/tcp.ts'
import type { Answer, Outcome, Plan, Target } from '../types.ts'
import { destinationPing } from './pod.ts'
import type { Asking } from './question.ts'

/** A dead backend takes 1/N of the attempts; in both rounds at least a quarter of that must be lost. */
export const STEADY = 1 / 4

/**
 * Asks `ask(times)`, once more and slowly if first packets were lost, and judges. `isLossy`: the paths to the backends are known to
 * lose packets, which then explains what was lost here.
 */
export async function askVirtual(
  target: Target,
  backends: number,
  ask: (times: number, slowly: boolean) => Promise<readonly Answer[]>,
  isLossy: () => Promise<boolean>,
): Promise<Outcome<void>> {
  const times = attemptsFor(backends)
  const first = await ask(times, false)
  const lost = first.filter(isLost).length
  const refused = first.some((answer) => answer.code !== null && !isSilence(answer))
  if (backends < 2 || lost === 0 || refused || first.every(isSilence)) return judgeRepeated(target, first)
  // a small server on a busy machine drops what comes faster than it accepts
  const second = await ask(times, true)
  const rounds = [first, second]
  const attempts = rounds.flat()
  // the address fell silent meanwhile: no random loss takes all
  if (second.every(isSilence)) return judgeRepeated(target, attempts)
  // where every first packet is lost, or late, no backend is told from another
  const steady = rounds.every((round) => {
    const lostNow = round.filter(isLost).length
    return lostNow >= (round.length / backends) * STEADY && lostNow < round.length
  })
  if (steady && !(await isLossy())) return judgeRepeated(target, attempts.map(asLost))
  const good = judgeRepeated(
    target,
    attempts.filter((answer) => !isSilence(answer)),
  )
  const remark = `${attempts.filter(isLost).length} of ${attempts.length} first packets were lost`
  return { ...good, detail: `${good.detail}; ${remark}` }
}

/** The first packet, or its answer, was lost. */
export const isLost = (answer: Answer): boolean => answer.resent === true || isSilence(answer)

/** As a lost packet, though a repeat was answered. */
export function asLost(answer: Answer): Answer {
  if (!answer.resent || answer.code !== null) return answer
  return { ...answer, code: 'UNREACHABLE', said: 'the first packet was lost, a repeat met another backend' }
}

/** Whether pings between pods lose packets in this family. Asked once a run, and not from the node. */
export async function pathsLose(plan: Plan, { family }: Asking): Promise<boolean> {
  const rows = (['other-node', 'same-node', 'named'] as const).map((destination) => ({ family, destination }))
  const pings = await Promise.allSettled(rows.map((row) => destinationPing(plan, 'pod', row)))
  return pings.some((ping) => ping.status === 'fulfilled' && !(ping.value.heavyLoss.ok && ping.value.someLoss.ok))
}
