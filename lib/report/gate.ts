/**
 * The thin Vitest reporter: collects results, writes the reports again after every file, prints one line a check, and sets
 * the exit code. It is installed by a plugin hook as well, so that `--reporter=dot` cannot remove the gate.
 */
import { appendFileSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Reporter, TestCase, TestModule, TestSpecification, Vitest } from 'vitest/node'
import { type Comparing, changesOf, compare, type Identity } from '../compare/index.ts'
import { readComparisonInput } from '../compare/read.ts'
import { type Case, diagnose } from '../diagnose/index.ts'
import { joinedFindings } from '../merge/index.ts'
import type { SettingProblem } from '../settings.ts'
import { publicSettings, readSettings } from '../settings.ts'
import type { Change, ClusterPlan, Fact, Plan, Report, Result, RunError, StateFact } from '../types.ts'
import { printedReports, reasonOf, removeReports, writeReports } from './files.ts'
import { acquireLock, type Lock, lastNodeName } from './lock.ts'
import { toMarkdown } from './markdown.ts'
import { verdictOf } from './model.ts'
import { annotations, mute, sectionOf } from './pipeline.ts'
import { Progress } from './progress.ts'
import {
  isPseudonym,
  type Pseudonyms,
  pseudonymsOf,
  pseudonymsOfCluster,
  redacted,
  redactedChange,
  redactedIdentity,
  redactedResult,
} from './redact.ts'
import { resultOf } from './results.ts'
import { checkLine, summary } from './terminal.ts'

const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

/** The reports follow the end of a file at once, but not more often than this: files that end together share one writing. */
const WRITE_EVERY_MS = 200

export class Gate implements Reporter {
  readonly name = 'k8snetlook'
  /** Prints check lines and summary only when no other reporter was asked for. */
  speaks = true
  /** The command line named pod checks, so that a missing SRC_POD is no reason to skip. */
  podNamed = false
  readonly #everyNode: boolean
  readonly #settings = readSettings().settings
  /** Read before anything is written: a baseline may lie where this run's reports will. */
  readonly #input = readComparisonInput(this.#settings)
  #vitest: Vitest | undefined
  #plan: Plan | undefined
  #clusterPlan: ClusterPlan | undefined
  #started = new Date()
  #finished: Date | undefined
  #expected: readonly TestSpecification[] = []
  readonly #modules = new Map<string, TestModule>()
  readonly #errors: RunError[] = []
  #unwritable: string | undefined
  /** When the reports were written last (performance.now()). */
  #written = 0
  /** Set while the end of a file waits to be written. */
  #writing: NodeJS.Timeout | undefined
  #lock: Lock | undefined
  #node = ''
  /** The node in file names and reports. */
  #label = ''
  #pseudonyms: Pseudonyms | undefined
  #interrupted: string | undefined
  readonly #progress = new Progress(process.stdout)
  /** Set with the first line of a check. */
  #section: ReturnType<typeof sectionOf> | undefined

  constructor(everyNode = false) {
    this.#everyNode = everyNode
  }

  /** Why this run may not ask anything: another one has the node's reports. */
  get blocked(): Extract<Fact<never>, { state: 'unknown' }> | undefined {
    if (this.#lock?.state !== 'held') return undefined
    return { state: 'unknown', code: 'ANOTHER_RUN', reason: this.#lock.message, hint: '' }
  }

  /** What keeps BASELINE and KNOWN_ISSUES from being used. */
  get inputProblems(): readonly SettingProblem[] {
    return this.#input.problems
  }

  /** True between the start and the end of a run; false under `vitest list`. */
  get running(): boolean {
    return this.#vitest !== undefined
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    // before anything is written: a signal is heard when this function has ended
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.prependOnceListener(signal, () => this.#interrupt(signal))
    }
    process.prependListener('exit', () => this.#exit())
    const { nodeName, reportsDir, redact, printReports } = this.#settings
    if (printReports.length > 0) waitForReader(process.stdout)
    const host = this.#everyNode ? CLUSTER : hostname()
    const last = lastNodeName(reportsDir, host)
    this.#node = this.#everyNode ? CLUSTER : (nodeName ?? last ?? host)
    this.#label = redact && !this.#everyNode ? (last && isPseudonym(last) ? last : 'node') : this.#node
    this.#lock = acquireLock(reportsDir, host)
    if (this.#lock.state === 'held') this.#errors.push({ code: 'ANOTHER_RUN', message: this.#lock.message })
    // an earlier run's reports that show names do not outlive the start of one that hides them
    else if (redact && last && last !== this.#label) removeReports(reportsDir, last)
    this.#write()
  }

  onTestRunStart(specs: readonly TestSpecification[]): void {
    this.podNamed = specs.length > 0 && specs.every((spec) => spec.project.name === 'pod')
  }

  /** Called by the setup as soon as the plan stands. */
  planned(plan: Plan): void {
    this.#plan = plan
    if (this.#settings.redact) this.#pseudonyms = pseudonymsOf(plan, plan.runId)
    const label = this.#pseudonyms?.of('node', plan.node.name) ?? plan.node.name
    this.#node = plan.node.name
    if (this.#lock?.state !== 'own' || label === this.#label) return
    removeReports(this.#settings.reportsDir, this.#label)
    this.#label = label
    this.#lock.rename(label)
    this.#write()
  }

  /** Called by the set-up of a run over all nodes, when they have answered. */
  clusterAsked(plan: ClusterPlan): void {
    if (this.#settings.redact) this.#pseudonyms = pseudonymsOfCluster(plan)
    this.#progress.clear()
    this.#clusterPlan = plan
    this.#write()
  }

  /** How far the set-up is, where it takes its time. */
  progress(line: string): void {
    if (this.speaks) this.#progress.line(line)
  }

  /** The dry run's text, as the settings allow it to be shown. */
  shown(text: string, plan: Plan): string {
    return this.#settings.redact ? pseudonymsOf(plan, plan.runId).text(text) : text
  }

  /** Called by the sequencer: the files that this run will run. */
  expect(specs: readonly TestSpecification[]): void {
    this.#expected = specs
  }

  onTestCaseReady(test: TestCase): void {
    if (this.speaks) this.#progress.started(test.name)
  }

  onTestCaseResult(test: TestCase): void {
    this.#progress.ended(test.name)
    const result = resultOf(test)
    if (this.speaks && result) this.#say(`${checkLine(this.#harmless(result), colourful(), this.#change(result))}\n`)
  }

  onTestModuleEnd(module: TestModule): void {
    this.#modules.set(`${module.project.name}:${module.moduleId}`, module)
    // judging what all nodes said takes no time, writing it does
    if (this.#everyNode) return
    const wait = Math.max(0, this.#written + WRITE_EVERY_MS - performance.now())
    this.#writing ??= setTimeout(() => this.#write(), wait)
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly { message?: string }[]): void {
    const broken = this.#brokenFiles()
    this.#errors.push(...broken)
    if (broken.length === 0) {
      for (const error of unhandled) {
        this.#errors.push({ code: 'CHECK_CRASHED', message: firstLine(error.message ?? 'unknown error') })
      }
    }
    if (this.#errors.length === 0 && this.#cases().length === 0) {
      this.#errors.push({ code: 'NOTHING_RAN', message: 'no check matched the command line' })
    }
    this.#finished = new Date()
    this.#write()
    this.#conclude()
  }

  #conclude(): void {
    const report = this.#report()
    this.#progress.stop()
    if (this.speaks && this.#section) process.stdout.write(this.#section(seconds()).close)
    // before the summary: that is what the last lines of a log should be
    this.#print(report)
    if (this.speaks) {
      process.stdout.write(mute(`\n${summary(report, this.#paths, colourful())}\n`))
    }
    this.#tellGitHub(report)
    this.#lock?.release()
  }

  #print(report: Report): void {
    const { printReports, reportsDir, surroundings } = this.#settings
    if (printReports.length === 0) return
    const printed = printedReports(printReports, reportsDir, report, { pipeline: surroundings.pipeline })
    // another reporter may have left its line open
    process.stdout.write(`\n${printed}`)
  }

  #harmless(result: Result): Result {
    if (!this.#pseudonyms) return result
    this.#pseudonyms.learnTargets(result.targets)
    return redactedResult(result, this.#pseudonyms)
  }

  #change(result: Result): Change | undefined {
    const comparing = this.#comparing([])
    const [change] = comparing ? changesOf([result], comparing) : []
    return change && this.#pseudonyms ? redactedChange(change, this.#pseudonyms) : change
  }

  /** undefined: nothing could be asked, so that there is nothing to compare. */
  #comparing(environment: readonly StateFact[]): Comparing | undefined {
    const plan = this.#plan
    if (!plan || plan.unusable) return undefined
    const own: Identity = { node: plan.node.name, clusterUid: clusterOf(plan), settings: plan.settings, environment }
    const { baselines, waivers } = this.#input
    return {
      ...{ baselines, waivers, gate: this.#settings.gateRegressions },
      today: this.#started.toISOString().slice(0, 10),
      identityFor: (earlier) => {
        if (!isPseudonym(earlier.node)) return own
        this.#hidden ??= pseudonymsOf(plan, plan.runId)
        return redactedIdentity(own, this.#hidden)
      },
    }
  }

  /** For earlier reports that hide names, whether this run does or not. */
  #hidden: Pseudonyms | undefined

  /** A line of a check; in a pipeline they fold into a section. */
  #say(line: string): void {
    this.#progress.clear()
    if (!this.#section) {
      this.#section = sectionOf(this.#settings.surroundings.pipeline?.kind, 'Checks')
      process.stdout.write(this.#section(seconds()).open)
    }
    process.stdout.write(mute(line))
  }

  /** Annotations and the job's summary. */
  #tellGitHub(report: Report): void {
    const { pipeline } = this.#settings.surroundings
    if (pipeline?.kind !== 'github') return
    process.stdout.write(
      annotations(report)
        .map((line) => `${line}\n`)
        .join(''),
    )
    if (pipeline.summary === null) return
    try {
      appendFileSync(pipeline.summary, `${toMarkdown(report)}\n`)
    } catch (error) {
      const reason = reasonOf(error as NodeJS.ErrnoException)
      process.stderr.write(`the summary of the job cannot be written to ${pipeline.summary}: ${reason}\n`)
    }
  }

  #paths: readonly string[] = []

  #interrupt(signal: string): void {
    if (this.#finished) return
    this.#interrupted = signal
    this.#errors.push({
      code: 'RUN_INTERRUPTED',
      message: `the run was ended by ${signal}; the reports hold what was known by then`,
    })
    this.#write()
    this.#conclude()
    process.exitCode = this.#report().exitCode
    process.exit()
  }

  #exit(): void {
    if (!this.#finished && !this.#interrupted) {
      this.#errors.push({ code: 'SETUP_FAILED', message: 'the run ended before its checks did' })
      this.#write()
      this.#conclude()
    }
    process.exitCode = this.#report().exitCode
  }

  /** Files that were to run and did not come to their end: their worker died, or they could not be loaded. */
  #brokenFiles(): RunError[] {
    const errors: RunError[] = []
    const culprits = new Map<string, string>()
    for (const spec of this.#expected) {
      const file = relativeTo(this.#vitest, spec.moduleId)
      const module = this.#modules.get(`${spec.project.name}:${spec.moduleId}`)
      const failed = module?.errors()[0]
      if (failed) errors.push({ code: 'CHECK_CRASHED', message: firstLine(failed.message), file })
      if (module) continue
      const culprit = culprits.get(spec.project.name) ?? file
      culprits.set(spec.project.name, culprit)
      const message =
        file === culprit
          ? `the worker died while it ran ${file}; its answers are lost`
          : `not asked: the worker died in ${culprit}`
      errors.push({ code: 'WORKER_DIED', message, file })
    }
    return errors
  }

  #tests(): TestCase[] {
    const seen = new Set<TestModule>(this.#modules.values())
    for (const spec of this.#expected) if (spec.testModule) seen.add(spec.testModule)
    return [...seen].flatMap((module) => [...module.children.allTests()])
  }

  #cases(): Case[] {
    return this.#tests().flatMap((test): Case[] => {
      const result = resultOf(test)
      return result ? [{ result, observed: test.meta().observed ?? null }] : []
    })
  }

  /** The report as it may be shown. */
  #report(): Report {
    const report = this.#wholeReport()
    if (this.#pseudonyms) {
      for (const { targets, answers = [] } of report.results) {
        this.#pseudonyms.learnTargets([...targets, ...answers.map(({ target }) => target)])
      }
      return redacted(report, this.#pseudonyms)
    }
    // before the plan it is not known what is a name
    return this.#settings.redact ? { ...report, node: this.#label, settings: [] } : report
  }

  #wholeReport(): Report {
    if (this.#everyNode) return this.#clusterReport()
    const plan = this.#plan
    const cases = this.#cases()
    const environment = this.#environment()
    const source = plan?.source.state === 'known' ? plan.source.value : null
    const errors = this.#allErrors
    const { command } = this.#settings.surroundings
    const about = { node: this.#node, source, nodeAddresses: plan?.node.internalIPs ?? [], command }
    const { findings, follows } = diagnose(about, cases)
    const results = cases.map(({ result }): Result => ({ ...result, findings: follows.get(result.id) ?? [] }))
    const report: Report = {
      ...this.#frame(plan),
      clusterUid: plan ? clusterOf(plan) : null,
      source: source ? { namespace: source.namespace, name: source.name, foundBy: source.foundBy } : null,
      settings: plan?.settings ?? publicSettings(this.#settings),
      notes: plan?.notes ?? [],
      results,
      errors,
      findings,
      ...(environment.length > 0 ? { environment } : {}),
    }
    const comparing = this.#comparing(environment)
    const compared = comparing ? compare(report, comparing) : { errors: [] }
    const whole = { ...report, ...compared, errors: [...errors, ...compared.errors] }
    return { ...whole, ...verdictOf(results, whole.errors, whole.comparison) }
  }

  get #allErrors(): readonly RunError[] {
    if (!this.#unwritable) return this.#errors
    return [...this.#errors, { code: 'REPORTS_UNWRITABLE', message: this.#unwritable }]
  }

  #frame(plan: { readonly runId: string } | undefined) {
    return {
      schema: 1,
      tool: { name: 'k8snetlook', version: VERSION },
      runId: plan?.runId ?? '',
      node: this.#node,
      started: this.#started.toISOString(),
      finished: this.#finished?.toISOString() ?? null,
      state: this.#finished ? 'complete' : 'incomplete',
      verdict: 'inconclusive',
      exitCode: 2,
    } as const
  }

  /** The report of all nodes is large, and asked for several times: made anew only when it has something new to say. */
  #clusterReport(): Report {
    const asked = this.#cases().map(({ result }) => result)
    const news = [this.#clusterPlan?.runId, asked.length, this.#allErrors.length, this.#finished?.getTime()].join(' ')
    if (this.#told?.news !== news) this.#told = { news, report: this.#clusterReportOf(asked) }
    return this.#told.report
  }

  #told: { readonly news: string; readonly report: Report } | undefined

  #clusterReportOf(asked: readonly Result[]): Report {
    const plan = this.#clusterPlan
    const part = plan?.cluster.state === 'known' ? plan.cluster.value : undefined
    const { findings, follows } = part
      ? joinedFindings(part, asked, this.#settings.surroundings.command)
      : { findings: [], follows: new Map() }
    const results = asked.map((result): Result => ({ ...result, findings: follows.get(result.id) ?? [] }))
    const report: Report = {
      ...this.#frame(plan),
      clusterUid: plan?.clusterUid ?? null,
      source: null,
      settings: plan?.settings ?? publicSettings(this.#settings),
      notes: plan?.notes ?? [],
      results,
      errors: this.#allErrors,
      findings,
      ...(part ? { cluster: part } : {}),
    }
    return { ...report, ...verdictOf(results, report.errors) }
  }

  /** What the set-up and the checks learned about node and cluster. */
  #environment(): readonly StateFact[] {
    const noted = this.#tests().flatMap((test) => test.meta().environment ?? [])
    return [...(this.#plan?.environment ?? []), ...noted]
  }

  #write(): void {
    clearTimeout(this.#writing)
    this.#writing = undefined
    this.#written = performance.now()
    if (this.#lock?.state === 'held') return
    const { reportsDir, surroundings } = this.#settings
    const write = () => writeReports(reportsDir, this.#report(), { pipeline: surroundings.pipeline })
    const written = write()
    this.#paths = written.ok ? written.value : []
    const isNews = this.#unwritable === undefined
    this.#unwritable = written.ok ? undefined : written.detail
    // those that could be written say it too: their verdict is the exit code's
    if (!written.ok && isNews) write()
  }
}

/** The gate of a run, whichever copy of this module asks. */
export function gateOf(vitest: Vitest): Gate | undefined {
  return (vitest.config.reporters as unknown[]).find((r): r is Gate => (r as Gate)?.name === 'k8snetlook')
}

/** What a run over all nodes is called where another one has its node's name. */
const CLUSTER = 'cluster'

/** The reporter, and the plugin that puts it back when the command line named others. `everyNode`: the run is about all of them. */
export function gate({ everyNode = false } = {}) {
  const reporter = new Gate(everyNode)
  return {
    reporter,
    plugin: {
      name: 'k8snetlook:gate',
      configureVitest({ vitest }: { vitest: Vitest }) {
        if (gateOf(vitest)) return
        reporter.speaks = false
        ;(vitest.config.reporters as unknown[]).push(reporter)
      },
    },
  }
}

const clusterOf = ({ api: { cluster } }: Plan): string | null => (cluster.state === 'known' ? cluster.value.uid : null)

const seconds = (): number => Math.floor(Date.now() / 1000)

/** From here on a write to a pipe ends when its reader has taken it: process.exit() drops what Node.js still holds. */
function waitForReader(stream: NodeJS.WriteStream): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?(blocking: boolean): void } }
  // libuv wants nothing to be on its way when that changes
  if (stream.writableLength === 0) handle?.setBlocking?.(true)
}

function colourful(): boolean {
  return Boolean(process.stdout.isTTY)
}

function relativeTo(vitest: Vitest | undefined, path: string): string {
  const root = vitest?.config.root ?? ''
  return path.startsWith(root) ? path.slice(root.length).replace(/^\//, '') : path
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? ''
}
