/** The cluster's own questions, answered from what all nodes found. Pure. */
import { CODES } from '../diagnose/codes.ts'
import { familyName } from '../fact.ts'
import type {
  Answer,
  ClusterPart,
  Code,
  Evidence,
  Fact,
  Family,
  NodeDifference,
  NodePair,
  NodeRun,
  Outcome,
  Place,
  Result,
} from '../types.ts'
import { suffers } from './cover.ts'
import { isTrouble, titleOf } from './differences.ts'
import { cappedTable, commonest, compareText, count, groupedBy, namesText } from './lists.ts'
import { asksReplicas, isOwn, wayOf } from './peers.ts'

/** What fails, and what only warns. */
export interface Judged {
  readonly failed: Outcome<void>
  readonly warned: Outcome<void>
}

type Judgement = Fact<Judged>

const absent = (need: string, finding: string): Extract<Judgement, { state: 'absent' }> => ({
  state: 'absent',
  need,
  finding,
})
const judged = (failed: Outcome<void>, warned: Outcome<void> = fine()): Judgement => ({
  state: 'known',
  value: { failed, warned },
})
const fine = (detail = '', evidence: readonly Evidence[] = []): Outcome<void> => ({
  ...{ ok: true, value: undefined, evidence },
  ...(detail === '' ? {} : { detail }),
})
const bad = (code: Code, detail: string, evidence: readonly Evidence[] = []): Outcome<void> => ({
  ...{ ok: false, code, detail, evidence },
})

const isInconclusive = (code: Code): boolean => CODES[code]?.kind === 'inconclusive'

/** Earlier runs have left nothing behind. Code: LEFTOVERS_FOUND, which only warns. */
export function nothingLeft(leftovers: readonly string[]): Outcome<void> {
  const [first] = leftovers
  if (first === undefined) return fine()
  const more = leftovers.length > 1 ? ` And ${leftovers.length - 1} more.` : ''
  return bad('LEFTOVERS_FOUND', `${first}${more}`, [
    cappedTable(
      'left behind',
      ['what'],
      leftovers.map((one) => [one]),
    ),
  ])
}

interface Silence {
  readonly run: NodeRun
  readonly code: Code
  readonly reason: string
  readonly hint: string
}

/** Why not everything that was asked on a node is known; null: all of it is. */
function silenceOf(run: NodeRun): Silence | null {
  const { problem, report } = run
  if (problem) return { run, ...problem }
  if (report === null) return { run, code: 'NODE_REPORT_LOST', reason: 'no report came from it', hint: '' }
  const [error] = report.errors
  if (error) return { run, code: error.code, reason: error.message, hint: '' }
  if (report.state === 'complete') return null
  return { run, code: 'RUN_INTERRUPTED', reason: 'its report is incomplete: its run has not ended in order', hint: '' }
}

/** Whether a node gave a whole report. */
export const hasAnswered = (run: NodeRun): boolean => silenceOf(run) === null

/** Every node answers. Codes: of the nodes that do not, the most frequent; all of them only say that it could not be looked. */
export function nodesAnswer({ nodes }: ClusterPart): Outcome<void> & { readonly hint?: string } {
  if (nodes.length === 0) return bad('NOTHING_RAN', 'no node was asked')
  const silent = nodes.flatMap((run) => silenceOf(run) ?? [])
  const counts = `${nodes.length - silent.length} of ${count(nodes.length, 'node')} answered`
  if (silent.length === 0) return fine(counts)
  const code = commonest(silent.map((one) => one.code)) as Code
  const rows = silent.map((one) => [one.run.node, one.run.zone, one.code, one.reason, one.hint])
  const hint = silent.find((one) => one.code === code && one.hint !== '')?.hint
  return {
    ...bad(code, `${counts}; ${byCode(silent.map((one) => [one.code, one.run.node, one.reason] as const))}`, [
      cappedTable('nodes that did not answer', ['node', 'zone', 'code', 'reason', 'what to do'], rows),
    ]),
    ...(hint ? { hint } : {}),
  }
}

/** "IMAGE_NOT_PULLED on n1 and n2 (back-off pulling image ...); NODE_NOT_READY on n3 (...)" */
const byCode = (list: readonly (readonly [Code, string, string])[]): string =>
  [...groupedBy(list, ([code]) => code)]
    .toSorted((a, b) => b[1].length - a[1].length || compareText(a[0], b[0]))
    .map(([code, same]) => {
      const nodes = [...new Set(same.map(([, node]) => node))]
      return `${code} on ${namesText(nodes, 4)}${same[0]?.[2] ? ` (${same[0][2]})` : ''}`
    })
    .join('; ')

/** How a node's own checks of a place ended, at worst. */
interface NodeVerdict {
  readonly node: string
  readonly verdict: 'fail' | 'inconclusive' | 'warn' | 'pass'
  readonly code: Code
  readonly seen: string
}

/**
 * The checks of a place pass on every node that answered; those about other nodes and DNS replicas have questions of their own. Codes:
 * the most frequent root of what fails.
 */
export function checksPass({ nodes }: ClusterPart, place: Place): Judgement {
  const answered = nodes.filter(({ report }) => report !== null)
  const without = place === 'pod' ? answered.filter(({ source }) => source === null) : []
  const asked = answered.filter((run) => !without.includes(run))
  if (asked.length === 0) {
    if (place === 'pod' && answered.length > 0) return absent('a pod on some node to ask from', 'none has one')
    return judged(
      bad(commonest(nodes.flatMap(({ problem }) => problem?.code ?? [])) ?? 'NOTHING_RAN', 'no node answered'),
    )
  }
  const verdicts = asked.map((run) => verdictOfNode(run, place))
  const nowhere = without.length === 0 ? '' : `; no pod to ask from on ${namesText(without.map(({ node }) => node))}`
  const of = (verdict: NodeVerdict['verdict']) => verdicts.filter((one) => one.verdict === verdict)
  const told = (list: readonly NodeVerdict[], what: string) =>
    bad(
      commonest(list.map(({ code }) => code)) as Code,
      `${list.length} of ${count(asked.length, 'node')} ${what}: ${byCode(list.map(({ code, node, seen }) => [code, node, seen] as const))}${nowhere}`,
      [
        cappedTable(
          'nodes',
          ['node', 'verdict', 'code', 'seen'],
          list.map((one) => [one.node, one.verdict, one.code, one.seen]),
        ),
      ],
    )
  const [failing, unclear, warning] = [of('fail'), of('inconclusive'), of('warn')]
  const failed =
    failing.length > 0
      ? told(failing, failing.length === 1 ? 'fails' : 'fail')
      : unclear.length > 0
        ? told(unclear, 'could not look')
        : fine(`${count(asked.length, 'node')} asked${nowhere}`)
  return judged(failed, warning.length > 0 ? told(warning, warning.length === 1 ? 'warns' : 'warn') : fine())
}

function verdictOfNode({ node, report }: NodeRun, place: Place): NodeVerdict {
  const own = (report?.results ?? []).filter((result) => result.place === place && isOwn(result))
  for (const verdict of ['fail', 'inconclusive', 'warn'] as const) {
    const results = own.filter((result) => result.verdict === verdict)
    const [first] = results
    if (!first) continue
    const ids = new Set(results.map(({ id }) => id))
    const root = report?.findings.find(({ explains }) => explains.some((id) => ids.has(id)))
    return { node, verdict, code: root?.code ?? first.code ?? 'CHECK_CRASHED', seen: root?.cause ?? first.seen }
  }
  return { node, verdict: 'pass', code: '', seen: '' }
}

/** "n1 to n7, n2 to n7 and 7 more" */
const waysText = (pairs: readonly NodePair[]): string =>
  namesText([...new Set(pairs.map(({ from, to }) => `${from} to ${to}`))], 4)

const pairTable = (pairs: readonly NodePair[]): Evidence =>
  cappedTable(
    'pairs of nodes',
    ['from', 'to', 'reached', 'code', 'rtt ms', 'path MTU'],
    pairs.map(({ from, to, reached, code, rttMs, mtu }) => [from, to, reached, code, rttMs, mtu]),
  )

/**
 * Nodes, or the pods of nodes, reach those that they ask. Codes: of pairs that are not reached, or of those that answer but fail a node's own
 * check (loss, nothing listening); what only warns there warns here. Sizes of packets are another question.
 */
export function pairsReach(part: ClusterPart, between: NodePair['between'], family: Family): Judgement {
  const pairs = part.pairs.filter((pair) => pair.between === between && pair.family === family)
  if (pairs.length === 0)
    return absent(
      `${between === 'nodes' ? 'two nodes' : 'pods on two nodes'} to ask over ${familyName(family)}`,
      'there are none',
    )
  const failCodes = codesOf(part, between, family, 'fail')
  const troubled = pairs.filter(
    (pair) => pair.reached && pair.code !== null && suffers(pair, 'size') !== true && !isInconclusive(pair.code),
  )
  const unreached = pairs.filter(({ reached }) => reached === false)
  const failing = troubled.filter(({ code }) => failCodes.has(code as Code))
  const unclear = pairs.filter(({ reached }) => reached === null)
  const warning = troubled.filter(({ code }) => !failCodes.has(code as Code))
  const all = count(pairs.length, 'pair')
  const told = (list: readonly NodePair[], what: string) =>
    bad(
      commonest(list.flatMap(({ code }) => code ?? [])) ?? 'UNREACHABLE',
      `${list.length} of ${all} ${what}: ${waysText(list)}`,
      [pairTable(list)],
    )
  const isOne = (list: readonly NodePair[]) => list.length === 1
  const failed =
    unreached.length > 0
      ? told(unreached, isOne(unreached) ? 'is not reached' : 'are not reached')
      : failing.length > 0
        ? told(failing, isOne(failing) ? 'answers badly' : 'answer badly')
        : unclear.length > 0
          ? told(unclear, 'could not be looked at')
          : fine(
              `${all} of ${count(new Set(pairs.flatMap(({ from, to }) => [from, to])).size, 'node')}${timesText(pairs)}`,
            )
  return judged(failed, warning.length > 0 ? told(warning, isOne(warning) ? 'warns' : 'warn') : fine())
}

function timesText(pairs: readonly NodePair[]): string {
  const times = pairs.flatMap(({ rttMs }) => rttMs ?? []).toSorted((a, b) => a - b)
  const [median, most] = [times[Math.floor(times.length / 2)], times.at(-1)]
  return median === undefined ? '' : `, round trips ${median} ms in the middle, ${most} ms at most`
}

/** Codes with which checks of peers end on some node. */
function codesOf(
  { nodes }: ClusterPart,
  between: NodePair['between'],
  family: Family,
  verdict: Result['verdict'],
): Set<Code> {
  const place = between === 'nodes' ? 'node' : 'pod'
  const results = nodes.flatMap(({ report }) => report?.results ?? [])
  const own = results.filter(
    (one) => wayOf(one) !== null && one.place === place && one.family === family && one.verdict === verdict,
  )
  return new Set(own.flatMap(({ code }) => code ?? []))
}

/** Between each two zones pods reach each other, from either side. Codes: ZONES_CUT. */
export function zonesReach({ nodes, pairs }: ClusterPart, family: Family): Judgement {
  const zoneOf = new Map(nodes.map(({ node, zone }) => [node, zone]))
  const zones = [...new Set(nodes.flatMap(({ zone }) => zone ?? []))].toSorted(compareText)
  if (zones.length < 2) return absent('nodes in two zones', zones.length === 1 ? 'all are in one' : 'no node has one')
  const across = pairs.filter((pair) => pair.between === 'pods' && pair.family === family)
  const ways = zones.flatMap((from) => zones.filter((to) => to !== from).map((to) => ({ from, to })))
  const answers = ways.map(({ from, to }) => {
    const own = across.filter((pair) => zoneOf.get(pair.from) === from && zoneOf.get(pair.to) === to)
    const told = own.filter(({ reached }) => reached !== null)
    const reached = told.filter((pair) => pair.reached).length
    return {
      from,
      to,
      asked: told.length,
      reached,
      unclear: own.length > 0 && told.length === 0,
      codes: own.flatMap(({ code }) => code ?? []),
    }
  })
  const asked = answers.filter((one) => one.asked > 0)
  const unclear = answers.filter((one) => one.unclear)
  if (asked.length + unclear.length === 0)
    return absent(`pods in two zones to ask over ${familyName(family)}`, 'there are none')
  const table = cappedTable(
    'zones',
    ['from', 'to', 'pairs asked', 'reached'],
    answers.map((one) => [one.from, one.to, one.asked, one.reached]),
  )
  const names = (list: typeof answers) =>
    namesText(
      list.map(({ from, to }) => `${from} to ${to}`),
      4,
    )
  const cut = asked.filter(({ reached }) => reached === 0)
  const open = answers.filter((one) => one.asked === 0 && !one.unclear)
  const rest = open.length === 0 ? '' : `; not asked, for want of a pod: ${names(open)}`
  if (cut.length > 0)
    return judged(
      bad(
        'ZONES_CUT',
        `${cut.length} of ${count(asked.length, 'way')} between zones: nothing is reached from ${names(cut)}${rest}`,
        [table],
      ),
    )
  if (unclear.length > 0) {
    const code = commonest(unclear.flatMap(({ codes }) => codes)) ?? 'PROBE_INCONCLUSIVE'
    return judged(bad(code, `${names(unclear)} could not be looked at${rest}`, [table]))
  }
  return judged(fine(`${count(asked.length, 'way')} between ${zones.length} zones${rest}`, [table]))
}

/** Full-size packets pass between the pods of all pairs that reach each other. Codes: PATH_MTU_*. */
export function packetsFit({ pairs }: ClusterPart, family: Family): Judgement {
  const reached = pairs.filter((pair) => pair.between === 'pods' && pair.family === family && pair.reached)
  const told = reached.filter((pair) => suffers(pair, 'size') !== null)
  const unclear = reached.filter(
    (pair) => suffers(pair, 'size') === null && pair.code !== null && isInconclusive(pair.code),
  )
  if (told.length + unclear.length === 0)
    return absent(`pods on two nodes that reach each other over ${familyName(family)}`, 'there are none')
  const narrow = told.filter((pair) => suffers(pair, 'size'))
  const failing = narrow.filter(({ code }) => CODES[code ?? '']?.kind !== 'warn')
  const warning = narrow.filter(({ code }) => CODES[code ?? '']?.kind === 'warn')
  const sizes = (list: readonly NodePair[]) =>
    [...new Set(list.flatMap(({ mtu }) => mtu ?? []))].toSorted((a, b) => a - b)
  const usual = commonest(told.filter((pair) => !suffers(pair, 'size')).flatMap(({ mtu }) => mtu ?? []))
  const say = (list: readonly NodePair[]) => {
    const found = sizes(list)
    const figures = found.length === 0 ? '' : `, ${namesText(found.map(String), 4)} bytes pass`
    const beside = usual === null ? '' : `, others carry ${usual}`
    return bad(
      commonest(list.flatMap(({ code }) => code ?? [])) as Code,
      `${list.length} of ${count(told.length, 'pair')}${figures}${beside}: ${waysText(list)}`,
      [pairTable(list)],
    )
  }
  const failed =
    failing.length > 0
      ? say(failing)
      : unclear.length > 0
        ? bad(
            commonest(unclear.flatMap(({ code }) => code ?? [])) as Code,
            `${unclear.length} of ${count(reached.length, 'pair')} could not be looked at: ${waysText(unclear)}`,
            [pairTable(unclear)],
          )
        : fine(`${count(told.length, 'pair')} carry ${namesText(sizes(told).map(String), 4)} bytes`)
  return judged(failed, warning.length > 0 ? say(warning) : fine())
}

/** Every replica of the cluster DNS answers every node that has a pod to ask from. Codes: of the nodes' own checks. */
export function replicasAnswer({ nodes }: ClusterPart, family: Family): Judgement {
  const results = nodes.flatMap(({ node, report }) =>
    (report?.results ?? []).flatMap((result) =>
      asksReplicas(result) && result.family === family ? [{ node, result }] : [],
    ),
  )
  const asked = results.filter(({ result }) => result.verdict !== 'not-applicable')
  if (asked.length === 0) {
    const why = results[0]?.result.seen
    return absent(
      `a pod on some node, and replicas of the cluster DNS with ${familyName(family)}`,
      why ? `on ${results[0]?.node}: ${why}` : 'no node could ask',
    )
  }
  const of = (verdict: Result['verdict']) => asked.filter(({ result }) => result.verdict === verdict)
  const tell = (list: typeof asked, what: string) => {
    const answers = list.flatMap(({ node, result }) =>
      (result.answers ?? []).filter(({ code }) => code !== null).map((answer) => ({ node, answer })),
    )
    const rows = answers.map(({ node, answer: { target, code, said } }) => [
      node,
      target.name,
      target.node ?? null,
      target.protocol ?? null,
      code,
      said,
    ])
    const codes = list.flatMap(({ result }) => result.code ?? [])
    return bad(
      commonest(codes) ?? 'DNS_NO_ANSWER',
      `on ${list.length} of ${count(asked.length, 'node')} ${what}: ${answers.length > 0 ? replicasText(answers) : byCode(list.map(({ node, result }) => [result.code ?? '', node, result.seen] as const))}`,
      [cappedTable('replicas', ['asked from', 'replica', 'on node', 'protocol', 'code', 'said'], rows)],
    )
  }
  const [failing, unclear, warning] = [of('fail'), of('inconclusive'), of('warn')]
  const failed =
    failing.length > 0
      ? tell(failing, 'not every replica answers')
      : unclear.length > 0
        ? tell(unclear, 'it could not be looked at')
        : fine(`asked from ${count(asked.length, 'node')}`)
  return judged(failed, warning.length > 0 ? tell(warning, 'not every replica answers well') : fine())
}

/** "kube-system/coredns-x on n2 by 3 nodes (n1, n3 and n4)" */
const replicasText = (answers: readonly { readonly node: string; readonly answer: Answer }[]): string => {
  const byReplica = [
    ...groupedBy(answers, ({ answer: { target } }) => `${target.name}${target.node ? ` on ${target.node}` : ''}`),
  ]
  const said = byReplica.map(([replica, same]) => {
    const nodes = [...new Set(same.map(({ node }) => node))]
    return `${replica} asked by ${namesText(nodes, 3)}`
  })
  return said.length > 3 ? `${said.slice(0, 3).join('; ')}; and ${said.length - 3} more` : said.join('; ')
}

/** The nodes are set alike, in what breaks something where it is not. Code: NODE_DIFFERS, which only warns. */
export function settingsAlike({ nodes, differences }: ClusterPart): Judgement {
  const answered = nodes.filter(({ report }) => report !== null).length
  if (answered < 2) return absent('two nodes that answered', answered === 1 ? 'one did' : 'none did')
  const trouble = differences.filter(isTrouble)
  const tables = [
    differenceTable('set differently', trouble),
    differenceTable(
      'also different',
      differences.filter((one) => !trouble.includes(one)),
    ),
  ].flat()
  if (trouble.length === 0) return judged(fine(`${count(answered, 'node')} compared`, tables))
  const said = trouble
    .slice(0, 3)
    .map(
      (one) =>
        `${titleOf(one)} is ${one.usual} on ${one.usualNodes} and ${one.others.map(({ value, nodes: own }) => `${value} on ${namesText(own, 3)}`).join(', ')}`,
    )
  const more = trouble.length > 3 ? `; and ${trouble.length - 3} more` : ''
  return judged(fine(), bad('NODE_DIFFERS', `${said.join('; ')}${more}`, tables))
}

const differenceTable = (name: string, list: readonly NodeDifference[]): Evidence[] =>
  list.length === 0
    ? []
    : [
        cappedTable(
          name,
          ['topic', 'what', 'usual', 'nodes with that', 'other', 'on'],
          list.flatMap((one) =>
            one.others.map(({ value, nodes }) => [
              one.topic,
              titleOf(one),
              one.usual,
              one.usualNodes,
              value,
              namesText(nodes, 12),
            ]),
          ),
        ),
      ]
