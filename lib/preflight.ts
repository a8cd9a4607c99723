/** What stands in the way of looking: every unknown fact of the plan, said once, before the checks that depend on it. Pure. */
import type { Evidence, Fact, Obstacle, Outcome, Place, Plan } from './types.ts'

/** Every fact that the checks of a place need and that could not be found out, with reason and next step. */
export function obstaclesOf(plan: Plan, place: Place): Obstacle[] {
  const facts: readonly (readonly [Place, Fact<unknown>])[] = [
    ['node', plan.api.server],
    ['node', plan.api.service],
    ['node', plan.api.endpoints],
    ['node', plan.api.ca],
    ['node', plan.peerNode],
    ['node', plan.clusterNodes],
    ['pod', plan.source],
    ['pod', plan.source.state === 'known' ? plan.source.value.resolv : plan.source],
    ['pod', plan.dns],
    ['pod', plan.service],
    ['pod', plan.service.state === 'known' ? plan.service.value.endpoints : plan.service],
    // what is expected to be denied cannot be judged without the policies
    ...(plan.expectDenied.length > 0 ? [['pod', plan.policies] as const] : []),
    ...Object.values(plan.destinations).map((fact) => ['pod', fact] as const),
    ...Object.values(plan.external).map((fact) => ['pod', fact] as const),
  ]
  const unknown = facts.flatMap(([where, fact]) =>
    fact.state === 'unknown' ? [{ place: where, code: fact.code, reason: fact.reason, hint: fact.hint }] : [],
  )
  return distinct([...plan.obstacles, ...unknown]).filter((obstacle) => obstacle.place === place)
}

/** One outcome for the preflight check: fails with the first obstacle's code and lists them all. */
export function preflight(plan: Plan, place: Place): Outcome<void> {
  const obstacles = obstaclesOf(plan, place)
  const evidence: Evidence[] = plan.notes.map((note) => ({ kind: 'scalar', name: 'plan', value: note }))
  const [first] = obstacles
  if (!first) return { ok: true, value: undefined, detail: 'everything needed is known', evidence }
  return {
    ok: false,
    code: first.code,
    detail: obstacles.map((obstacle) => obstacle.reason).join('; '),
    evidence: [
      ...evidence,
      {
        kind: 'table',
        name: 'obstacles',
        columns: ['code', 'reason', 'next step'],
        rows: obstacles.map(({ code, reason, hint }) => [code, reason, hint]),
      },
    ],
  }
}

/** Warns when no local address is the Node object's: a Job without hostNetwork asks from the wrong place. */
export function nodeAddress(plan: Plan): Outcome<void> {
  const { name, internalIPs, addressMatches } = plan.node
  if (addressMatches !== false) return { ok: true, value: undefined, evidence: [] }
  return {
    ok: false,
    code: 'NODE_ADDRESS_MISMATCH',
    detail: `no local address is an InternalIP of node ${name} (${internalIPs.join(', ')}): this is not the node's namespace`,
    evidence: [],
  }
}

function distinct(obstacles: readonly Obstacle[]): Obstacle[] {
  return [...new Map(obstacles.map((o) => [`${o.place} ${o.reason}`, o])).values()]
}
