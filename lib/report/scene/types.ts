/** The picture of the path as plain data: what stands on it, what is known of each part, and where packets stop. */
import type { Family, Finding } from '../../types.ts'

/** unknown: nothing that was asked tells. not-asked: no question was put, or it did not apply. */
export type State = 'answers' | 'partly' | 'broken' | 'not-asked' | 'unknown'

/** A state and the families that it holds for; no family: for all of the picture. */
export interface Mark {
  readonly state: State
  readonly families: readonly Family[]
}

export type StationKind = 'pod' | 'veth' | 'bridge' | 'tunnel' | 'uplink' | 'node'

/** One station of the way, in order from the one that asks. */
export interface Station {
  readonly kind: StationKind
  /** "source pod", "veth peer", "tunnel": what it is. */
  readonly role: string
  /** Its own name. */
  readonly name: string
  /** What else is known in a few words: an address, the interface's state where it is not up. */
  readonly notes: readonly string[]
  /** Name of the node that it is on; null: not known. */
  readonly node: string | null
  /** As taps call it: the interface, and whether it is in the asking pod. null: no interface of this node. */
  readonly device: { readonly name: string; readonly own: boolean } | null
}

/** What leads from one station to the next. */
export interface Link {
  readonly marks: readonly Mark[]
  /** Bytes, by what the interfaces are set to or what was measured; null: not known. */
  readonly mtu: number | null
  /** The other end's, where it differs: what is larger is lost there. */
  readonly farMtu?: number
}

export type WayId = 'trunk' | 'same-node' | 'service' | 'dns' | 'api' | 'external'

/** Somebody who is reached by way of the node, beside the way to the other node. */
export interface Branch {
  readonly id: Exclude<WayId, 'trunk'>
  readonly role: string
  readonly name: string
  readonly notes: readonly string[]
  readonly marks: readonly Mark[]
  /** Path MTU, bytes; null: not measured. */
  readonly mtu: number | null
}

/** A place where packets end, by what a finding says. */
export interface Stop {
  readonly finding: Finding
  readonly way: WayId
  /** The place on the trunk: after station `from`, before station `to`; null: not known. */
  readonly place: { readonly from: number; readonly to: number } | null
  /** Packets go there and the answers end. */
  readonly wayBack: boolean
  /** Only what is larger ends; bytes that still pass. */
  readonly above: number | null
  /** They come to the end of the way and are refused there. */
  readonly refused: boolean
  /** No family: of all of the picture. */
  readonly families: readonly Family[]
}

export interface Scene {
  readonly node: string
  readonly families: readonly Family[]
  /** At least one. */
  readonly stations: readonly [Station, ...Station[]]
  /** One less than stations. */
  readonly links: readonly Link[]
  /** What the end of the trunk answers; null: it ends on this node. */
  readonly end: {
    readonly marks: readonly Mark[]
    readonly mtu: number | null
    readonly notes: readonly string[]
  } | null
  readonly branches: readonly Branch[]
  /** Roots first. */
  readonly stops: readonly Stop[]
}
