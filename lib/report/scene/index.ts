/**
 * From a report to the picture of its path: the trunk from the one that asks to the pod on the other node, and as branches whom else
 * it reaches through its node. What the report does not know is not drawn, or drawn as not known. Pure.
 */
import type { Family, Report, Result } from '../../types.ts'
import { baseName } from '../model.ts'
import { linksOf } from './links.ts'
import { stopsOf } from './stops.ts'
import { type TrunkStation, trunkOf } from './trunk.ts'
import type { Branch, Scene, WayId } from './types.ts'
import { familiesOf, marksOfWay, ofWay, pathMtu, waysIn } from './ways.ts'

/** The picture; null when nothing was asked that it could show. `report` as every renderer shows it (`settled`). */
export function sceneOf(report: Report): Scene | null {
  const place = report.source === null ? 'node' : 'pod'
  const shown = report.results.filter((result) => result.place === place && waysIn(report).has(result))
  const families = familiesOf(shown)
  if (families.length === 0) return null
  const trunk = ofWay(report, 'trunk', place)
  const stations = withEnd(report, trunkOf(report), trunk)
  const stops = stopsOf(report, stations, families)
  return {
    node: report.node,
    families,
    stations,
    links: linksOf(report, stations, stops, trunk, families),
    end: trunk.length > 0 ? { marks: marksOfWay(trunk, families), mtu: pathMtu(trunk), notes: reasonsOf(trunk) } : null,
    branches: BRANCHES.flatMap(([id, role]) => branchOf(report, id, role, place, families) ?? []),
    stops,
  }
}

/** The other node and the pod on it, by what was asked. */
function withEnd(
  report: Report,
  here: [TrunkStation, ...TrunkStation[]],
  trunk: readonly Result[],
): [TrunkStation, ...TrunkStation[]] {
  if (trunk.length === 0) return here
  const targets = trunk.flatMap((result) => (baseName(result.file) === 'mtu-way-back' ? [] : result.targets))
  const node = targets.find((target) => target.node !== undefined)?.node ?? null
  const nothing = { device: null, mtu: null }
  const other: TrunkStation[] =
    node === null
      ? []
      : [{ kind: 'node', role: 'other node', name: node, notes: addressesOf(targets, node), node, ...nothing }]
  if (report.source === null) return [...here, ...other]
  const [target] = targets
  const name = target?.name ?? 'on another node'
  const notes = [...new Set(targets.filter((one) => one.name === target?.name).map(({ address }) => address))]
  return [
    ...here,
    ...other.map((one) => ({ ...one, notes: [] })),
    { kind: 'pod', role: 'destination pod', name, notes, node, ...nothing },
  ]
}

const addressesOf = (targets: Result['targets'], node: string): string[] => [
  ...new Set(targets.flatMap((one) => (one.node === node ? one.address : []))),
]

/** Why nothing was asked, when nothing was. */
function reasonsOf(results: readonly Result[]): string[] {
  if (results.some(({ verdict }) => verdict !== 'not-applicable')) return []
  return [...new Set(results.map(({ seen }) => seen))].slice(0, 1)
}

const BRANCHES: readonly (readonly [Branch['id'], role: string])[] = [
  ['same-node', 'pod on this node'],
  ['service', 'service'],
  ['dns', 'DNS'],
  ['api', 'API server'],
  ['external', 'external address'],
]

/** Whose name stands for a way: the check that asks its own address. */
const NAMED_BY: Readonly<Record<Exclude<WayId, 'trunk' | 'same-node' | 'external'>, RegExp>> = {
  service: /^service-cluster-ip$/,
  dns: /^dns-(kubernetes|service|external)$/,
  api: /^(api-cluster-ip|kubeconfig-server)$/,
}

function branchOf(
  report: Report,
  id: Branch['id'],
  role: string,
  place: Result['place'],
  families: readonly Family[],
): Branch | null {
  const results = ofWay(report, id, place)
  if (results.length === 0) return null
  const named = results.filter(
    ({ file }) => id === 'same-node' || id === 'external' || NAMED_BY[id].test(baseName(file)),
  )
  const targets = named.flatMap(({ file, targets: of }) => (baseName(file) === 'mtu-way-back' ? [] : of))
  const addresses = [...new Set(targets.map(({ address }) => address))]
  const name = targets[0]?.name ?? ''
  return {
    ...{ id, role, name },
    notes: [...addresses.filter((address) => address !== name).slice(0, 2), ...reasonsOf(results)],
    marks: marksOfWay(results, families),
    mtu: pathMtu(results),
  }
}
