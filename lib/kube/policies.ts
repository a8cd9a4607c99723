/** Which pods NetworkPolicies select. Pure. Only networking.k8s.io/v1: a CNI's own policies are not read. */
import type { V1LabelSelector, V1NetworkPolicy, V1NetworkPolicySpec } from '@kubernetes/client-node'
import type { PodObject } from './objects.ts'

export type Direction = 'Ingress' | 'Egress'

/** policyTypes unset: Ingress always, Egress when the policy has egress rules (networking/v1 types). */
export function directionsOf(spec: V1NetworkPolicySpec | undefined): readonly string[] {
  return spec?.policyTypes ?? (spec?.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'])
}

/** Names of the policies that limit what may reach (Ingress) or leave (Egress) the pod. */
export function policiesOn(pod: PodObject, policies: readonly V1NetworkPolicy[], direction: Direction): string[] {
  return policies
    .filter(
      ({ metadata, spec }) =>
        metadata?.namespace === pod.namespace &&
        directionsOf(spec).includes(direction) &&
        selects(spec?.podSelector, pod.labels),
    )
    .map(({ metadata }) => metadata?.name ?? '')
    .sort()
}

/** Whether a label selector matches; an empty one matches everything. */
export function selects(selector: V1LabelSelector | undefined, labels: Readonly<Record<string, string>>): boolean {
  const exact = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  return (
    exact &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      const among = value !== undefined && values.includes(value)
      return operator === 'In' ? among : !among
    })
  )
}
