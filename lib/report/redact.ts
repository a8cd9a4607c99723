/**
 * REDACT=1: names of pods, namespaces, nodes and API servers, and addresses, as pseudonyms. They are keyed with the cluster's UID, a
 * random number that no report then shows: the same on every node and in every run of a cluster, and not to be guessed back.
 */
import { createHmac } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import type { Identity } from '../compare/index.ts'
import type {
  Answer,
  Change,
  ClusterPart,
  ClusterPlan,
  Comparison,
  Evidence,
  Finding,
  Plan,
  Report,
  Result,
  StateFact,
  Target,
} from '../types.ts'

type Kind = 'pod' | 'ns' | 'node' | 'host' | 'cluster' | 'ip4' | 'ip6' | 'mac'

/** Every cluster has them: they tell nothing. */
const WELL_KNOWN: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease'])
/** Ranges of addresses that every machine has, and 169.254.0.0/16, which CNI plug-ins and clouds use alike. */
const KEPT_RANGES: ReadonlySet<string> = new Set(['unspecified', 'loopback', 'multicast', 'broadcast'])

/** A name or a domain of names: letters, digits, hyphens and dots, as Kubernetes allows them. */
const TOKEN = /[a-z0-9](?:[-.]*[a-z0-9]+)*/gi
/** The end of a name that Kubernetes made for a pod (apimachinery, rand.go: no vowels, no 0, 1 and 3). */
const GENERATED = /-[bcdfghjklmnpqrstvwxz2456789]{5}$/
const IPV6 = /(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{0,4})(?![\w:])/gi
const IPV4 = /(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)/g
const MAC = /(?<![\w:])[0-9a-f]{2}(?::[0-9a-f]{2}){5}(?![\w:])/gi
const REPORT_FILE = /\b(report|junit|metrics)-([a-z0-9.-]+?)\.(json|html|md|xml|prom)\b/gi
const PAIR = /(?<![\w./-])([a-z0-9-]+)\/([a-z0-9][a-z0-9.-]*[a-z0-9])/gi

export class Pseudonyms {
  readonly #key: string
  readonly #kinds = new Map<string, Kind>()
  readonly #made = new Map<string, string>()

  constructor(key: string) {
    this.#key = key
  }

  /** The pseudonym of a name, whether it was learned or not. */
  of(kind: Kind, name: string): string {
    const known = this.#made.get(`${kind} ${name}`)
    if (known) return known
    const hash = createHmac('sha256', this.#key).update(`${kind} ${name}`).digest('hex').slice(0, 8)
    this.#made.set(`${kind} ${name}`, `${kind}-${hash}`)
    return `${kind}-${hash}`
  }

  learn(kind: 'pod' | 'ns' | 'node' | 'host', name: string): void {
    if (name !== '' && !(kind === 'ns' && WELL_KNOWN.has(name)) && !ipaddr.isValid(name)) this.#kinds.set(name, kind)
  }

  /** "namespace/pod", or a pod alone. */
  learnPod(name: string): void {
    const [first = '', second] = name.split('/')
    this.learn('pod', second ?? first)
    if (second !== undefined) this.learn('ns', first)
  }

  learnTargets(targets: readonly Target[]): void {
    for (const { name, node, role } of targets) {
      if (node) this.learn('node', node)
      // services have such names too; their namespaces are namespaces
      if (name.includes('/')) {
        if (/service/i.test(role)) this.learn('ns', name.split('/')[0] ?? '')
        else this.learnPod(name)
      } else if (/pod/.test(role) && name !== '') this.learn('pod', name)
    }
  }

  /** Text without names and addresses. */
  text(text: string): string {
    return (
      text
        // a report is named after its node
        .replace(REPORT_FILE, (_, kind: string, node: string, end: string) => {
          return `${kind}-${isPseudonym(node) ? node : this.of('node', node)}.${end}`
        })
        .replace(MAC, (mac) => this.of('mac', mac.toLowerCase()))
        .replace(IPV6, (address) => this.#address(address))
        .replace(IPV4, (address) => this.#address(address))
        .replace(PAIR, (pair, namespace: string, name: string) => {
          if (this.#kinds.get(name) !== 'pod' && !GENERATED.test(name)) return pair
          const shown = WELL_KNOWN.has(namespace) ? namespace : this.of('ns', namespace)
          return `${shown}/${this.of('pod', name)}`
        })
        .replace(TOKEN, (token) => this.#token(token))
    )
  }

  #address(text: string): string {
    if (!ipaddr.isValid(text)) return text
    const address = ipaddr.parse(text)
    const family = address.kind() === 'ipv4' ? 'ip4' : 'ip6'
    const kept = KEPT_RANGES.has(address.range()) || (family === 'ip4' && address.range() === 'linkLocal')
    return kept ? text : this.of(family, address.toString())
  }

  /** A name; else the longest runs of labels in it that are one ("web.shop.svc.cluster.local"). */
  #token(token: string): string {
    const kind = this.#kinds.get(token)
    if (kind) return this.of(kind, token)
    if (GENERATED.test(token)) return this.of('pod', token)
    // static pods bear the name of their node
    for (let at = token.indexOf('-'); at >= 0; at = token.indexOf('-', at + 1)) {
      const name = token.slice(at + 1)
      if (this.#kinds.get(name) === 'node') return `${token.slice(0, -name.length)}${this.of('node', name)}`
    }
    const labels = token.split('.')
    for (let size = labels.length - 1; size > 0; size--) {
      for (let from = 0; from + size <= labels.length; from++) {
        const name = labels.slice(from, from + size).join('.')
        const found = this.#kinds.get(name)
        if (!found) continue
        const parts = [labels.slice(0, from).join('.'), this.of(found, name), labels.slice(from + size).join('.')]
        return parts
          .map((part, index) => (index === 1 || part === '' ? part : this.#token(part)))
          .filter(Boolean)
          .join('.')
      }
    }
    return token
  }
}

/** Pseudonyms for all that a plan names. `fallback`: the key when the cluster's UID is not known. */
export function pseudonymsOf(plan: Plan, fallback: string): Pseudonyms {
  const { api, node, peerNode, peers, source, destinations, service, dns } = plan
  const known = new Pseudonyms(
    api.cluster.state === 'known' && api.cluster.value.uid ? api.cluster.value.uid : fallback,
  )
  known.learn('node', node.name)
  if (peerNode.state === 'known') known.learn('node', peerNode.value.name)
  if (api.server.state === 'known') known.learn('host', api.server.value.host)
  if (source.state === 'known') known.learnPod(`${source.value.namespace}/${source.value.name}`)
  for (const pod of Object.values(destinations)) {
    if (pod.state !== 'known') continue
    known.learnPod(`${pod.value.namespace}/${pod.value.name}`)
    if (pod.value.node) known.learn('node', pod.value.node)
  }
  for (const peer of peers) {
    known.learn('node', peer.node)
    if (peer.pod) known.learnPod(`${peer.pod.namespace}/${peer.pod.name}`)
  }
  if (service.state === 'known') known.learn('ns', service.value.namespace)
  const lists = [
    api.endpoints,
    service.state === 'known' ? service.value.endpoints : service,
    dns.state === 'known' ? ({ state: 'known', value: dns.value.replicas } as const) : dns,
  ]
  for (const list of lists) {
    for (const endpoint of list.state === 'known' ? list.value : []) {
      if (endpoint.pod) known.learnPod(endpoint.pod)
      if (endpoint.node) known.learn('node', endpoint.node)
    }
  }
  for (const { name, value } of plan.settings) learnSetting(known, name, value)
  return known
}

/** What the user named may not exist: then only the settings and the sentences about it hold the name. */
function learnSetting(known: Pseudonyms, name: string, value: string): void {
  const last = value.split('/').at(-1) ?? ''
  if (name === 'NODE_NAME') known.learn('node', value)
  else if (name.endsWith('NAMESPACE')) known.learn('ns', value)
  else if (/_POD$/.test(name) && /^[a-z0-9.-]+$/.test(last) && last !== 'none') {
    known.learn('pod', last)
    const [first = ''] = value.split('/')
    if (value.split('/').length === 3 || !/^(deploy|ds|sts|rs|job|cronjob|po|pod)s?(\W|$)/.test(`${first} `)) {
      if (first !== value) known.learn('ns', first)
    }
  } else if (name === 'DST_SVC' && value.includes('/')) known.learn('ns', value.split('/')[0] ?? '')
}

/** Pseudonyms for all that a run over all nodes met, with the same key as those of its nodes' own runs. */
export function pseudonymsOfCluster({ runId, clusterUid, apiHost, cluster, settings }: ClusterPlan): Pseudonyms {
  const known = new Pseudonyms(clusterUid || runId)
  const { nodes, pairs } = cluster.state === 'known' ? cluster.value : { nodes: [], pairs: [] }
  if (apiHost !== null) known.learn('host', apiHost)
  for (const { node, source, report } of nodes) {
    known.learn('node', node)
    if (source !== null) known.learnPod(source)
    if (report?.source) known.learnPod(`${report.source.namespace}/${report.source.name}`)
    for (const { targets, answers = [] } of report?.results ?? []) {
      known.learnTargets([...targets, ...answers.map(({ target }) => target)])
    }
  }
  for (const { from, to } of pairs) {
    known.learn('node', from)
    known.learn('node', to)
  }
  for (const { name, value } of settings) learnSetting(known, name, value)
  return known
}

/** A node's name in the reports of a run that hides names. */
export const isPseudonym = (node: string): boolean => /^node-[0-9a-f]{8}$/.test(node)

/** Paths that may hold a node's name. */
const PATHS: ReadonlySet<string> = new Set(['BASELINE', 'KNOWN_ISSUES'])

const redactedSettings = (settings: Report['settings'], known: Pseudonyms): Report['settings'] =>
  settings.map(({ name, value }) => ({
    name,
    value: PATHS.has(name) ? '[path hidden]' : name === 'PEERS' ? '[nodes hidden]' : known.text(value),
  }))

const redactedFact = (fact: StateFact, known: Pseudonyms): StateFact => ({
  ...fact,
  name: known.text(fact.name),
  value: typeof fact.value === 'string' ? known.text(fact.value) : fact.value,
  ...(fact.why === undefined ? {} : { why: known.text(fact.why) }),
})

/** What a run says of itself, in the words of an earlier run that hides names: then the two can be compared. */
export const redactedIdentity = (own: Identity, known: Pseudonyms): Identity => ({
  node: known.of('node', own.node),
  clusterUid: own.clusterUid === null ? null : known.of('cluster', own.clusterUid),
  settings: redactedSettings(own.settings, known),
  environment: own.environment.map((fact) => redactedFact(fact, known)),
})

export const redactedChange = (change: Change, known: Pseudonyms): Change =>
  change.waiver ? { ...change, waiver: { ...change.waiver, reason: known.text(change.waiver.reason) } } : change

/** Names and codes are roles; texts of the user, and what was set, may hold more. */
function redactedComparison(comparison: Comparison, known: Pseudonyms): Comparison {
  const value = (of: string | number | null) => (typeof of === 'string' ? known.text(of) : of)
  return {
    ...comparison,
    baselines: comparison.baselines.map((run) => ({
      ...run,
      node: isPseudonym(run.node) ? run.node : known.of('node', run.node),
    })),
    notes: comparison.notes.map((note) => known.text(note)),
    changes: comparison.changes.map((change) => redactedChange(change, known)),
    stateChanges: comparison.stateChanges.map(({ topic, name, before, now }) => ({
      topic,
      name: known.text(name),
      before: value(before),
      now: value(now),
    })),
  }
}

/** The report with pseudonyms in place of names; ids, names of checks, codes and figures stay. */
export function redacted(report: Report, known: Pseudonyms): Report {
  const text = (value: string) => known.text(value)
  return {
    ...report,
    node: report.cluster ? report.node : known.of('node', report.node),
    clusterUid: report.clusterUid === null ? null : known.of('cluster', report.clusterUid),
    source: report.source && {
      namespace: text(report.source.namespace),
      name: known.of('pod', report.source.name),
      foundBy: text(report.source.foundBy),
    },
    settings: redactedSettings(report.settings, known),
    notes: report.notes.map(text),
    results: report.results.map((result) => redactedResult(result, known)),
    errors: report.errors.map((error) => ({ ...error, message: text(error.message) })),
    findings: report.findings.map((finding) => redactedFinding(finding, known)),
    ...(report.environment ? { environment: report.environment.map((fact) => redactedFact(fact, known)) } : {}),
    ...(report.comparison ? { comparison: redactedComparison(report.comparison, known) } : {}),
    ...(report.cluster ? { cluster: redactedCluster(report.cluster, known) } : {}),
  }
}

function redactedCluster({ nodes, pairs, differences }: ClusterPart, known: Pseudonyms): ClusterPart {
  const node = (name: string) => known.of('node', name)
  return {
    nodes: nodes.map((run) => ({
      ...run,
      node: node(run.node),
      source: run.source === null ? null : known.text(run.source),
      problem: run.problem && {
        ...run.problem,
        reason: known.text(run.problem.reason),
        hint: known.text(run.problem.hint),
      },
      report: run.report && redacted(run.report, known),
    })),
    pairs: pairs.map((pair) => ({ ...pair, from: node(pair.from), to: node(pair.to) })),
    differences: differences.map((one) => ({
      ...one,
      name: known.text(one.name),
      usual: redactedValue(one.usual, known),
      others: one.others.map(({ value, nodes: own }) => ({ value: redactedValue(value, known), nodes: own.map(node) })),
    })),
  }
}

const redactedValue = (value: string | number, known: Pseudonyms): string | number =>
  typeof value === 'string' ? known.text(value) : value

export function redactedResult(result: Result, known: Pseudonyms): Result {
  return {
    ...result,
    seen: known.text(result.seen),
    ...(result.hint === undefined ? {} : { hint: known.text(result.hint) }),
    evidence: result.evidence.map((item) => redactedEvidence(item, known)),
    targets: result.targets.map((target) => redactedTarget(target, known)),
    ...(result.answers ? { answers: result.answers.map((answer) => redactedAnswer(answer, known)) } : {}),
  }
}

const redactedAnswer = (answer: Answer, known: Pseudonyms): Answer => ({
  ...answer,
  target: redactedTarget(answer.target, known),
  said: known.text(answer.said),
})

const redactedTarget = (target: Target, known: Pseudonyms): Target => ({
  ...target,
  name: known.text(target.name),
  address: known.text(target.address),
  ...(target.node === undefined ? {} : { node: known.of('node', target.node) }),
})

function redactedFinding(finding: Finding, known: Pseudonyms): Finding {
  const { cause, remedy, again, hides, evidence } = finding
  return {
    ...finding,
    cause: known.text(cause),
    remedy: known.text(remedy),
    again: known.text(again),
    hides: hides === null ? null : known.text(hides),
    evidence: evidence.map((item) => redactedEvidence(item, known)),
  }
}

function redactedEvidence(item: Evidence, known: Pseudonyms): Evidence {
  const cell = <T>(value: T): T | string => (typeof value === 'string' ? known.text(value) : value)
  const name = known.text(item.name)
  if (item.kind === 'scalar') return { ...item, name, value: cell(item.value) }
  if (item.kind === 'samples') return { ...item, name }
  if (item.kind === 'table') return { ...item, name, rows: item.rows.map((row) => row.map(cell)) }
  const hops = item.hops.map((hop) => ({
    ...hop,
    name: known.text(hop.name),
    ...(hop.address === undefined ? {} : { address: known.text(hop.address) }),
    ...(hop.note === undefined ? {} : { note: known.text(hop.note) }),
  }))
  const { mtu } = item
  const signalledBy = mtu?.signalledBy ? known.text(mtu.signalledBy) : null
  return { ...item, name, hops, ...(mtu ? { mtu: { ...mtu, signalledBy } } : {}) }
}
