/** resolv.conf(5), as the resolver of glibc reads it: pure. */
import { isIP } from 'node:net'
import { withoutZone } from './packet/address.ts'
import type { ResolvConf } from './types.ts'

/** glibc: MAXNS, and RES_MAXNDOTS. */
const MOST_NAMESERVERS = 3
const MOST_NDOTS = 15

/**
 * glibc reads no more than three nameservers and skips what is no address; the last `search` or `domain` line wins; ndots is
 * 1 unless set, and 15 at most.
 */
export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const of = (keyword: string) => lines.filter(([first]) => first === keyword).map(([, ...rest]) => rest)
  const options = of('options').flat()
  const ndots = options.flatMap((option) => /^ndots:(\d+)/.exec(option)?.[1] ?? []).at(-1) ?? '1'
  const search = lines.findLast(([first]) => first === 'search' || first === 'domain')?.slice(1) ?? []
  return {
    nameservers: of('nameserver')
      .flatMap(([address]) => address ?? [])
      .filter((address) => isIP(withoutZone(address)) !== 0)
      .slice(0, MOST_NAMESERVERS),
    search: search.map((domain) => domain.replace(/\.$/, '')).filter(Boolean),
    ndots: Math.min(Number(ndots), MOST_NDOTS),
    options: options.filter((option) => !option.startsWith('ndots:')),
  }
}

/** The cluster's domain, as a pod's search list says it ("svc.<domain>", kubelet's ClusterFirst); null: it names none. */
export function clusterDomainIn(search: readonly string[]): string | null {
  return search.find((domain) => domain.startsWith('svc.'))?.slice('svc.'.length) ?? null
}
