/** One fault, tried: made, met by the suite, mended as the first finding says, met again, taken back. */
import type { Finding, Report } from '../../../lib/types.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import { netnsPath, run } from '../../bed/namespace.ts'
import { linesOf } from '../faults.ts'
import { nodes, podsOf } from '../injection.ts'
import { podNamespace } from '../packets.ts'
import { checkOf, runSuite, type SuiteRun, trouble, troubles } from '../suite.ts'
import type { Entry, Measured } from './entry.ts'
import { carryOut } from './remedy.ts'

/** How the suite did with one fault. */
export interface Trial {
  readonly entry: Entry
  /** There is a finding; of what does no harm: there is none. */
  readonly found: boolean
  readonly rightFirst: boolean
  /** null: there is nothing to mend. */
  readonly remedyWorks: boolean | null
  /** Failures and warnings, and those of them that a finding of this fault explains. */
  readonly failures: number
  readonly explained: number
  /** Codes of findings that the fault does not account for. */
  readonly falseFindings: readonly string[]
  /** Everything that is not as it should be, for a person to read; empty: all is. */
  readonly complaints: readonly string[]
  readonly seconds: number
}

export async function tryOut(cluster: Cluster, entry: Entry): Promise<Trial> {
  let mended: readonly string[] | null = null
  try {
    await entry.inject(cluster)
    const met = await runSuite(cluster, entry.env ? { env: entry.env } : {})
    if (entry.root.length > 0) mended = await mend(cluster, entry, met.report.findings)
    return judge(entry, met, mended)
  } finally {
    await takeBack(cluster, entry, mended)
    await forgetPaths(cluster)
  }
}

/** Where the remedy was carried out there may be nothing left to take back, and trying to may fail for that. */
async function takeBack(cluster: Cluster, { undo, repair }: Entry, mended: readonly string[] | null): Promise<void> {
  if (mended?.length === 0 && repair?.takesBack) return
  await undo(cluster).catch((error) => {
    if (mended === null) throw error
  })
}

/** What is still wrong after doing as the findings say. */
async function mend(cluster: Cluster, entry: Entry, findings: readonly Finding[]): Promise<readonly string[]> {
  try {
    await follow(cluster, entry, findings)
  } catch (error) {
    return [`the remedy cannot be carried out: ${(error as Error).message.trim()}`]
  }
  await forgetPaths(cluster)
  const env = entry.repair?.env ?? entry.env
  return leftOf(await runSuite(cluster, env ? { env } : {}))
}

/** A rule in each family is a finding of its own, with a remedy of its own. */
async function follow(cluster: Cluster, { repair, root }: Entry, findings: readonly Finding[]): Promise<void> {
  const [first] = findings
  if (!first) throw new Error('there is no finding')
  if (!repair) {
    const done = []
    for (const finding of findings.filter(({ code }) => root.includes(code)))
      done.push(...(await carryOut(cluster, finding)))
    if (done.length === 0) throw new Error(`no command in "${first.remedy}" changes anything`)
    return
  }
  const said = repair.says.exec(first.remedy)
  if (!said) throw new Error(`the remedy does not say ${repair.says}: "${first.remedy}"`)
  await repair.run(cluster, said)
}

const leftOf = ({ exitCode, report }: SuiteRun): string[] => [
  ...(exitCode === 0 ? [] : [`after the remedy: exit code ${exitCode}`]),
  ...troubles(report).map((one) => `after the remedy: ${one}`),
  ...report.findings.map(({ code, cause }) => `after the remedy: ${code}: ${cause}`),
]

/** What the run says of the fault, against what it should say. */
export function judge(
  entry: Entry,
  met: Pick<SuiteRun, 'report' | 'exitCode' | 'seconds'>,
  mended: readonly string[] | null,
): Trial {
  const { report } = met
  const [first] = report.findings
  const allowed = [...entry.root, ...(entry.also ?? [])]
  const right = report.findings.filter(({ code }) => allowed.includes(code))
  const falseFindings = report.findings.filter(({ code }) => !allowed.includes(code))
  const bad = report.results.filter(({ verdict }) => verdict === 'fail' || verdict === 'warn')
  const explained = bad.filter(({ id }) => right.some(({ explains }) => explains.includes(id)))
  const rightFirst = first
    ? entry.root.includes(first.code) && (entry.names?.test(first.cause) ?? true)
    : entry.root.length === 0
  const found = entry.root.length === 0 ? !first : first !== undefined && bad.length > 0
  return {
    ...{ entry, found, rightFirst, failures: bad.length, explained: explained.length, seconds: met.seconds },
    remedyWorks: mended && mended.length === 0,
    falseFindings: falseFindings.map(({ code }) => code),
    complaints: [
      ...(found ? [] : [entry.root.length === 0 ? 'something was found' : 'nothing was found']),
      ...(rightFirst
        ? []
        : [
            `the first finding is ${said(first)}, not ${entry.root.join(' or ')}${entry.names ? ` naming ${entry.names}` : ''}`,
          ]),
      ...falseFindings.map((one) => `false finding: ${said(one)}`),
      ...bad
        .filter((one) => !explained.includes(one))
        .map((one) => `not explained: ${trouble({ ...one, check: checkOf(one) })}`),
      ...(mended ?? []),
      ...exactly(entry, met),
    ],
  }
}

const said = (finding: Finding | undefined) => (finding ? `${finding.code} (${finding.cause})` : 'none')

/** Where the troubles, sizes and hints are known exactly. */
function exactly(entry: Entry, { report, exitCode }: Pick<SuiteRun, 'report' | 'exitCode'>): string[] {
  const { expect, measured = [], hints, seen, alias = {} } = entry
  const roots = report.results.filter(
    (result) => entry.root.includes(result.code ?? '') && !/mtu-way-back/.test(result.file),
  )
  const called = (line: string) => line.replace(/\S+$/, (code) => alias[code] ?? code)
  const { among } = expect ?? {}
  const asked = report.results.filter(({ file }) => among?.some((one) => file.startsWith(one)) ?? true)
  const wanted = expect?.troubles.flatMap(linesOf).map(called)
  const got = troubles({ results: asked }).map(called)
  return [
    ...(wanted ?? []).filter((one) => !got.includes(one)).map((one) => `missing: ${one}`),
    ...got.filter((one) => wanted && !wanted.includes(one)).map((one) => `not expected: ${one}`),
    ...(expect && !among && expect.exitCode !== exitCode ? [`exit code ${exitCode}, not ${expect.exitCode}`] : []),
    ...measured.flatMap((one) => sizes(report, one)),
    ...roots.flatMap(({ hint = '' }) => (hints && !hints.test(hint) ? [`hint without ${hints}: ${hint}`] : [])),
    ...roots.flatMap((one) =>
      seen && !seen.test(one.seen) ? [`${checkOf(one)} does not say ${seen}: ${one.seen}`] : [],
    ),
  ]
}

/** Paths that were measured otherwise. */
function sizes(report: Report, { check, row, mtu, families = [4, 6] }: Measured): string[] {
  return families.flatMap((family) => {
    const result = report.results.find((one) => checkOf(one) === check && one.row === row && one.family === family)
    const path = result?.evidence.find((item) => item.kind === 'path')
    const measured = path?.kind === 'path' ? path.mtu?.measured : undefined
    return measured === mtu ? [] : [`${check} ${row ?? ''} IPv${family} measured ${measured}, not ${mtu}`]
  })
}

/** What the kernels have learned of paths meanwhile is theirs for ten minutes. */
export async function forgetPaths(cluster: Cluster): Promise<void> {
  const { first } = nodes(cluster)
  const [source] = await podsOf(cluster, 'bbox', first.name)
  const names = [...cluster.nodes.map(({ namespace }) => namespace), cluster.underlay.router]
  const paths = [podNamespace(first, source?.uid ?? ''), ...names.map(netnsPath)]
  for (const path of paths)
    for (const family of ['-4', '-6']) run('nsenter', [`--net=${path}`, 'ip', family, 'route', 'flush', 'cache'])
}
