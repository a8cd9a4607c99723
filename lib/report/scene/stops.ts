/** Where packets stop, by what the findings say and what was seen of repeated probes. Pure. */
import type { Evidence, Family, Finding, Report, Result } from '../../types.ts'
import { baseName, explainedBy, familyOf } from '../model.ts'
import { cell } from './trunk.ts'
import type { Station, StationKind, Stop, WayId } from './types.ts'
import { waysIn } from './ways.ts'

type Table = Extract<Evidence, { kind: 'table' }>
type Place = Pick<Stop, 'place' | 'wayBack' | 'refused'>

/** Checks of what is the pod's own: what they find lies at the beginning of every way. */
const AT_SOURCE: ReadonlySet<string> = new Set(['link', 'gateway', 'addresses', 'routes', 'duplicate-address'])

/** Behind which station packets end, by the code alone, where nothing was seen of them. */
const AFTER: Readonly<Record<string, StationKind>> = {
  LINK_DOWN: 'pod',
  VETH_DETACHED: 'pod',
  LOST_AT_VETH: 'pod',
  PORT_BLOCKED: 'veth',
  POD_ROUTE_MISSING: 'bridge',
  POD_ROUTE_WRONG: 'bridge',
  TUNNEL_ENTRY_MISSING: 'tunnel',
  TUNNEL_ENTRY_WRONG: 'tunnel',
  TUNNEL_SENDS_NOTHING: 'tunnel',
  TUNNEL_UNANSWERED: 'uplink',
  TUNNEL_REFUSED: 'uplink',
  NODE_UNREACHABLE: 'uplink',
}

/** One for each finding and each way from the asking side that it breaks, roots first. */
export function stopsOf(report: Report, stations: readonly Station[], families: readonly Family[]): Stop[] {
  const asking = report.source === null ? 'node' : 'pod'
  return explainedBy(report).flatMap(({ finding, results }) => {
    const byWay = new Map<WayId, Result[]>()
    for (const result of results.filter(({ place }) => place === asking)) {
      const way = waysIn(report).get(result) ?? (AT_SOURCE.has(baseName(result.file)) ? 'trunk' : null)
      if (way !== null) byWay.set(way, [...(byWay.get(way) ?? []), result])
    }
    return [...byWay].map(([way, own]): Stop => {
      const above = sizeOf(own)
      const place = placeOf(finding, own, stations, above !== null)
      return { finding, way, above, ...place, families: familiesOf(own, families) }
    })
  })
}

function familiesOf(results: readonly Result[], all: readonly Family[]): readonly Family[] {
  const named = all.filter((family) => results.some((result) => familyOf(result) === family))
  return named.length === all.length ? [] : named
}

/** Where only packets that are too large end: bytes that still pass. */
function sizeOf(results: readonly Result[]): number | null {
  if (!results.every(({ code }) => code?.startsWith('PATH_MTU_'))) return null
  const sizes = results.flatMap(({ evidence }) =>
    evidence.flatMap((item) => (item.kind === 'path' && item.mtu?.measured != null ? [item.mtu.measured] : [])),
  )
  return sizes.length > 0 ? Math.min(...sizes) : null
}

const NOWHERE: Place = { place: null, wayBack: false, refused: false }

function placeOf(finding: Finding, results: readonly Result[], stations: readonly Station[], bySize: boolean): Place {
  if (bySize) return tooLarge(results, stations) ?? NOWHERE
  const seen = finding.evidence.find(
    (item): item is Table => item.kind === 'table' && / asked again .*: seen$/.test(item.name),
  )
  const followed = seen && lastSeen(finding, seen, stations)
  if (followed) return followed
  const kind = AFTER[finding.code]
  const from = stations.findIndex((station) => station.kind === kind)
  return from < 0 ? NOWHERE : { ...NOWHERE, place: { from, to: Math.min(from + 1, stations.length - 1) } }
}

interface Sighting {
  readonly at: number
  readonly own: boolean
  readonly inward: boolean
  readonly packet: 'probe' | 'answer' | 'error' | 'reset'
}

/** The last place where the probes were seen, or where their answers were. */
function lastSeen(finding: Finding, seen: Table, stations: readonly Station[]): Place | null {
  const [source] = stations
  const sightings = seen.rows.flatMap((row): Sighting[] => {
    const [where, by, packet] = ['where', 'interface', 'packet'].map((column) => cell(seen, row, column)) as [
      string,
      string,
      string,
    ]
    const own = where === 'asking side'
    const [, direction, device] = /^(in|out) by (.+)$/.exec(by) ?? []
    // the asking side of another check may be the node: its packets have another source
    if (own && source && isForeign(source, packet)) return []
    const at = stations.findIndex((one) => one.device?.name === device && one.device?.own === own)
    const [, word, refusal] = /^(probe|answer|error)(?: \(([^)]*)\))?/.exec(packet) ?? []
    if (direction === undefined || word === undefined) return []
    return [
      {
        at,
        own,
        inward: direction === 'in',
        packet: word === 'answer' && refusal ? 'reset' : (word as Sighting['packet']),
      },
    ]
  })
  const probes = sightings.filter(({ packet, at }) => packet === 'probe' && at >= 0)
  const furthest = Math.max(-1, ...probes.map(({ at }) => at))
  if (furthest < 0) return null
  const end = stations.length - 1
  const answers = sightings.filter(({ packet }) => packet === 'answer' || packet === 'reset')
  const home = answers.filter(({ own, inward }) => own && inward)
  if (home.length > 0 && home.every(({ packet }) => packet === 'reset'))
    return { place: { from: end, to: end }, wayBack: false, refused: true }
  const back = answers.filter(({ at, inward }) => at >= 0 && inward)
  if (finding.code.startsWith('ANSWER_') || (back.length > 0 && home.length === 0)) {
    const nearest = Math.min(...(back.length > 0 ? back : probes).map(({ at }) => at))
    return { place: { from: Math.max(0, nearest - 1), to: nearest }, wayBack: true, refused: false }
  }
  // behind the node's last interface nothing is seen
  const isLast = stations[furthest + 1]?.device === null
  return { place: { from: furthest, to: isLast ? end : Math.min(furthest + 1, end) }, wayBack: false, refused: false }
}

/** A probe that was sent from another address than the pod's, as far as these are known. */
function isForeign({ kind, notes }: Station, packet: string): boolean {
  const [, from] = /^probe: (\S+) to /.exec(packet) ?? []
  return kind === 'pod' && from !== undefined && notes.length > 1 && !notes.includes(from)
}

/** The path evidence names interfaces: "node, veth1", "tunnel vx0"; a station without one is the source or the end. */
function tooLarge(results: readonly Result[], stations: readonly Station[]): Place | null {
  for (const { evidence, file } of results) {
    // it begins at the other end
    if (baseName(file) === 'mtu-way-back') continue
    for (const item of evidence) {
      const index = item.kind === 'path' ? item.hops.findIndex(({ stops }) => stops) : -1
      if (item.kind !== 'path' || index < 0) continue
      const indexOf = (hop: number) =>
        hop === 0
          ? 0
          : stations.findIndex(
              ({ device }) => device !== null && item.hops[hop]?.name.split(/[\s,]+/).includes(device.name),
            )
      const from = indexOf(index)
      if (from < 0) return null
      const next = index + 1 < item.hops.length - 1 ? indexOf(index + 1) : stations.length - 1
      return {
        place: { from, to: next > from ? next : Math.min(from + 1, stations.length - 1) },
        wayBack: false,
        refused: false,
      }
    }
  }
  return null
}
