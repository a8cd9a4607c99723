/** Accounts that may do what deploy/'s ClusterRole grants, less something. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { load } from 'js-yaml'
import type { Cluster } from '../bed/kubernetes/cluster.ts'

const ROLE = fileURLToPath(new URL('../../deploy/base/clusterrole.yaml', import.meta.url))
const RBAC = 'rbac.authorization.k8s.io'

interface Rule {
  readonly apiGroups?: readonly string[]
  readonly resources?: readonly string[]
  readonly nonResourceURLs?: readonly string[]
  readonly verbs: readonly string[]
}

/** "get pods", "list endpointslices.discovery.k8s.io", "get /livez": as the reports word what is forbidden. */
export type Right = string

const nameOf = (verb: string, group: string, resource: string): Right =>
  `${verb} ${group === '' ? resource : `${resource}.${group}`}`

/** Each right as a rule of its own. */
function rights(): ReadonlyMap<Right, Rule> {
  const { rules } = load(readFileSync(ROLE, 'utf8')) as { rules: readonly Rule[] }
  const single = rules.flatMap(({ apiGroups = [], resources = [], nonResourceURLs = [], verbs }) =>
    verbs.flatMap((verb): (readonly [Right, Rule])[] => [
      ...apiGroups.flatMap((group) =>
        resources.map(
          (resource) =>
            [nameOf(verb, group, resource), { apiGroups: [group], resources: [resource], verbs: [verb] }] as const,
        ),
      ),
      ...nonResourceURLs.map((url) => [`${verb} ${url}`, { nonResourceURLs: [url], verbs: [verb] }] as const),
    ]),
  )
  return new Map(single)
}

/** Every right of the role. */
export const allRights = (): readonly Right[] => [...rights().keys()]

/** Path of a kubeconfig with the token of an account that has all rights but some. `name`: of the account. */
export async function accountWithout(cluster: Cluster, name: string, missing: readonly Right[]): Promise<string> {
  const known = rights()
  const strange = missing.filter((right) => !known.has(right))
  if (strange.length > 0) throw new Error(`the role has no right ${strange.join(', ')}: ${allRights().join(', ')}`)
  const rules = [...known].flatMap(([right, rule]) => (missing.includes(right) ? [] : [rule]))
  const account = { name, namespace: 'default' }
  const bound = { kind: 'ServiceAccount', ...account }
  await cluster.apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
    { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name }, rules },
    {
      ...{ apiVersion: `${RBAC}/v1`, kind: 'ClusterRoleBinding', metadata: { name } },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
      subjects: [bound],
    },
  ])
  const request = { method: 'POST', body: { spec: { expirationSeconds: 3600 } } } as const
  const path = `/api/v1/namespaces/default/serviceaccounts/${name}/token`
  const { status } = await cluster.api<{ status: { token: string } }>(path, request)
  return writeKubeconfig(cluster, name, status.token)
}

/** The admin's with another user. JSON is YAML. */
function writeKubeconfig(cluster: Cluster, name: string, token: string): string {
  const admin = JSON.parse(readFileSync(cluster.kubeconfig, 'utf8')) as { contexts: { context: object }[] }
  const [context] = admin.contexts
  const path = join(cluster.dir, `${name}.kubeconfig`)
  const users = [{ name, user: { token } }]
  writeFileSync(
    path,
    JSON.stringify({ ...admin, users, contexts: [{ ...context, context: { ...context?.context, user: name } }] }),
  )
  return path
}

/** What every account may do by default, the token of a Job among them: health, version and discovery. */
const DEFAULTS = ['system:public-info-viewer', 'system:discovery', 'system:basic-user']

/** As in a hardened cluster: nobody but the cluster's own parts has those rights. */
export async function withoutDefaults(cluster: Cluster): Promise<void> {
  const groups = ['system:masters', 'system:nodes', 'system:serviceaccounts:kube-system']
  const users = ['system:kube-controller-manager', 'system:kube-scheduler', 'system:kube-proxy']
  const subjects = [
    ...groups.map((name) => ({ apiGroup: RBAC, kind: 'Group', name })),
    ...users.map((name) => ({ apiGroup: RBAC, kind: 'User', name })),
  ]
  for (const name of DEFAULTS) {
    const path = `/apis/${RBAC}/v1/clusterrolebindings/${name}`
    await cluster.api(path, { method: 'PATCH', body: { subjects } })
  }
}
