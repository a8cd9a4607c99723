/** The stations of the way from the one that asks to the other node, as far as the report knows them. Pure. */
import type { Evidence, Report, Result } from '../../types.ts'
import { baseName } from '../model.ts'
import type { Station } from './types.ts'
import { ofWay } from './ways.ts'

type Table = Extract<Evidence, { kind: 'table' }>

/** A station with what its interface is set to, bytes; null: it is no interface, or that is not known. */
export interface TrunkStation extends Station {
  readonly mtu: number | null
}

/** Kinds of `ip -d link` whose packets travel in other packets. */
const TUNNELS: ReadonlySet<string> = new Set(
  'vxlan geneve gre gretap ip6gre ip6gretap ipip ip6tnl sit wireguard vti vti6 xfrm'.split(' '),
)

/** From the source pod; from the node itself where no pod was asked from. Stations that nothing is known of are left out. */
export function trunkOf(report: Report): [TrunkStation, ...TrunkStation[]] {
  return report.source === null ? fromNode(report) : fromPod(report, report.source)
}

function fromPod(
  report: Report,
  { namespace, name }: NonNullable<Report['source']>,
): [TrunkStation, ...TrunkStation[]] {
  const evidence = resultsOf(report, 'link').flatMap((result) => result.evidence)
  const interfaces = rowsOf(evidence, 'interfaces', report.node)
  const own = interfaces.find(({ where }) => where === 'pod')
  const peer = interfaces.find(({ where, kind }) => where === 'node' && kind !== 'bridge')
  const bridge = interfaces.find(({ where, kind }) => where === 'node' && kind === 'bridge')
  const beyond = rowsOf(evidence, 'way to the pod on another node', report.node)
  const source: TrunkStation = {
    ...{ kind: 'pod', role: 'source pod', name: `${namespace}/${name}`, node: report.node, mtu: own?.mtu ?? null },
    notes: [...(own ? [own.name] : []), ...addressesOf(report), ...(own?.notes ?? [])],
    device: own ? { name: own.name, own: true } : null,
  }
  const here = [
    peer && { ...peer, kind: 'veth' as const, role: peer.kind === 'veth' ? 'veth peer' : "the pod's end on the node" },
    bridge && { ...bridge, kind: 'bridge' as const, role: 'bridge' },
    ...beyond.map((one) =>
      TUNNELS.has(one.kind)
        ? { ...one, kind: 'tunnel' as const, role: `tunnel (${one.kind})` }
        : { ...one, kind: 'uplink' as const, role: "node's uplink" },
    ),
  ]
  return [source, ...here.flatMap((one) => (one ? [{ ...one, device: { name: one.name, own: false } }] : []))]
}

/** The path check between nodes says by which interface it left: "promised, eth0". */
function fromNode(report: Report): [TrunkStation, ...TrunkStation[]] {
  const node: TrunkStation = {
    ...{ kind: 'node', role: 'this node', name: report.node, notes: [], node: report.node, device: null, mtu: null },
  }
  const [hop] = ofWay(report, 'trunk', 'node')
    .flatMap(({ evidence }) => evidence)
    .flatMap((item) => (item.kind === 'path' ? item.hops.slice(0, 1) : []))
  const name = /^promised, (.+)$/.exec(hop?.note ?? '')?.[1]
  if (hop?.mtu === undefined || name === undefined) return [node]
  // asked from the node itself, its own interface is the asking side's
  const device = { name, own: true }
  return [node, { kind: 'uplink', role: "node's uplink", name, notes: [], node: report.node, device, mtu: hop.mtu }]
}

const resultsOf = ({ results }: Report, base: string): Result[] =>
  results.filter(({ file, place }) => place === 'pod' && baseName(file) === base)

/** Addresses of the source pod that are for others to use. */
function addressesOf(report: Report): string[] {
  const tables = resultsOf(report, 'addresses').flatMap(({ evidence }) => evidence.filter((item) => isTable(item)))
  return tables.flatMap((table) =>
    table.rows.flatMap((row) =>
      cell(table, row, 'scope') === 'global' ? [cell(table, row, 'address').replace(/\/\d+$/, '')] : [],
    ),
  )
}

interface Row {
  readonly where: string
  readonly name: string
  readonly kind: string
  readonly mtu: number | null
  readonly notes: readonly string[]
  readonly node: string
}

/** Rows about interfaces of a table by its name. */
function rowsOf(evidence: readonly Evidence[], table: string, node: string): Row[] {
  const found = evidence.find((item): item is Table => isTable(item) && item.name === table)
  return (found?.rows ?? []).map((row) => {
    const of = (column: string) => cell(found as Table, row, column)
    const mtu = Number(of('MTU'))
    const [state, port] = [of('state'), of('port state')]
    const notes = [
      ...(state === 'UP' || state === 'UNKNOWN' || state === '' ? [] : [`state ${state}`]),
      ...(port === 'forwarding' || port === '' ? [] : [`port ${port}`]),
    ]
    const name = of('name') || of('interface')
    return {
      where: of('where'),
      name,
      kind: of('kind'),
      mtu: Number.isInteger(mtu) && mtu > 0 ? mtu : null,
      notes,
      node,
    }
  })
}

const isTable = (item: Evidence): item is Table => item.kind === 'table'

/** A cell as text; empty where there is no such column. */
export function cell({ columns }: Table, row: Table['rows'][number], column: string): string {
  const value = row[columns.indexOf(column)]
  return value === undefined || value === null ? '' : `${value}`
}
