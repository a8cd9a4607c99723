/** Whether a node has addresses left for its pods. Pure. */
import type { AddressPool } from '../../types.ts'
import { fine, type StateVerdict } from './verdict.ts'

const LOW = 0.9
const LEAKED = 0.5

/**
 * Codes: ADDRESS_POOL_EXHAUSTED (every address is leased), ADDRESS_POOL_LOW (more than 90 % are in use), ADDRESS_LEAKED (more than
 * half are leased to sandboxes that do not exist); the last two are warnings.
 */
export function judgePool({ range, size, used, leaked, directory }: AddressPool): StateVerdict {
  const what = directory === null ? 'pods' : `leases in ${directory}`
  const leaks = leaked === null || leaked === 0 ? '' : `; ${leaked} of them of sandboxes that do not exist`
  const detail = `${used} of ${size} addresses of ${range} are in use, by ${what}${leaks}`
  const evidence = [
    { kind: 'scalar', name: `addresses of ${range}`, value: size } as const,
    { kind: 'scalar', name: 'in use', value: used } as const,
    ...(leaked === null ? [] : [{ kind: 'scalar', name: 'leaked', value: leaked } as const]),
  ]
  const said = (is: 'broken' | 'doubtful', code: string): StateVerdict => ({
    is,
    code,
    detail,
    hint: hintFor(leaked ?? 0, directory),
    evidence,
  })
  // by pods alone it is not known what else the CNI takes from the range
  if (directory !== null && used >= size) return said('broken', 'ADDRESS_POOL_EXHAUSTED')
  if (leaked !== null && leaked > size * LEAKED) return said('doubtful', 'ADDRESS_LEAKED')
  return used > size * LOW ? said('doubtful', 'ADDRESS_POOL_LOW') : fine(detail, evidence)
}

function hintFor(leaked: number, directory: string | null): string {
  if (leaked === 0 || directory === null) {
    return 'Move pods away (`kubectl drain <node>`), or lower kubelet’s --max-pods; a larger range for each node takes node-cidr-mask-size, and new Node objects.'
  }
  return `Delete the leases of sandboxes that do not exist: the first line of each file in ${directory} is a sandbox's id, which \`crictl pods -q --no-trunc\` must know. This lists the others: \`cd ${directory} && for f in *.*.*.* *:*; do crictl pods -q --no-trunc | grep -q "$(head -1 $f | tr -d '\\r')" || echo $f; done\`.`
}
