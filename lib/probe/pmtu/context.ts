/** What is known around a measurement of a path MTU: plain data that the verdict is made of. */
import type { Link } from '../../node/links.ts'
import type { PromisedMtu } from '../../node/routes.ts'
import type { Place } from '../../types.ts'
import type { Tunnel } from './remedy.ts'
import type { SegmentResult } from './tcp.ts'

/** Where "too big" errors get lost: in the asking namespace, or on its node. */
export interface FilteredErrors {
  readonly where: 'pod' | 'node'
  /** The node itself says "too big"; false: somebody beyond it does. */
  readonly saidByNode: boolean
}

/** What is known around a measurement. */
export interface PathContext {
  /** Who asks: a pod, or the node itself, whose own interface is then the one to set. */
  readonly asker: Place
  /** Inside the cluster every hop is configured by the same hands: a lower MTU is a mistake there, outside it is normal. */
  readonly insideCluster: boolean
  readonly promise: PromisedMtu
  /** The path MTU that is asked for, bytes; null: none. */
  readonly expected: number | null
  /** What a full-size TCP segment met; null: not asked. */
  readonly segment: SegmentResult | null
  /** The node's end of the pod's own link; null: not looked at, or no pod. */
  readonly firstHop: { readonly device: string; readonly mtu: number } | null
  readonly tunnel: Tunnel | null
  /** The node cuts the tunnel's packets in pieces. */
  readonly outerFragments: boolean
  readonly filtered: FilteredErrors | null
  /** The node's links: they tell the CNI plug-in. */
  readonly nodeLinks: readonly Link[]
}

/** Nothing is known around the measurement: a healthy path needs no more. */
export const plainContext = (
  promise: PromisedMtu,
  insideCluster: boolean,
  expected: number | null = null,
  asker: Place = 'pod',
): PathContext => ({
  asker,
  insideCluster,
  promise,
  expected,
  segment: null,
  firstHop: null,
  tunnel: null,
  outerFragments: false,
  filtered: null,
  nodeLinks: [],
})
