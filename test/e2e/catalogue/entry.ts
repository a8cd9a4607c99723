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
  /** It leaves nothing to take back. */
  readonly takesBack?: true
  /** Settings of the run after it, where the remedy is to change them. */
  readonly env?: Readonly<Record<string, string>>
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
  readonly expect?: Fault['expect'] & {
    /** Known only of these files, or of those below this directory. */
    readonly among?: readonly string[]
  }
  readonly measured?: readonly Measured[]
  /** Codes that may stand for others in that list, where errors are rate-limited. */
  readonly alias?: Readonly<Record<Code, Code>>
  /** What the results with a root's code must say they saw, and advise. */
  readonly seen?: RegExp
  readonly hints?: RegExp
}

/** Draws a whole number from least to most, both included. */
export type Draw = (least: number, most: number) => number

/** The entries of a class; what they draw differs from run to run. */
export type FaultClass = (pick: Draw) => readonly Entry[]

export const oneOf = <T>(pick: Draw, list: readonly [T, ...T[]]): T => list[pick(0, list.length - 1)] ?? list[0]

/** The remedy asks for what taking the fault back does. */
export const takenBack = (says: RegExp, { undo }: Injection): Repair => ({
  says,
  takesBack: true,
  run: (cluster) => undo(cluster),
})

/** What is told of a fault that was written as a list of exact troubles; `says`: its remedy is what takes it back. */
export type Told = Omit<Entry, keyof Injection | 'name' | 'expect' | 'env' | 'seen' | 'hints'> & {
  readonly says?: RegExp
}

type Written = Injection &
  Pick<Entry, 'name' | 'env' | 'seen' | 'hints' | 'expect' | 'alias'> &
  Partial<Pick<Fault, 'args'>>

/** Faults of another topic as entries, null: no entry; throws for one of which nothing is told. */
export function adopt(faults: readonly Written[], told: Readonly<Record<string, Told | null>>): readonly Entry[] {
  return faults.flatMap(({ args, expect, ...fault }) => {
    const known = told[fault.name]
    if (known === undefined) throw new Error(`nothing is told of the cause of "${fault.name}"`)
    if (known === null) return []
    const { says, ...rest } = known
    const repair = says ? { repair: takenBack(says, fault) } : {}
    return [
      { ...fault, ...rest, ...repair, ...(expect ? { expect: { ...expect, ...(args ? { among: args } : {}) } } : {}) },
    ]
  })
}
