/** The cluster's own results, as its checks make them. */
import { recordOf, titleOf } from '../../../lib/asking.ts'
import {
  checksPass,
  type Judged,
  nodesAnswer,
  packetsFit,
  pairsReach,
  replicasAnswer,
  settingsAlike,
  zonesReach,
} from '../../../lib/merge/index.ts'
import type { ClusterPart, Fact, Family, Result } from '../../../lib/types.ts'

type Question = readonly [file: string, question: string, family: Family | undefined, judge: () => Fact<Judged>]

const perFamily = (file: string, question: string, judge: (family: Family) => Fact<Judged>): Question[] =>
  ([4, 6] as const).map((family) => [file, question, family, () => judge(family)])

export async function askedOf(part: ClusterPart, strict = false): Promise<Result[]> {
  const fine = { ok: true, value: undefined, evidence: [] } as const
  const questions: Question[] = [
    [
      ...['nodes-answer', 'every node answers'],
      undefined,
      () => ({ state: 'known', value: { failed: nodesAnswer(part), warned: fine } }),
    ] as unknown as Question,
    ['node-checks', 'the node checks pass on every node', undefined, () => checksPass(part, 'node')],
    ['pod-checks', 'the pod checks pass on every node', undefined, () => checksPass(part, 'pod')],
    ...perFamily('node-pairs', 'pairs of nodes reach each other', (family) => pairsReach(part, 'nodes', family)),
    ...perFamily('pod-pairs', 'pods of pairs of nodes reach each other', (family) => pairsReach(part, 'pods', family)),
    ...perFamily('zone-pairs', 'pods of every pair of zones reach each other', (family) => zonesReach(part, family)),
    ...perFamily('packet-size', 'full-size packets pass between pods of pairs of nodes', (family) =>
      packetsFit(part, family),
    ),
    ...perFamily('dns-replicas', 'every replica of the cluster DNS answers every node', (family) =>
      replicasAnswer(part, family),
    ),
    ['settings-alike', 'the nodes are set alike', undefined, () => settingsAlike(part)],
  ]
  return Promise.all(
    questions.map(async ([base, question, family, judgement]) => {
      const file = `checks/cluster/${base}.test.ts`
      const name = titleOf(question, family, 'cluster')
      const record = await recordOf({
        about: { check: question, place: 'cluster', ...(family ? { family } : {}) },
        strict,
        body: async (judge) => {
          const { failed, warned } = judge.given(judgement())
          judge.must(failed)
          judge.warn(warned)
        },
      })
      return { id: `${file} > ${name}`, file, name, seconds: 0, findings: [], ...record }
    }),
  )
}

/** "node-pairs 4: fail UNREACHABLE" of everything that neither passes nor does not apply. */
export const notGreen = (results: readonly Result[]): string[] =>
  results.flatMap(({ file, family, verdict, code }) =>
    verdict === 'pass' || verdict === 'not-applicable'
      ? []
      : [`${file.replace(/^.*\/|\.test\.ts$/g, '')}${family ? ` ${family}` : ''}: ${verdict} ${code}`],
  )
