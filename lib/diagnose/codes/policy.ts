/** The codes of NetworkPolicies: what they deny, and what they were meant to deny. Part of CODES. */
import type { CodeText } from './text.ts'

export const POLICY = {
  POLICY_DENIES: {
    kind: 'fail',
    means:
      'A NetworkPolicy (networking.k8s.io/v1) selects one of the two ends, none of its rules allows this, and indeed nothing gets through.',
    remedy:
      'Add the rule that is named to the policy: `kubectl -n <namespace> edit networkpolicy <name>`. If it is meant to be denied, say so: EXPECT_DENIED.',
  },
  POLICY_NOT_ENFORCED: {
    kind: 'fail',
    means:
      'EXPECT_DENIED names it, and a NetworkPolicy denies it, yet it was reached: nothing on the way enforces the policy. Of a ping only a warning: some CNIs always let ICMP pass.',
    remedy:
      'Look whether the CNI enforces NetworkPolicies (flannel alone does not) and whether its agent on both nodes is well: `kubectl -n kube-system get pods -o wide`, then its log.',
  },
  EXPECTED_DENIED_BUT_REACHED: {
    kind: 'fail',
    means: 'EXPECT_DENIED names it, but no NetworkPolicy denies it, and it was reached.',
    remedy:
      'See which policies select the pods: `kubectl get networkpolicy -A`, `kubectl get pod <pod> --show-labels`. A policy without the direction in policyTypes, or with a selector that misses the pod, denies nothing.',
  },
} as const satisfies Record<string, CodeText>
