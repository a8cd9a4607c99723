/**
 * A run over all nodes: who is asked, what is made for it, and what came back. Runs in the main process, where credentials are; needs
 * a kubeconfig and nothing of Linux. The only writer in the cluster: its own objects, taken away by the guard however it ends.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { connectKube, type Kube, RESOURCES, type Unknown, unknown } from '../kube/index.ts'
import { MOST_WHOLE, partOf, shortRunOf } from '../merge/index.ts'
import {
  type EveryNodeSettings,
  type ParsedEveryNode,
  type ParsedSettings,
  publicSettings,
  type Settings,
} from '../settings.ts'
import type { ClusterPlan, Fact, NodeRun } from '../types.ts'
import { runOf } from './answers.ts'
import { askNodes, type Limits, type Standing } from './ask.ts'
import { type Guard, startGuard } from './guarded.ts'
import { create, deletionOf, kindOf, logOf, named, podsOf, refusalsOf, remove } from './hands.ts'
import { type ClusterMember, chosen, type Inventory, readInventory } from './inventory.ts'
import { type Leftover, leftoversOf, sentenceOf } from './leftovers.ts'
import {
  installedOwner,
  type JobOptions,
  jobName,
  type KubeObject,
  type Manifests,
  type NodeTask,
  nameOfRun,
  nodeJob,
  ownerReference,
  ownOwner,
  ownSurroundings,
  type RunIdentity,
  readManifests,
} from './objects.ts'
import { admissionHint } from './pod-state.ts'
import { estimateOf, passedOn, tasksFor } from './tasks.ts'

/** How a run shows that it goes on, and shows a dry run's objects. */
export interface Voice {
  progress(standing: Standing): void
  print(text: string): void
}

/** ms for one request: a log may be long. */
const REQUEST_BUDGET = 20_000
const POLL_EVERY = 1_000
/** ms for the Job controller to make a pod, and for the kubelet to take it. */
const PICKUP = 45_000
/** Seconds by which Kubernetes' own end of a Job is later than ours. */
const GRACE = 60

/** Asks every node. Never throws for anything that a cluster or a user can do. */
export async function askCluster(parsed: ParsedSettings, own: ParsedEveryNode, voice: Voice): Promise<ClusterPlan> {
  const plan = {
    runId: randomUUID(),
    strict: parsed.settings.strict,
    settings: [...publicSettings(parsed.settings), ...own.given],
    leftovers: [],
    notes: [...parsed.hints.map(({ text }) => text), ...own.hints],
    clusterUid: null,
    apiHost: null,
  }
  const named = own.settings.dryRun && parsed.settings.redact ? [DRY_RUN_NAMES] : []
  const problems = [...parsed.problems, ...own.problems, ...named]
  if (problems.length > 0) {
    const said = problems.map(({ variable, value, problem }) => `${variable}=${value}: ${problem}`).join('; ')
    return { ...plan, cluster: unknown('SETTINGS_INVALID', said, problems.map(({ next }) => next).join(' ')) }
  }
  const connected = await connectKube(parsed.settings, undefined, REQUEST_BUDGET)
  if (connected.state !== 'known') return { ...plan, cluster: connected }
  const kube = connected.value
  try {
    const run = new ClusterRun(kube, parsed.settings, own.settings, voice)
    const cluster = await run.ask()
    const { requests, bytes } = kube.cost
    const cost = `the API server was asked ${requests} times for ${Math.round(bytes / 1024)} KiB`
    return {
      ...plan,
      cluster,
      leftovers: run.leftovers,
      notes: [...plan.notes, ...run.notes, cost],
      clusterUid: run.clusterUid,
      apiHost: kube.server.host,
    }
  } catch (error) {
    const reason = `the run over all nodes broke: ${String((error as Error)?.message ?? error).split('\n')[0]}`
    return { ...plan, cluster: unknown('SETUP_FAILED', reason, 'Please report this with the settings shown.') }
  } finally {
    kube.close()
  }
}

const DRY_RUN_NAMES = {
  variable: 'DRY_RUN',
  value: '1',
  problem: 'it shows objects with the names of nodes and pods, which REDACT=1 is to hide',
  next: 'Unset one of the two.',
}

/** One run: its facts so far, for the report, and its objects. */
class ClusterRun {
  readonly notes: string[] = []
  leftovers: string[] = []
  clusterUid: string | null = null
  readonly #kube: Kube
  readonly #settings: Settings
  readonly #own: EveryNodeSettings
  readonly #voice: Voice
  readonly #manifests: Manifests = readManifests()

  constructor(kube: Kube, settings: Settings, own: EveryNodeSettings, voice: Voice) {
    this.#kube = kube
    this.#settings = settings
    this.#own = own
    this.#voice = voice
  }

  async ask(): Promise<ClusterPlan['cluster']> {
    const selection = this.#own.nodes
    const [inventory, system, installed, left] = await Promise.all([
      readInventory(this.#kube, selection?.kind === 'selector' ? selection.selector : null),
      this.#kube.get<KubeObject>(RESOURCES.namespaces, null, 'kube-system'),
      this.#kube.get<KubeObject>(kindOf('ServiceAccount'), this.#own.namespace, 'k8snetlook'),
      leftoversOf(this.#kube, this.#own.namespace),
    ])
    if (system.state === 'known') this.clusterUid = system.value.metadata.uid ?? null
    if (inventory.state !== 'known') return inventory
    this.notes.push(...inventory.value.notes)
    await this.#tidy(left)
    const members = this.#chosen(inventory.value)
    if (members.state !== 'known') return members
    const run = this.#identity(installed.state === 'known')
    const tasks = tasksFor(members.value, this.#own.peersPerNode, this.#settings)
    this.notes.push(estimateOf(tasks, this.#settings.probes))
    if (this.#own.dryRun) return this.#show(run, tasks, installed.state === 'known')
    return this.#carryOut(run, tasks, members.value, installed.state === 'known')
  }

  #chosen({ members }: Inventory): Fact<readonly ClusterMember[]> {
    const { nodes } = this.#own
    const { members: found, unknown: none } = chosen(members, nodes?.kind === 'names' ? nodes.names : [])
    if (none.length > 0) {
      const names = members.map(({ node }) => node)
      const shown = names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ')
      return unknown('NODE_NOT_FOUND', `NODES: no Linux node is called ${none.join(', ')}`, `There are: ${shown}.`)
    }
    if (found.length > 0) return { state: 'known', value: found }
    const text =
      nodes?.kind === 'selector'
        ? `NODES=${nodes.selector}: no Linux node has these labels`
        : 'the cluster has no Linux node'
    return unknown('NODE_NOT_FOUND', text, 'See `kubectl get nodes --show-labels`.')
  }

  #identity(installed: boolean): RunIdentity {
    const id = randomBytes(4).toString('hex')
    const seconds = this.#own.runTimeout + this.#own.nodeTimeout + GRACE
    const expires = new Date(Date.now() + seconds * 1000).toISOString()
    return { id, namespace: installed ? this.#own.namespace : nameOfRun({ id }), expires }
  }

  #ownerOf(run: RunIdentity, installed: boolean): KubeObject {
    return installed ? installedOwner(run) : ownOwner(this.#manifests, run)
  }

  get #jobOptions(): JobOptions {
    const { image, nodeTimeout } = this.#own
    return { image, deadline: nodeTimeout + GRACE, settings: passedOn(this.#settings) }
  }

  /** What a dry run shows: the objects, each as a YAML document. */
  async #show(run: RunIdentity, tasks: readonly NodeTask[], installed: boolean): Promise<Fact<never>> {
    const { dump } = await import('js-yaml')
    const owner = this.#ownerOf(run, installed)
    const reference = ownerReference(owner, '<uid>')
    const around = installed ? [] : ownSurroundings(this.#manifests, run, reference)
    const jobs = tasks.map((task) =>
      nodeJob(this.#manifests, run, task, this.#jobOptions, installed ? reference : null),
    )
    this.#voice.print([owner, ...around, ...jobs].map((object) => `---\n${dump(object, { lineWidth: -1 })}`).join(''))
    return {
      state: 'absent',
      need: 'a run that asks',
      finding: `DRY_RUN=1: ${tasks.length} Jobs were shown, none was made`,
    }
  }

  async #tidy(left: readonly Leftover[]): Promise<void> {
    if (!this.#own.removeLeftovers) {
      this.leftovers = left.map(sentenceOf)
      return
    }
    for (const one of left) {
      const gone = await remove(this.#kube, one.owner)
      if (gone.state === 'unknown') this.leftovers.push(`${sentenceOf(one)} It could not be removed: ${gone.reason}.`)
      else this.notes.push(`the left-over of run ${one.run} was removed`)
    }
  }

  async #carryOut(
    run: RunIdentity,
    tasks: readonly NodeTask[],
    members: readonly ClusterMember[],
    installed: boolean,
  ): Promise<ClusterPlan['cluster']> {
    const owner = this.#ownerOf(run, installed)
    const guard = startGuard()
    await guard.watch(named(owner))
    try {
      const made = await this.#make(run, owner, installed)
      if (made.state !== 'known') return made
      const job = (task: NodeTask) => nodeJob(this.#manifests, run, task, this.#jobOptions, made.value)
      const admitted = await this.#admitted(job(tasks[0] as NodeTask))
      if (admitted) return admitted
      const runs = await this.#runs(run, tasks, members, job)
      return { state: 'known', value: partOf(runs) }
    } finally {
      await this.#cleanUp(guard, owner)
    }
  }

  /** The owner and what stands around the Jobs; the reference that the Jobs carry, null where their namespace is the run's own. */
  async #make(
    run: RunIdentity,
    owner: KubeObject,
    installed: boolean,
  ): Promise<Fact<ReturnType<typeof ownerReference> | null>> {
    const made = await create(this.#kube, owner)
    if (made.state !== 'known') return forbidden(made)
    const reference = ownerReference(owner, made.value.metadata.uid ?? '')
    if (installed) return { state: 'known', value: reference }
    for (const object of ownSurroundings(this.#manifests, run, reference)) {
      const one = await create(this.#kube, object)
      if (one.state !== 'known') return forbidden(one)
    }
    return { state: 'known', value: null }
  }

  /** Whether a pod of the Job would be let in: PodSecurity and quota refuse pods, not the Jobs that make them. */
  async #admitted(job: KubeObject): Promise<Unknown | null> {
    const { spec } = job
    const { template } = spec as { template: { metadata: object; spec: object } }
    const { name, namespace } = job.metadata
    const pod = { apiVersion: 'v1', kind: 'Pod', ...template, metadata: { ...template.metadata, name, namespace } }
    const answer = await create(this.#kube, pod as KubeObject, { dryRun: true })
    if (answer.state !== 'unknown') return null
    // who may make Jobs need not be allowed to make pods; then the Jobs themselves tell
    if (!ADMISSION.test(answer.reason)) return null
    return unknown('POD_NOT_ADMITTED', answer.reason, admissionHint(answer.reason))
  }

  async #runs(
    run: RunIdentity,
    tasks: readonly NodeTask[],
    members: readonly ClusterMember[],
    job: (task: NodeTask) => KubeObject,
  ): Promise<NodeRun[]> {
    const byNode = new Map(members.map((member) => [member.node, member]))
    const runs: NodeRun[] = []
    const limits: Limits = {
      atOnce: this.#own.atOnce,
      node: this.#own.nodeTimeout * 1000,
      total: this.#own.runTimeout * 1000,
      pickup: PICKUP,
      pollEvery: POLL_EVERY,
    }
    const kube = this.#kube
    const reach = {
      create: (task: NodeTask) => create(kube, job(task)),
      pods: () => podsOf(kube, run),
      log: (pod: string) => logOf(kube, run, pod),
      refusals: (task: NodeTask) => refusalsOf(kube, run, jobName(run, task)),
      discard: (task: NodeTask) => remove(kube, { kind: 'Job', namespace: run.namespace, name: jobName(run, task) }),
    }
    await askNodes(
      tasks,
      reach,
      limits,
      (answer) => {
        const one = runOf(answer, byNode.get(answer.task.node) as ClusterMember)
        runs.push(tasks.length > MOST_WHOLE ? shortRunOf(one) : one)
      },
      (standing) => this.#voice.progress(standing),
    )
    return runs
  }

  async #cleanUp(guard: Guard, owner: KubeObject): Promise<void> {
    const failed = await guard.remove()
    if (failed === null) return
    this.leftovers.push(`what this run made could not be removed (${failed}): ${deletionOf(named(owner))}`)
  }
}

const ADMISSION =
  /PodSecurity|quota|LimitRange|forbidden: (maximum|minimum)|security context constraint|admission webhook|admission/i

function forbidden(fact: Exclude<Fact<unknown>, { state: 'known' }>): Unknown {
  if (fact.state === 'absent') return unknown('POD_NOT_ADMITTED', `${fact.need}: ${fact.finding}`, 'Run again.')
  if (fact.code !== 'API_FORBIDDEN') return fact
  const hint = `${fact.hint} Or let an administrator install deploy/base, then only Jobs and one ConfigMap in its namespace are made (RUN_NAMESPACE).`
  return unknown('CLUSTER_RUN_FORBIDDEN', fact.reason, hint)
}
