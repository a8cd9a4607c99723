/** Asks one nameserver so often that every replica behind it is met, and that what is dropped by its kind is told from loss. */
import { askDns, type DnsOptions } from '../probe/dns.ts'
import { isSilence, judgeEach, judgeRepeated } from '../probe/judge.ts'
import { attemptsFor } from '../probe/tcp.ts'
import type { Answer, Code, Outcome, Plan, Target } from '../types.ts'
import { dnsAnswer } from './answers.ts'
import { droppedSaid, droppedType, type TypedAnswer } from './dns-judge.ts'
import { type Expected, replicasBehind } from './dns-names.ts'
import type { Asking } from './question.ts'
import { beyondProxy } from './sidecar.ts'
import { askVirtual, asLost, isLost, pathsLose, STEADY } from './virtual.ts'

/** Codes that say that all of a kind is dropped. */
const ALL_DROPPED: ReadonlySet<Code> = new Set(['DNS_UDP_BLOCKED', 'DNS_TCP_BLOCKED', 'DNS_FAMILY_DROPPED'])

/** Whether what seems to be dropped by its kind was only lost: asked again, some of it is answered. */
export async function isLoss({ code, target }: Answer, expected: Expected): Promise<boolean> {
  if (code === null || !ALL_DROPPED.has(code)) return false
  const again = await askOften(target, ENOUGH, expected)
  return code === 'DNS_FAMILY_DROPPED' ? droppedType(again) === null : !again.every(isSilence)
}

/** Queries of each type that, all of them lost while all of the other type are answered, prove that a type is dropped. */
const ENOUGH = 8

/** One nameserver over one protocol, often enough to meet every replica behind it. */
export async function askNameserver(
  plan: Plan,
  row: Asking,
  target: Target,
  expected: Expected,
): Promise<Outcome<void>> {
  const replicas = replicasBehind(plan, row)
  const often = async (times: number) => beyondProxy(plan, 'pod', await askOften(target, times, expected))
  let known: readonly TypedAnswer[] | null = await often(attemptsFor(replicas))
  const dropped = await droppedOutcome(target, known, expected)
  if (dropped) return dropped
  const ask = async (times: number) => {
    const first = known
    known = null
    return first ?? often(times)
  }
  return askVirtual(target, replicas, ask, () => pathsLose(plan, row))
}

/**
 * A name that the nameserver asks others for: a late answer then says nothing about the path, and is no lost packet. `own`: what it
 * said of the cluster's own names.
 */
export async function askForwarded(
  plan: Plan,
  row: Asking,
  target: Target,
  expected: Expected,
  own: Answer | undefined,
): Promise<Outcome<void>> {
  const replicas = replicasBehind(plan, row)
  const answers = await askOften(target, attemptsFor(replicas), expected)
  const dropped = await droppedOutcome(target, answers, expected)
  if (dropped) return dropped
  const heard = answers.filter((answer) => !isSilence(answer))
  const silent = answers.length - heard.length
  const few = answers.filter(isLost).length < (answers.length / replicas) * STEADY
  // one that is known to be dead takes its share of first packets, and a repeat meets another one by chance
  if (own?.code === 'BACKEND_DEAD' && !few) return judgeRepeated(target, answers.map(asLost))
  if (silent === 0 || heard.length === 0) return judgeRepeated(target, answers)
  if (!few && !(await pathsLose(plan, row))) return judgeRepeated(target, answers)
  const good = judgeRepeated(target, heard)
  return { ...good, detail: `${good.detail}; ${silent} of ${answers.length} got no answer` }
}

/** The failure that one record type is dropped, after as many queries as prove it; null: none is. */
async function droppedOutcome(
  target: Target,
  answers: readonly TypedAnswer[],
  expected: Expected,
): Promise<Outcome<void> | null> {
  const dropped = droppedType(answers)
  if (dropped === null) return null
  const enough = answers.length >= 2 * ENOUGH
  if (!enough && droppedType(await askOften(target, ENOUGH, expected)) !== dropped) return null
  const answer = { target, code: 'DNS_FAMILY_DROPPED', said: droppedSaid(dropped, answers), ms: null }
  return { ...judgeEach('attempts', [answer]), answers: [answer] }
}

/** Every record type from one nameserver over one transport, often enough to meet each replica behind it. */
function askOften(target: Target, times: number, expected: Expected): Promise<readonly TypedAnswer[]> {
  return askAll(
    Array.from({ length: times }, () => target),
    expected,
    { oneBackend: true },
  )
}

/** Every record type from every server. */
export async function askAll(
  servers: readonly Target[],
  { name, records, outside }: Expected,
  options: DnsOptions = {},
): Promise<readonly TypedAnswer[]> {
  const asked = await Promise.all(records.map(({ type }) => askDns(servers, { name, type }, options)))
  return servers.flatMap((_, server) => {
    const results = asked.flatMap((list) => list[server] ?? [])
    const unknown = results.some(({ addresses }) => addresses.length > 0) ? 'any' : 'some'
    return results.map((result, record) => {
      const answer = dnsAnswer(result, records[record]?.values ?? unknown)
      const passes = outside === true && unknown === 'any' && answer.code === 'DNS_NXDOMAIN'
      return { ...answer, ...(passes ? { code: null } : {}), type: result.question.type }
    })
  })
}
