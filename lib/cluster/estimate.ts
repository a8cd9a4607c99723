/** What a run over all nodes sends, before it does: pure. */

/** Packets that a sound run without peers sends: counted at the interfaces of a dual-stack node and its pod, 5,100 by the pod, most of them to its Service. */
const ALONE = 6_000
/** Of each peer and family: SYN and the three that end a connection; the control echo and two of full size. */
const TCP_PACKETS = 4
const MTU_PACKETS = 3
const FAMILIES = 2

/**
 * Packets that one node sends when all is well; `peers`: those that it asks. A lost packet earns up to 120 more, a failure some hundred for its
 * diagnosis.
 */
export function packetsPerNode({ peers, probes }: { readonly peers: number; readonly probes: number }): number {
  // the peer itself and its pod are pinged, its pod alone is asked the rest
  return ALONE + FAMILIES * peers * (2 * probes + TCP_PACKETS + MTU_PACKETS)
}
