/** kube-proxy's nftables mode (pkg/proxy/nftables/proxier.go), from `nft -j list`. Pure. */
import type { Family, Protocol } from '../../types.ts'
import { type Json, number, object, objects, text } from '../ip.ts'
import { protocolOf } from './protocol.ts'
import type { Backend, ProxyRules, ServiceRule } from './rules.ts'

/** The expressions of each chain's rules, in order. */
export type NftChains = ReadonlyMap<string, readonly Json[]>

/** An element of map service-ips: a packet to this address and port goes to this chain. */
export interface ServiceIp extends Backend {
  readonly protocol: Protocol
  readonly chain: string
}

/** What `nft -j list` prints; null when it is no such thing. */
export function decodeNft(output: string): readonly Json[] | null {
  try {
    return objects(JSON.parse(output) as Json, 'nftables')
  } catch {
    return null
  }
}

/** Map "ipv4_addr . inet_proto . inet_service : verdict". An element with a comment is wrapped once more. */
export function parseServiceIps(items: readonly Json[]): readonly ServiceIp[] {
  const map = items.map((item) => object(item, 'map')).find((one) => text(one, 'name') === 'service-ips')
  return elements(map ?? {}).flatMap((element): ServiceIp[] => {
    if (!Array.isArray(element)) return []
    const [key = {}, verdict = {}] = element as readonly Json[]
    const [address, protocol, port] = concatenation(key)
    const chain = targetOf(verdict)
    if (typeof address !== 'string' || chain === null) return []
    return [{ address, protocol: protocolOf(String(protocol)), port: Number(port), chain }]
  })
}

const list = (of: Json, field: string): readonly unknown[] => {
  const value = of[field]
  return Array.isArray(value) ? value : []
}
const elements = (of: Json) => list(of, 'elem')
const concatenation = (key: Json) => list('elem' in key ? object(object(key, 'elem'), 'val') : key, 'concat')

const targetOf = (verdict: Json): string | null =>
  text(object(verdict, 'goto'), 'target') ?? text(object(verdict, 'jump'), 'target')

/** Expressions by chain. */
export function parseChains(items: readonly Json[]): NftChains {
  const chains = new Map<string, Json[]>()
  for (const item of items) {
    const name = text(object(item, 'chain'), 'name')
    if (name !== null && !chains.has(name)) chains.set(name, [])
    const rule = object(item, 'rule')
    const chain = text(rule, 'chain')
    if (chain !== null) chains.set(chain, [...(chains.get(chain) ?? []), ...objects(rule, 'expr')])
  }
  return chains
}

/** The set nodeport-ips; null where it was not read. */
export function parseNodePortAddresses(items: readonly Json[]): readonly string[] | null {
  const set = items.map((item) => object(item, 'set')).find((one) => text(one, 'name') === 'nodeport-ips')
  return set ? elements(set).filter((one): one is string => typeof one === 'string') : null
}

/** Follows each service to its endpoints. Pure. */
export function nftRules(
  family: Family,
  ips: readonly ServiceIp[],
  chains: NftChains,
  nodePortAddresses: readonly string[] | null,
): ProxyRules {
  const rules = ips.map(({ address, port, protocol, chain }): ServiceRule => {
    const choices = (chains.get(chain) ?? []).flatMap(choicesOf)
    return { address, port, protocol, backends: choices.flatMap((choice) => endpointOf(choice, chains, family)) }
  })
  return { family, mode: 'nftables', rules, nodePortAddresses }
}

/** "numgen random mod N vmap { 0 : goto endpoint-..., ... }": the endpoint of a new client (affinity only remembers). */
function choicesOf(expression: Json): readonly string[] {
  return list(object(object(expression, 'vmap'), 'data'), 'set').flatMap((element: unknown) =>
    Array.isArray(element) ? (targetOf(element[1] as Json) ?? []) : [],
  )
}

/** Where an endpoint's chain sends to; by its name where the chain was not read. */
function endpointOf(name: string, chains: NftChains, family: Family): readonly Backend[] {
  const chain = chains.get(name)
  if (chain === undefined) return endpointNamed(name, family)
  return chain.flatMap((expression): Backend[] => {
    const dnat = object(expression, 'dnat')
    const address = text(dnat, 'addr')
    return address === null ? [] : [{ address, port: number(dnat, 'port') ?? 0 }]
  })
}

/** "endpoint-IQWKWQZB-default/web/tcp/http__198.18.1.2/8080"; IPv6 has dots for colons, since chain names hold none. */
function endpointNamed(name: string, family: Family): readonly Backend[] {
  const [, address, port] = /__([^/]+)\/(\d+)$/.exec(name) ?? []
  if (address === undefined) return []
  return [{ address: family === 6 ? address.replaceAll('.', ':') : address, port: Number(port) }]
}
