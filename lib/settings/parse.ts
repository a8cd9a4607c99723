/** The environment as settings: pure. Every problem of every variable is reported at once. */
import type { ExpectedDenial, Peer } from '../types.ts'
import { peers } from './peers.ts'
import { type Environment, readerOf, type SettingProblem, shorten } from './reader.ts'
import { nearMiss } from './similar.ts'
import { SETTINGS, type SettingName } from './table.ts'
import {
  absolutePath,
  boolean,
  domainName,
  type ExternalAddresses,
  expectedDenials,
  externalAddresses,
  gate,
  listOf,
  namespaceName,
  nodeName,
  type Parsed,
  type PodReference,
  type PrintedKind,
  podReference,
  printedKinds,
  runtimeEndpoint,
  type ServiceReference,
  serviceReference,
  wholeNumber,
} from './values.ts'

export type { SettingProblem } from './reader.ts'
export type { ExternalAddresses, PodReference, PrintedKind, ServiceReference, WorkloadKind } from './values.ts'

/** The pipeline that a run is a step of, as far as its reports show themselves there. */
export interface Pipeline {
  readonly kind: 'github' | 'gitlab' | 'jenkins'
  /** Where its paths begin: the checkout. */
  readonly root: string | null
  /** The file that a GitHub job's summary is appended to. */
  readonly summary: string | null
}

/** What a run was asked to do. null: not set. */
export interface Settings {
  /** Paths, in order of precedence. */
  readonly kubeconfig: readonly string[] | null
  readonly kubeContext: string | null
  readonly nodeName: string | null
  readonly sourcePod: PodReference | null
  readonly sourceNamespace: string | null
  readonly destinationPod: PodReference | null
  readonly destinationNamespace: string | null
  readonly destinationService: ServiceReference | null
  readonly destinationServiceNamespace: string | null
  readonly external: ExternalAddresses
  /** Without a trailing dot. */
  readonly externalName: string | null
  /** unix:///path */
  readonly runtimeEndpoint: string | null
  readonly nodeNetns: string | null
  readonly leasesDir: string | null
  readonly reportsDir: string
  /** Reports that go to standard output as well, in the order given. */
  readonly printReports: readonly PrintedKind[]
  readonly strict: boolean
  readonly trace: boolean
  readonly redact: boolean
  readonly probes: number
  /** Bytes. */
  readonly expectedMtu: number | null
  readonly expectDenied: readonly ExpectedDenial[]
  /** Other nodes to ask, in a run over all nodes. */
  readonly peers: readonly Peer[]
  /** Reports of earlier runs, or directories of them. */
  readonly baseline: readonly string[]
  /** GATE=regressions: of failures only new ones fail the run, and so does what is worse than before. */
  readonly gateRegressions: boolean
  /** File of waivers. */
  readonly knownIssues: string | null
  /** What Kubernetes, the system, a pipeline and the launcher set, not the user: where the in-cluster API is, the home directory, who runs the run. */
  readonly surroundings: {
    readonly home: string | null
    readonly inCluster: { readonly host: string; readonly port: string } | null
    readonly pipeline: Pipeline | null
    /** What is typed before the checks to ask them: in an installed product there is no npx. */
    readonly command: 'npx vitest run' | 'k8snetlook'
  }
  /** The variables that were set, as text. */
  readonly given: readonly { readonly name: SettingName; readonly value: string }[]
}

/** A variable that is probably a misspelling of one of ours. */
export interface SettingHint {
  readonly variable: string
  readonly meant: SettingName
  readonly text: string
}

export interface ParsedSettings {
  readonly settings: Settings
  readonly problems: readonly SettingProblem[]
  readonly hints: readonly SettingHint[]
}

/** Reads the variables of `SETTINGS`; all problems at once. */
export function parseSettings(env: Environment): ParsedSettings {
  const { raw, read, problems } = readerOf<SettingName>(env)
  const text = (value: string): Parsed<string> => ({ value })
  const host = raw('KUBERNETES_SERVICE_HOST')
  const settings: Settings = {
    kubeconfig: read('KUBECONFIG', (value) => ({ value: value.split(':').filter(Boolean) }), null),
    kubeContext: read('KUBE_CONTEXT', text, null),
    nodeName: read('NODE_NAME', nodeName, null),
    sourcePod: read('SRC_POD', (value) => podReference(value, 'source'), null),
    sourceNamespace: read('SRC_NAMESPACE', namespaceName, null),
    destinationPod: read('DST_POD', (value) => podReference(value, 'destination'), null),
    destinationNamespace: read('DST_NAMESPACE', namespaceName, null),
    destinationService: read('DST_SVC', serviceReference, null),
    destinationServiceNamespace: read('DST_SVC_NAMESPACE', namespaceName, null),
    external: read('EXTERNAL_IP', externalAddresses, { ipv4: null, ipv6: null }),
    externalName: read('EXTERNAL_NAME', domainName, null),
    runtimeEndpoint: read('CONTAINER_RUNTIME_ENDPOINT', runtimeEndpoint, null),
    nodeNetns: read('NODE_NETNS', absolutePath, null),
    leasesDir: read('CNI_LEASES_DIR', absolutePath, null),
    reportsDir: read('REPORTS_DIR', text, 'reports'),
    printReports: read('PRINT_REPORTS', printedKinds, []),
    strict: read('STRICT', boolean, false),
    trace: read('TRACE', boolean, false),
    // what cannot be read as a no hides rather than shows
    redact: read('REDACT', boolean, raw('REDACT') !== null),
    probes: read('PROBES', (value) => wholeNumber(value, 1, 100), 5),
    expectedMtu: read('EXPECT_MTU', (value) => wholeNumber(value, 576, 65_535), null),
    expectDenied: read('EXPECT_DENIED', expectedDenials, []),
    peers: read('PEERS', peers, []),
    baseline: read('BASELINE', (value) => ({ value: listOf(value) }), []),
    gateRegressions: read('GATE', gate, false),
    knownIssues: read('KNOWN_ISSUES', text, null),
    surroundings: {
      home: raw('HOME'),
      inCluster: host === null ? null : { host, port: raw('KUBERNETES_SERVICE_PORT') ?? '443' },
      pipeline: pipelineOf(raw),
      command: raw('K8SNETLOOK_LAUNCHED') === null ? 'npx vitest run' : 'k8snetlook',
    },
    given: SETTINGS.flatMap(({ name }) => {
      const value = raw(name)
      return value === null ? [] : [{ name, value }]
    }),
  }
  return { settings, problems: [...problems, ...contradictions(settings)], hints: findHints(env) }
}

/** By the variables that the services set themselves. */
function pipelineOf(raw: (name: string) => string | null): Pipeline | null {
  if (raw('GITHUB_ACTIONS') === 'true') {
    return { kind: 'github', root: raw('GITHUB_WORKSPACE'), summary: raw('GITHUB_STEP_SUMMARY') }
  }
  if (raw('GITLAB_CI') === 'true') return { kind: 'gitlab', root: raw('CI_PROJECT_DIR'), summary: null }
  return raw('JENKINS_URL') === null ? null : { kind: 'jenkins', root: raw('WORKSPACE'), summary: null }
}

function contradictions(settings: Settings): SettingProblem[] {
  const gated = settings.gateRegressions && settings.baseline.length === 0
  const without = {
    variable: 'GATE',
    value: 'regressions',
    problem: 'there is nothing to compare with: BASELINE is not set',
    next: 'Set BASELINE to the report-<node>.json of an earlier run; to waive failures without one, KNOWN_ISSUES is enough.',
  }
  return [...(gated ? [without] : []), ...twoNamespaces(settings)]
}

/** namespace/name beside another namespace variable: which one is meant cannot be known. */
function twoNamespaces(settings: Settings): SettingProblem[] {
  const pairs = [
    ['SRC_POD', settings.sourcePod, 'SRC_NAMESPACE', settings.sourceNamespace],
    ['DST_POD', settings.destinationPod, 'DST_NAMESPACE', settings.destinationNamespace],
    ['DST_SVC', settings.destinationService, 'DST_SVC_NAMESPACE', settings.destinationServiceNamespace],
  ] as const
  return pairs.flatMap(([variable, reference, other, namespace]) => {
    const own = reference && 'namespace' in reference ? reference.namespace : null
    if (own === null || namespace === null || own === namespace) return []
    return [
      {
        variable,
        value: `${own}/…`,
        problem: `it names namespace ${own}, but ${other} is ${namespace}`,
        next: `Unset ${other}, or leave the namespace out of ${variable}.`,
      },
    ]
  })
}

function findHints(env: Environment): SettingHint[] {
  const ours = SETTINGS.map(({ name }) => name)
  return Object.keys(env)
    .sort()
    .flatMap((variable) => {
      const meant = env[variable]?.trim() ? nearMiss(variable, ours) : null
      return meant === null ? [] : [{ variable, meant, text: `${variable} is not read: did you mean ${meant}?` }]
    })
}

/** What the reports show of the settings: those that were set, none of which is a secret. */
export function publicSettings(settings: Settings): { name: string; value: string }[] {
  return settings.given.map(({ name, value }) => ({ name, value: shorten(value) }))
}
