/**
 * The variables that only a run over all nodes reads. Their names are short and common (NODES, IMAGE): a run on one node must neither
 * fail for what a pipeline means by them, nor take another variable for a misspelling of one. Pure.
 */
import { type Environment, readerOf, type SettingProblem, shorten } from './reader.ts'
import { nearMiss } from './similar.ts'
import type { Setting } from './table.ts'
import { boolean, listOf, namespaceName, nodeName, type Parsed, wholeNumber } from './values.ts'

/** In the order in which documentation shows them. */
export const EVERY_NODE_SETTINGS = [
  {
    name: 'NODES',
    meaning: 'The nodes to ask: names separated by commas, or a label selector.',
    default: 'every Linux node',
    example: 'topology.kubernetes.io/zone=b',
  },
  {
    name: 'PEERS_PER_NODE',
    meaning: 'How many other nodes each node asks, and is asked by, 1 to 32.',
    default: '4',
    example: '8',
  },
  {
    name: 'NODES_AT_ONCE',
    meaning: 'How many nodes are asked at the same time, 1 to 500.',
    default: '20',
    example: '50',
  },
  {
    name: 'NODE_TIMEOUT',
    meaning: 'Seconds that one node may take, the pull of the image included, 10 to 3600.',
    default: '180',
    example: '300',
  },
  {
    name: 'RUN_TIMEOUT',
    meaning: 'Seconds that all nodes together may take, 10 to 86400.',
    default: '1800',
    example: '3600',
  },
  {
    name: 'RUN_NAMESPACE',
    meaning: 'The namespace in which deploy/base is installed: the Jobs are made there.',
    default: 'k8snetlook; where it has no ServiceAccount k8snetlook, the run makes a namespace and a role of its own',
    example: 'netcheck',
  },
  {
    name: 'IMAGE',
    meaning: 'The image that the Jobs run.',
    default: 'the one that deploy/base/job.yaml names',
    example: 'registry.example.org/k8snetlook:0.1.0',
  },
  {
    name: 'DRY_RUN',
    meaning:
      'Print the objects that would be made, and make none: 1 or 0. A dry run has no verdict: its exit code is 2.',
    default: '0',
    example: '1',
  },
  {
    name: 'REMOVE_LEFTOVERS',
    meaning: 'First delete what earlier runs left behind: 1 or 0.',
    default: '0: it is only named',
    example: '1',
  },
] as const satisfies readonly Setting[]

export type EveryNodeSettingName = (typeof EVERY_NODE_SETTINGS)[number]['name']

/** Which nodes are meant: by name, or by label as kubectl's -l takes it. */
export type NodeSelection =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'selector'; readonly selector: string }

export interface EveryNodeSettings {
  /** null: every node. */
  readonly nodes: NodeSelection | null
  readonly peersPerNode: number
  readonly atOnce: number
  /** Seconds. */
  readonly nodeTimeout: number
  /** Seconds. */
  readonly runTimeout: number
  readonly namespace: string
  /** null: the one of the manifest. */
  readonly image: string | null
  readonly dryRun: boolean
  readonly removeLeftovers: boolean
}

export interface ParsedEveryNode {
  readonly settings: EveryNodeSettings
  readonly problems: readonly SettingProblem[]
  readonly hints: readonly string[]
  readonly given: readonly { readonly name: string; readonly value: string }[]
}

/** Settings that say nothing about all nodes: whose meaning is one node, or a comparison with one node's earlier runs. */
const OF_ONE_NODE = ['NODE_NAME', 'NODE_NETNS', 'BASELINE', 'GATE', 'KNOWN_ISSUES', 'PEERS']

/** Reads the variables of EVERY_NODE_SETTINGS; all problems at once. */
export function parseEveryNode(env: Environment): ParsedEveryNode {
  const { raw, read, problems } = readerOf<EveryNodeSettingName>(env)
  const settings: EveryNodeSettings = {
    nodes: read('NODES', nodeSelection, null),
    peersPerNode: read('PEERS_PER_NODE', (value) => wholeNumber(value, 1, 32), 4),
    atOnce: read('NODES_AT_ONCE', (value) => wholeNumber(value, 1, 500), 20),
    nodeTimeout: read('NODE_TIMEOUT', (value) => wholeNumber(value, 10, 3_600), 180),
    runTimeout: read('RUN_TIMEOUT', (value) => wholeNumber(value, 10, 86_400), 1_800),
    namespace: read('RUN_NAMESPACE', namespaceName, 'k8snetlook'),
    image: read('IMAGE', imageName, null),
    dryRun: read('DRY_RUN', boolean, false),
    removeLeftovers: read('REMOVE_LEFTOVERS', boolean, false),
  }
  for (const name of OF_ONE_NODE) {
    const value = raw(name)
    if (value !== null) problems.push({ variable: name, value: shorten(value), ...MISPLACED })
  }
  const names = EVERY_NODE_SETTINGS.map(({ name }) => name)
  return {
    settings,
    problems,
    hints: Object.keys(env)
      .filter((variable) => variable.includes('_') && env[variable]?.trim())
      .flatMap((variable) => {
        const meant = nearMiss(variable, names)
        return meant === null ? [] : [`${variable} is set, but no variable of this suite: did you mean ${meant}?`]
      }),
    given: names.flatMap((name) => {
      const value = raw(name)
      return value === null ? [] : [{ name, value }]
    }),
  }
}

const MISPLACED = {
  problem: 'it is about a run on one node, and this one asks every node',
  next: 'Unset it for checks/cluster.',
}

function nodeSelection(text: string): Parsed<NodeSelection> {
  if (/[=!(]/.test(text)) return { value: { kind: 'selector', selector: text } }
  const names = listOf(text)
  const bad = names.find((name) => !('value' in nodeName(name)))
  if (bad === undefined && names.length > 0) return { value: { kind: 'names', names } }
  return {
    problem: `"${bad ?? text}" is no Node name`,
    next: 'Write names as "kubectl get nodes" shows them, separated by commas, or a label selector such as zone=b.',
  }
}

/** An image reference (distribution/reference): no blanks, no capitals before the tag. */
function imageName(text: string): Parsed<string> {
  if (/^[a-z0-9][a-z0-9._:/-]*?(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/.test(text)) return { value: text }
  return { problem: 'this is no image reference', next: 'Write <registry>/<name>:<tag>, or <name>@sha256:<digest>.' }
}
