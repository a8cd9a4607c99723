/** What a node's pod says about how far it is, and why it does not come further. Pure. */
import type { V1Pod } from '../kube/index.ts'
import type { NodeRun } from '../types.ts'

export type Problem = NonNullable<NodeRun['problem']>

/** How far the pod of a node is. */
export type Progress =
  | { readonly state: 'waiting' }
  | { readonly state: 'running' }
  | { readonly state: 'ended'; readonly exitCode: number }
  | { readonly state: 'refused'; readonly problem: Problem }

/** Reasons of a waiting container that do not go away by themselves within the time of a run (kubelet images/types.go, kuberuntime). */
const NO_IMAGE = new Set(['ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError'])
const NO_CONTAINER = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'CreatePodSandboxError',
])

/** Codes: IMAGE_NOT_PULLED, NODE_REFUSED_POD. */
export function progressOf({ status }: V1Pod): Progress {
  const state = status?.containerStatuses?.[0]?.state
  if (state?.terminated) return { state: 'ended', exitCode: state.terminated.exitCode }
  const { reason = '', message = '' } = state?.waiting ?? {}
  if (NO_IMAGE.has(reason)) return refused('IMAGE_NOT_PULLED', `${reason}: ${message}`, IMAGE_HINT)
  if (NO_CONTAINER.has(reason))
    return refused('NODE_REFUSED_POD', `the container could not be started: ${reason}: ${message}`, CONTAINER_HINT)
  if (status?.phase === 'Failed') {
    const why = [status.reason, status.message].filter(Boolean).join(': ') || 'no reason is given'
    return refused('NODE_REFUSED_POD', `the node did not take the pod: ${why}`, hintFor(status.reason))
  }
  return { state: state?.running ? 'running' : 'waiting' }
}

const refused = (code: string, reason: string, hint: string): Progress => ({
  state: 'refused',
  problem: { code, reason: reason.replace(/: $/, '').slice(0, 400), hint },
})

const IMAGE_HINT =
  'Name an image that this node can pull: IMAGE=<registry>/k8snetlook:<tag>; for a private registry add imagePullSecrets to the ServiceAccount k8snetlook.'
const CONTAINER_HINT = 'See the kubelet’s and the runtime’s journal on the node: `journalctl -u kubelet -u containerd`.'

/** Kubelet's reasons when it refuses a pod that is bound to it (kubelet lifecycle/predicate.go, eviction). */
function hintFor(reason: string | undefined): string {
  if (reason?.startsWith('OutOf')) {
    return 'The node is full: free what is named, or lower the requests in deploy/base/job.yaml.'
  }
  if (reason === 'Evicted') return 'The node is short of a resource: see `kubectl describe node`.'
  if (reason === 'DeadlineExceeded') return 'Give it more time: NODE_TIMEOUT=<seconds>.'
  return 'See `kubectl describe node` and the kubelet’s journal.'
}

/** Why no pod came of a Job, from the messages of its FailedCreate events. Code: POD_NOT_ADMITTED. */
export function admissionProblem(messages: readonly string[]): Problem {
  const [first] = messages
  const reason = first ?? 'the Job controller made no pod, and no event says why'
  return { code: 'POD_NOT_ADMITTED', reason: reason.slice(0, 600), hint: admissionHint(reason) }
}

/** What to change where the API server does not let the pod in. */
export function admissionHint(message: string): string {
  if (/PodSecurity/.test(message)) {
    return 'Label the namespace: `kubectl label namespace <namespace> pod-security.kubernetes.io/enforce=privileged --overwrite`; or exempt it in the PodSecurity configuration.'
  }
  if (/exceeded quota|failed quota/.test(message)) {
    return 'Raise the ResourceQuota that is named, or run in another namespace: RUN_NAMESPACE=<namespace>.'
  }
  if (/forbidden: maximum|LimitRange|minimum (?:cpu|memory)/.test(message)) {
    return 'Change the LimitRange of the namespace, or run in another one: RUN_NAMESPACE=<namespace>.'
  }
  if (/security context constraint/i.test(message)) {
    return 'On OpenShift: `oc adm policy add-scc-to-user privileged -z k8snetlook -n <namespace>`.'
  }
  if (/admission webhook/.test(message)) return 'Exempt the namespace from the policy that is named.'
  return 'See the events: `kubectl get events -n <namespace>`; and whether the Job controller runs.'
}
