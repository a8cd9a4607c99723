/** PEERS: a list that a program wrote, checked as if a person had. Pure. */
import ipaddr from 'ipaddr.js'
import type { Peer, PeerPod } from '../types.ts'
import type { Parsed } from './values.ts'

const MOST_PEERS = 64
const NEXT = 'Write [{"node": "n2", "zone": null, "addresses": ["192.0.2.2"], "pod": null}].'

/** A JSON list of peers; everything that is wrong with it is said at once, by entry. */
export function peers(text: string): Parsed<readonly Peer[]> {
  const list = parsedJson(text)
  if (list === undefined) return { problem: 'this is no JSON', next: NEXT }
  if (!Array.isArray(list)) return { problem: 'this is no JSON list', next: NEXT }
  if (list.length > MOST_PEERS) {
    return { problem: `${list.length} peers are more than ${MOST_PEERS}`, next: `Name at most ${MOST_PEERS}.` }
  }
  const problems: string[] = []
  const value = list.map((one, index) => peer(one, `entry ${index + 1}`, problems))
  return problems.length > 0 ? { problem: problems.join('; '), next: NEXT } : { value }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function peer(value: unknown, where: string, problems: string[]): Peer {
  const { node, zone = null, addresses, pod = null } = objectOf(value, where, problems)
  if (!isObject(value)) return { node: '', zone: null, addresses: [], pod: null }
  return {
    node: nameOf(node, `${where}: node`, problems),
    zone: zone === null ? null : nameOf(zone, `${where}: zone`, problems),
    addresses: addressesOf(addresses, `${where}: addresses`, problems),
    pod: pod === null ? null : peerPod(pod, `${where}: pod`, problems),
  }
}

function peerPod(value: unknown, where: string, problems: string[]): PeerPod | null {
  const { namespace, name, addresses, port } = objectOf(value, where, problems)
  if (!isObject(value)) return null
  return {
    namespace: nameOf(namespace, `${where}: namespace`, problems),
    name: nameOf(name, `${where}: name`, problems),
    addresses: addressesOf(addresses, `${where}: addresses`, problems),
    port: portOf(port, `${where}: port`, problems),
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function objectOf(value: unknown, where: string, problems: string[]): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value
  problems.push(`${where} is no object`)
  return {}
}

function nameOf(value: unknown, where: string, problems: string[]): string {
  if (typeof value === 'string' && /^[A-Za-z0-9][-A-Za-z0-9._]{0,252}$/.test(value)) return value
  problems.push(`${where} is no name`)
  return ''
}

function portOf(value: unknown, where: string, problems: string[]): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535) return value
  problems.push(`${where} is no number from 1 to 65535`)
  return 0
}

function addressesOf(value: unknown, where: string, problems: string[]): string[] {
  if (!Array.isArray(value)) {
    problems.push(`${where} is no list`)
    return []
  }
  return value.flatMap((one) => {
    if (typeof one === 'string' && ipaddr.isValid(one)) return [ipaddr.parse(one).toString()]
    problems.push(`${where}: ${JSON.stringify(one)} is no IP address`)
    return []
  })
}
