/** Which of the cluster's questions a joined finding answers. Pure. */
import type { Result } from '../types.ts'

/**
 * What a question of the cluster is about, in the words of `touchedBy` and of groups: "node checks", "pods checks", "pairs pods 4",
 * "zones 4", "size pods 6", "replicas 4", "differences"; null: no finding can answer it.
 */
export function keyOf({ file, family }: Pick<Result, 'file' | 'family'>): string | null {
  switch (/([\w-]+)\.test\.ts$/.exec(file)?.[1]) {
    case 'node-checks':
      return 'node checks'
    case 'pod-checks':
      return 'pod checks'
    case 'node-pairs':
      return `pairs nodes ${family}`
    case 'pod-pairs':
      return `pairs pods ${family}`
    case 'zone-pairs':
      return `zones ${family}`
    case 'packet-size':
      return `size pods ${family}`
    case 'dns-replicas':
      return `replicas ${family}`
    case 'settings-alike':
      return 'differences'
    default:
      return null
  }
}
