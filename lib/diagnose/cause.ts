/** What a cause is, and what it is told from. */
import type { Station } from '../state.ts'
import type { Code, Evidence, Place } from '../types.ts'
import type { Names } from './names.ts'
import type { Sides } from './trace.ts'

/** One cause of one branch. Branches with the same key have the same cause. */
export interface Cause {
  readonly code: Code
  readonly key: string
  readonly cause: string
  readonly confidence: 'proven' | 'likely'
  readonly remedy: string
  readonly evidence: readonly Evidence[]
  readonly hides: string | null
}

/** What is known beside a branch. */
export interface Around {
  readonly place: Place
  readonly sides: Sides
  readonly names: Names
  /** Addresses that answered something, and how: "tcp 8080". */
  readonly answering: ReadonlyMap<string, readonly string[]>
  /** ICMP errors that checks heard about an address, who sent them and in which words: they are rate-limited, so asking again may meet silence. */
  readonly refusals: ReadonlyMap<string, { readonly from: string; readonly said: string }>
  /** ICMP errors about any of the packets that were sent when failures were asked again. */
  readonly errors: readonly Station[]
  /** Nodes, by name and family, some pod of which answered. */
  readonly nodesAnswering: ReadonlySet<string>
  /** Node addresses that answered. */
  readonly nodeAddressesAnswering: ReadonlySet<string>
}

export type Draft = Omit<Cause, 'evidence'> & { readonly more?: readonly Evidence[] }
