/** resolv.conf(5), as the resolver of glibc reads it: pure. */
import type { ResolvConf } from './types.ts'

/** glibc reads no more than three nameservers (MAXNS); the last `search` or `domain` line wins; ndots is 1 unless set. */
export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const of = (keyword: string) => lines.filter(([first]) => first === keyword).map(([, ...rest]) => rest)
  const options = of('options').flat()
  const ndots = options.findLast((option) => option.startsWith('ndots:'))
  const search = lines.findLast(([first]) => first === 'search' || first === 'domain')?.slice(1) ?? []
  return {
    nameservers: of('nameserver')
      .flatMap(([address]) => address ?? [])
      .slice(0, 3),
    search: search.map((domain) => domain.replace(/\.$/, '')),
    ndots: ndots === undefined ? 1 : Number(ndots.slice('ndots:'.length)),
  }
}
