/** What the set-up learns about node and cluster for a later comparison: versions, the CNI's configuration, DNS replicas. Sends nothing. */
import { readdirSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import type { ClusterDns, Fact, StateFact } from './types.ts'

/** Where the runtimes look unless they are told otherwise; they take the first file by name. */
const CNI_DIR = '/etc/cni/net.d'

export interface EnvironmentFacts {
  readonly cluster: Fact<{ readonly version: string }>
  /** Of the Node object: containerd://1.6.20. */
  readonly runtimeVersion: string | null
  readonly dns: Fact<ClusterDns>
  /** Where the node's file system is seen: /proc/1/root, or '' for our own. */
  readonly root: string
}

export function environmentFacts({ cluster, runtimeVersion, dns, root }: EnvironmentFacts): StateFact[] {
  return [
    { topic: 'kernel', name: 'kernel release', value: release() },
    fact('kubernetes', 'API server version', cluster, ({ version }) => version),
    runtimeVersion === null
      ? unknown('runtime', 'container runtime', 'the Node object could not be read')
      : { topic: 'runtime', name: 'container runtime', value: runtimeVersion },
    cniFact(root),
    fact('dns', 'ready replicas of the cluster DNS', dns, ({ replicas }) => {
      return new Set(replicas.flatMap(({ pod, address, ready }) => (ready ? [pod ?? address] : []))).size
    }),
  ]
}

function fact<T>(
  topic: StateFact['topic'],
  name: string,
  from: Fact<T>,
  value: (known: T) => string | number,
): StateFact {
  if (from.state === 'known') return { topic, name, value: value(from.value) }
  return unknown(topic, name, from.state === 'unknown' ? from.reason : `needs ${from.need}, ${from.finding}`)
}

const unknown = (topic: StateFact['topic'], name: string, why: string): StateFact => ({ topic, name, value: null, why })

/** File, plug-ins and version; never what else stands in it. */
function cniFact(root: string): StateFact {
  const name = 'CNI configuration'
  try {
    const dir = join(root, CNI_DIR)
    const [file] = readdirSync(dir)
      .filter((one) => /\.(?:conf|conflist|json)$/.test(one))
      .sort()
    if (file === undefined) return unknown('cni', name, `there is none in ${CNI_DIR}`)
    const plugins = cniPlugins(readFileSync(join(dir, file), 'utf8'))
    return plugins === null
      ? unknown('cni', name, `${CNI_DIR}/${file} is no CNI configuration`)
      : { topic: 'cni', name, value: `${file}: ${plugins}` }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable'
    return unknown('cni', name, `${CNI_DIR} cannot be read (${code})`)
  }
}

/** "calico, portmap, bandwidth (CNI 0.3.1)" of a configuration or a list of them; null: it is neither. Pure. */
export function cniPlugins(text: string): string | null {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return null
  }
  const { type, plugins, cniVersion } = (data ?? {}) as { type?: unknown; plugins?: unknown; cniVersion?: unknown }
  const types = Array.isArray(plugins) ? plugins.map((one) => (one as { type?: unknown } | null)?.type) : [type]
  if (types.length === 0 || !types.every((one) => typeof one === 'string')) return null
  return `${types.join(', ')}${typeof cniVersion === 'string' ? ` (CNI ${cniVersion})` : ''}`
}
