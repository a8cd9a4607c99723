/**
 * What an entry of the fault catalogue is: a cause at a place, how it is made and taken back, and what the suite must say of it.
 * Entries are made for a dual-stack cluster with VXLAN between two nodes, the source pod being bbox on the first node.
 */
import type { Code } from '../../../lib/types.ts'
import type { Cluster } from '../../bed/kubernetes/cluster.ts'
import type { Fault } from '../faults.ts'
import type { Injection } from '../injection.ts'

/** Where the cause is, seen from the first node. */
export type FaultPlace =
  | 'pod'
  | 'node'
  | 'other node'
  | 'underlay'
  | 'target pod'
  | 'control plane'
  | 'cluster objects'
  | 'setting'

/** What fails by a fault. Two faults that touch nothing in common can both be seen at once. */
export type Touched = 'same node' | 'other node' | 'external' | 'api' | 'dns' | 'service'

/** Carries out what the remedy says, where its commands cannot be executed as they stand. */
export interface Repair {
  /** What the remedy must say for that. */
  readonly says: RegExp
  run(cluster: Cluster, said: RegExpExecArray): Promise<void>
}

/** What the paths of a check must have measured, in bytes, over each family. */
export interface Measured {
  readonly check: string
  readonly row?: string
  readonly mtu: number
  readonly families?: readonly (4 | 6)[]
}

export interface Entry extends Injection {
  /** Of the cause and its place, without parameters: unique, and the same in every run. */
  readonly name: string
  readonly class: string
  readonly place: FaultPlace
  readonly touches: readonly Touched[]
  /** Settings of the run that meets the fault. */
  readonly env?: Readonly<Record<string, string>>
  /** The first finding's code is one of these; none: it does no harm, and the suite must find nothing. */
  readonly root: readonly Code[]
  /** What the first finding's cause must name. */
  readonly names?: RegExp
  /** Codes of other findings that are true consequences. */
  readonly also?: readonly Code[]
  /** Absent: the commands of the remedy that change something are executed as they stand. */
  readonly repair?: Repair
  /** Every result that is neither pass nor not-applicable, where they are known exactly. */
  readonly expect?: Fault['expect']
  readonly measured?: readonly Measured[]
  /** What the hints of the path MTU checks must say. */
  readonly hints?: RegExp
}

/** Draws a whole number from least to most, both included. */
export type Pick = (least: number, most: number) => number

/** The entries of a class; what they draw differs from run to run. */
export type FaultClass = (pick: Pick) => readonly Entry[]

export const oneOf = <T>(pick: Pick, list: readonly [T, ...T[]]): T => list[pick(0, list.length - 1)] ?? list[0]

/** The remedy asks for what taking the fault back does. */
export const takenBack = (says: RegExp, { undo }: Injection): Repair => ({ says, run: (cluster) => undo(cluster) })

/** What is told of a fault that was written as a list of exact troubles. */
export type Told = Omit<Entry, keyof Injection | 'name' | 'expect' | 'repair' | 'env'> & { readonly says?: RegExp }

/** Faults with exact troubles as entries; throws for one of which nothing is told. */
export function adopt(faults: readonly Fault[], told: Readonly<Record<string, Told>>): readonly Entry[] {
  return faults.map((fault) => {
    const known = told[fault.name]
    if (!known) throw new Error(`nothing is told of the cause of "${fault.name}"`)
    const { says, ...rest } = known
    return { ...fault, ...rest, ...(says ? { repair: takenBack(says, fault) } : {}) }
  })
}
