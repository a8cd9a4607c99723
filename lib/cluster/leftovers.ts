/** Objects that earlier runs have left behind: their guard was killed with them, or could not reach the API server. */
import type { Kube, V1ObjectMeta } from '../kube/index.ts'
import { deletionOf, kindOf, type Named } from './hands.ts'
import { EXPIRES, RUN_LABEL } from './objects.ts'

export interface Leftover {
  readonly run: string
  readonly owner: Named
  readonly expired: string
}

interface Owner {
  readonly metadata?: V1ObjectMeta
}

/** Owners of runs whose time is over. Those that may not be listed are not looked for. */
export async function leftoversOf(kube: Kube, namespace: string, now = Date.now()): Promise<readonly Leftover[]> {
  const options = { labelSelector: RUN_LABEL, metadataOnly: true }
  const found = await Promise.all(
    (['ClusterRole', 'ConfigMap'] as const).map(async (kind): Promise<Leftover[]> => {
      const at = kind === 'ConfigMap' ? namespace : null
      const list = await kube.list<Owner>(kindOf(kind), { ...options, namespace: at })
      if (list.state !== 'known') return []
      return list.value.items.flatMap(({ metadata }) => {
        const expired = metadata?.annotations?.[EXPIRES] ?? ''
        const over = Date.parse(expired) < now
        const owner = { kind, namespace: at, name: metadata?.name ?? '' }
        return over ? [{ run: metadata?.labels?.[RUN_LABEL] ?? '', owner, expired }] : []
      })
    }),
  )
  return found.flat()
}

/** What is there, and the command that removes it. */
export function sentenceOf({ run, owner, expired }: Leftover): string {
  return `run ${run}, over since ${expired}, left its objects behind: \`${deletionOf(owner)}\`, or REMOVE_LEFTOVERS=1.`
}
