/** What leads from station to station of the trunk: its MTU, and whether packets pass. Pure. */
import type { Family, Report, Result } from '../../types.ts'
import { baseName, familyOf } from '../model.ts'
import type { TrunkStation } from './trunk.ts'
import type { Link, Scene, State, Stop } from './types.ts'
import { marksOf, ofWay, pathMtu, stateOf, waysIn } from './ways.ts'

type Stations = Scene['stations'] | readonly TrunkStation[]

/** The links between the stations. `trunk`: the results about the way to its end. */
export function linksOf(
  report: Report,
  stations: readonly TrunkStation[],
  stops: readonly Stop[],
  trunk: readonly Result[],
  families: readonly Family[],
): Link[] {
  const between = betweenNodes(stations)
  const nodes = pathMtu(ofWay(report, 'trunk', 'node'))
  return stations.slice(1).map((next, index) => {
    const marks = marksOf(families, (family) => {
      const own = stops.filter(({ way, families: of }) => way === 'trunk' && (of.length === 0 || of.includes(family)))
      return linkState({ report, stations, stops: own, end: stateOf(ofFamily(trunk, family)), family }, index)
    })
    const mtu = stations[index]?.mtu ?? null
    if (index === between) return { marks, mtu: isLastKnown(stations[index]) ? (nodes ?? mtu) : null }
    if (next.kind !== 'veth' || mtu === null) return { marks, mtu: next.mtu }
    return next.mtu !== null && next.mtu !== mtu ? { marks, mtu, farMtu: next.mtu } : { marks, mtu }
  })
}

const ofFamily = (results: readonly Result[], family: Family): Result[] =>
  results.filter((result) => (familyOf(result) ?? family) === family)

/** Index of the link that leaves this node; -1: there is none. */
export const betweenNodes = (stations: Stations): number =>
  stations.findIndex(({ node }, index) => index + 1 < stations.length && node !== stations[index + 1]?.node)

/** It is the one that packets leave the node by; else what lies between is not known. */
const isLastKnown = (station: TrunkStation | undefined): boolean =>
  station?.kind === 'uplink' || station?.kind === 'tunnel' || station?.kind === 'node'

/** The link at which a stop is drawn, of a stretch that leaves the node the one between the nodes; null: at none. */
export function linkOfStop({ place }: Stop, stations: Stations): number | null {
  if (place === null || place.from === place.to) return null
  const between = betweenNodes(stations)
  return place.from <= between && between < place.to ? between : place.from
}

interface Known {
  readonly report: Report
  readonly stations: readonly TrunkStation[]
  /** Of this family. */
  readonly stops: readonly Stop[]
  readonly end: State
  readonly family: Family
}

/** The first stop with a place decides: what was seen there has passed the links before it. */
function linkState(known: Known, index: number): State {
  const { stops, stations, end } = known
  for (const stop of stops) {
    const at = linkOfStop(stop, stations)
    if (at === null) continue
    if (index === at) return end === 'broken' && stop.above === null ? 'broken' : 'partly'
    // behind the place others pass, or answers come from there; else nothing is known
    return index < at || stop.wayBack || end !== 'broken' ? 'answers' : 'unknown'
  }
  if (end === 'answers' || stops.some(({ refused }) => refused)) return 'answers'
  return withoutPlace(known, index)
}

/** Up to the node's own stack whatever answers the pod has passed; the nodes were asked by themselves. */
function withoutPlace({ report, stations, family }: Known, index: number): State {
  const next = stations[index + 1]?.kind
  if (next === 'veth' || next === 'bridge') {
    const answered = ofFamily(report.results, family).some(
      (one) =>
        one.place === 'pod' && one.verdict === 'pass' && (waysIn(report).has(one) || baseName(one.file) === 'gateway'),
    )
    return answered ? 'answers' : 'unknown'
  }
  if (index !== betweenNodes(stations) || !isLastKnown(stations[index])) return 'unknown'
  const state = stateOf(ofFamily(ofWay(report, 'trunk', 'node'), family))
  return state === 'not-asked' ? 'unknown' : state
}
