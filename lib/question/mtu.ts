/** Path MTU against what the namespace is promised: the smaller of its link's and its route's MTU. */
import { promisedMtu } from '../node/routes.ts'
import { judgePathMtu, type PathMtu, pathMtu } from '../probe/pmtu/index.ts'
import type { Outcome, Target } from '../types.ts'
import { externalPing, externalTarget } from './external.ts'
import { destinationPing, type PingAnswer, targetOf } from './pod.ts'
import { destinations, families, question } from './question.ts'

export interface MtuAnswer {
  readonly targets: readonly Target[]
  readonly path: Outcome<unknown>
}

export const mtuToDestination = question('never ahead', destinations, async (plan, row): Promise<MtuAnswer> => {
  const target = targetOf(plan, row, 'icmp')
  return measure(target, true, await destinationPing(plan, 'pod', row))
})

export const mtuToExternal = question('never ahead', families, async (plan, row): Promise<MtuAnswer> => {
  const target = externalTarget(plan, row)
  return measure(target, false, await externalPing(plan, 'pod', row))
})

async function measure(target: Target, insideCluster: boolean, ping: PingAnswer): Promise<MtuAnswer> {
  const targets = [target]
  // A path that carries no small packet has no MTU to measure; where only ping is filtered there is no measure either.
  if (!ping.reached.ok) return { targets, path: ping.reached }
  if (!ping.icmp.ok) return { targets, path: unmeasurable(target) }
  const promised = await promisedMtu(target.address)
  if (!promised.ok) return { targets, path: promised }
  const { mtu, linkMtu } = promised.value
  const judged = judgePathMtu(await pathMtu(target, { promised: mtu, linkMtu }), { insideCluster })
  return { targets, path: judged.ok ? { ...judged, detail: describe(judged.value) } : judged }
}

function unmeasurable({ name }: Target): Outcome<never> {
  const detail = `${name} answers TCP but no echo, so its path MTU cannot be measured by ICMP`
  return { ok: false, code: 'PROBE_INCONCLUSIVE', detail, evidence: [] }
}

function describe({ mtu, promised, signalledBy }: PathMtu): string {
  const lower = mtu !== null && mtu < promised
  return lower
    ? `${mtu} bytes of ${promised} promised, signalled by ${signalledBy ?? 'the kernel'}`
    : `${mtu} bytes, as promised`
}
