/** Reports of nodes that asked each other, made up: who asks whom, and what is lost on the way. */
import { CODES } from '../../../lib/diagnose/codes.ts'
import { digestOf, partOf } from '../../../lib/merge/index.ts'
import type {
  Answer,
  CheckRecord,
  ClusterPart,
  Code,
  Evidence,
  Family,
  Finding,
  NodeRun,
  Place,
  Report,
  Result,
  StateFact,
} from '../../../lib/types.ts'
import { report, result } from '../report/sample.ts'

export interface Way {
  readonly from: string
  readonly to: string
  readonly between: 'nodes' | 'pods'
  readonly family: Family
}

/** What a way ends with; null: it is sound. */
export type Fault = (way: Way & { readonly zones: readonly [from: string | null, to: string | null] }) => Code | null

export interface Cluster {
  readonly nodes: number
  readonly zones?: readonly string[]
  /** Nodes that each asks; all where that is not more. */
  readonly asks?: number
  readonly families?: readonly Family[]
  readonly fault?: Fault
  /** Of a node, beside what it found about others. */
  readonly own?: (node: string) => { readonly results?: readonly Result[]; readonly findings?: readonly Finding[] }
  readonly environment?: (node: string, index: number) => readonly StateFact[]
  /** Words and remedy of what a node finds about another. */
  readonly told?: (way: Way, code: Code) => Pick<Finding, 'code' | 'cause' | 'remedy'>
  /** Nodes that gave no report. */
  readonly silent?: Readonly<Record<string, NonNullable<NodeRun['problem']>>>
}

export const nameOf = (index: number): string => `n${index + 1}`
const addressOf = (node: string, family: Family, between: Way['between']): string => {
  const index = Number(node.slice(1))
  const net = between === 'nodes' ? 18 : 19
  return family === 4
    ? `198.${net}.${Math.floor(index / 250)}.${(index % 250) + 1}`
    : `2001:db8:${net}::${index.toString(16)}`
}

/** The runs of all nodes, in order, as they are kept. */
export const runsOf = (cluster: Cluster): NodeRun[] =>
  [...wholeRuns(cluster)].map((run) => ({ ...run, report: run.report && digestOf(run.report) }))

/** The runs of all nodes, one after the other, with their reports as the nodes write them. */
export function* wholeRuns(cluster: Cluster): Generator<NodeRun> {
  const { nodes, zones = [], asks = nodes, silent = {} } = cluster
  const names = Array.from({ length: nodes }, (_, index) => nameOf(index))
  const zoneOf = (node: string) => zones[(Number(node.slice(1)) - 1) % zones.length] ?? null
  for (const [index, node] of names.entries()) {
    const others = asks >= nodes ? names.filter((other) => other !== node) : neighbours(names, index, asks)
    const problem = silent[node] ?? null
    const about = { node, zone: zoneOf(node), source: `shop/web-${node}`, problem }
    yield { ...about, report: problem ? null : reportOf(node, index, others, zoneOf, cluster) }
  }
}

/** Each asks those that follow it at growing distances, so that each is asked by as many. */
const neighbours = (names: readonly string[], index: number, asks: number): string[] => {
  const steps = Array.from({ length: asks }, (_, step) => 1 + Math.floor((step * (names.length - 1)) / asks))
  return [...new Set(steps)].map((step) => names[(index + step) % names.length] as string)
}

export const clusterOf = (cluster: Cluster): ClusterPart => partOf(runsOf(cluster))

function reportOf(
  node: string,
  index: number,
  others: readonly string[],
  zoneOf: (node: string) => string | null,
  { families = [4, 6], fault = () => null, own, environment, told }: Cluster,
): Report {
  const codeOf = (way: Way) => fault({ ...way, zones: [zoneOf(way.from), zoneOf(way.to)] })
  const asked = (
    [
      ['host', 'ping', 'other nodes answer ping'],
      ['pod', 'ping', 'pods on other nodes answer ping'],
      ['pod', 'tcp', 'pods on other nodes answer TCP'],
      ['pod', 'mtu', 'full-size packets reach pods on other nodes'],
    ] as const
  ).flatMap(([where, way, question]) =>
    families.map((family) => {
      const answers = others.map((to) =>
        answerOf(way, { from: node, to, between: where === 'host' ? 'nodes' : 'pods', family }, codeOf, zoneOf(to)),
      )
      return peersResult(`checks/${where}/peers-${way}.test.ts`, question, family, answers)
    }),
  )
  const extra = own?.(node) ?? {}
  const findings = [...asked.flatMap((one) => findingsOf(node, one, told)), ...(extra.findings ?? [])]
  const results = [...ownResults, ...asked, ...(extra.results ?? [])].map((one) => ({
    ...one,
    findings: findings.filter(({ explains }) => explains.includes(one.id)).map(({ id }) => id),
  }))
  const failed = results.some(({ verdict }) => verdict === 'fail')
  return report(results, {
    node,
    findings,
    verdict: failed ? 'fail' : 'pass',
    exitCode: failed ? 1 : 0,
    source: { namespace: 'shop', name: `web-${node}`, foundBy: 'CRI' },
    environment: environment?.(node, index) ?? sameEnvironment,
  })
}

const someEvidence: readonly Evidence[] = [
  { kind: 'scalar', name: 'network namespace', value: '4026532281' },
  { kind: 'samples', name: 'time to answer', values: [0.31, 0.29, 0.44], unit: 'ms' },
  {
    kind: 'table',
    name: 'endpoints',
    columns: ['name', 'address', 'port', 'node', 'answered', 'ms'],
    rows: Array.from({ length: 6 }, (_, index) => [
      `shop/web-7c9d5c6b4f-x2x9${index}`,
      `198.18.4.${index}`,
      8080,
      `n${index}`,
      true,
      0.4,
    ]),
  },
]

/** Sound checks of a node, as many as it has. */
const ownResults: readonly Result[] = Array.from({ length: 90 }, (_, index) =>
  result(
    `checks/${index % 3 === 0 ? 'host' : 'pod'}/check-${Math.floor(index / 2)}.test.ts`,
    `what question number ${Math.floor(index / 2)} asks is as it should be`,
    {
      verdict: index % 5 === 0 ? 'not-applicable' : 'pass',
      family: index % 2 === 0 ? 4 : 6,
      seen: index % 5 === 0 ? 'needs EXTERNAL_IP, not set' : '3 of 3 answered in 0.4 ms',
      evidence: index % 5 === 0 ? [] : someEvidence,
    },
  ),
)

export const sameEnvironment: readonly StateFact[] = [
  { topic: 'kernel', name: 'kernel release', value: '6.1.0-18-amd64' },
  { topic: 'kube-proxy', name: 'mode of kube-proxy', value: 'iptables' },
  { topic: 'sysctl', name: 'ipv4/ip_forward', value: '1' },
  { topic: 'mtu', name: 'eth0', value: 1500 },
  { topic: 'mtu', name: 'flannel.1', value: 1450 },
]

function answerOf(
  way: 'ping' | 'tcp' | 'mtu',
  asked: Way,
  codeOf: (way: Way) => Code | null,
  zone: string | null,
): Answer | null {
  const { to, family, between } = asked
  const name = between === 'nodes' ? to : `shop/web-${to}`
  const target = {
    ...{ role: between === 'nodes' ? 'another node' : 'a pod on another node', name, node: to, family },
    ...{ address: addressOf(to, family, between), protocol: way === 'tcp' ? ('tcp' as const) : ('icmp' as const) },
    ...(zone === null ? {} : { zone }),
    ...(way === 'tcp' ? { port: 8080 } : {}),
  }
  const code = codeOf(asked)
  const isSize = code?.startsWith('PATH_MTU_') ?? false
  if (way === 'mtu') {
    if (code !== null && !isSize) return null
    return {
      target,
      code: isSize ? code : null,
      said: isSize ? '1400 bytes pass' : '1450 bytes pass',
      ms: 0.4,
      mtu: isSize ? 1400 : 1450,
    }
  }
  if (code === null || isSize) return { target, code: null, said: 'answered', ms: 0.4 }
  return { target, code, said: CODES[code]?.kind === 'inconclusive' ? 'not asked' : 'no answer', ms: null }
}

function peersResult(file: string, question: string, family: Family, all: readonly (Answer | null)[]): Result {
  const answers = all.filter((answer) => answer !== null)
  const bad = answers.filter(({ code }) => code !== null)
  const [first] = bad
  const record: Partial<CheckRecord> & Pick<CheckRecord, 'verdict'> =
    answers.length === 0
      ? { verdict: 'not-applicable', seen: 'needs a peer that answers, none does' }
      : first
        ? {
            verdict: verdictFor(first.code as Code),
            code: first.code as Code,
            seen: `${bad.length} of ${answers.length} do not`,
          }
        : { verdict: 'pass', seen: `${answers.length} of ${answers.length} answered` }
  return result(file, question, { ...record, family, answers, targets: answers.map(({ target }) => target) })
}

const verdictFor = (code: Code): CheckRecord['verdict'] => CODES[code]?.kind ?? 'fail'

/** One finding a code and target node, as a node's own diagnosis has it. */
function findingsOf(node: string, { id, answers = [], verdict }: Result, told: Cluster['told']): Finding[] {
  if (verdict !== 'fail' && verdict !== 'warn') return []
  return answers.flatMap(({ target, code }, index): Finding[] => {
    if (code === null || CODES[code]?.kind === 'inconclusive') return []
    const way = {
      from: node,
      to: target.node ?? '',
      between: target.name.includes('/') ? 'pods' : 'nodes',
      family: target.family,
    } as const
    const {
      cause,
      remedy,
      code: own,
    } = told?.(way, code) ?? {
      code,
      cause: `Packets from node ${node} to ${target.name} on node ${target.node} get no answer.`,
      remedy: `Look at ${target.node}.`,
    }
    return [
      {
        id: `${own}-${id}-${index}`,
        code: own,
        cause,
        confidence: 'likely',
        evidence: [],
        remedy,
        explains: [id],
        again: 'npx vitest run',
        hides: null,
      },
    ]
  })
}

/** A node's own result and finding of one code. */
export function ownTrouble(
  place: Place,
  code: Code,
  cause: string,
  remedy = 'Mend it.',
): { readonly results: readonly Result[]; readonly findings: readonly Finding[] } {
  const file = `checks/${place === 'node' ? 'host' : 'pod'}/forwarding.test.ts`
  const bad = result(file, 'the node forwards', { verdict: verdictFor(code), code, seen: cause })
  const finding: Finding = {
    ...{ id: `${code}-own`, code, cause, confidence: 'proven', evidence: [], remedy },
    ...{ explains: [bad.id], again: 'npx vitest run', hides: null },
  }
  return { results: [bad], findings: [finding] }
}

/** The tunnel's words for a way between pods. */
export const byTunnel: NonNullable<Cluster['told']> = ({ from, to }) => ({
  code: 'TUNNEL_UNANSWERED',
  cause: `Packets from node ${from} to node ${to} on UDP 8472 (VXLAN) leave ${from} and nothing comes back: 18 sent, 0 answered; node ${to} itself answers.`,
  remedy: `Open UDP 8472 (VXLAN) between the nodes, both ways, in every firewall and security group; see on ${to} whether they arrive.`,
})
