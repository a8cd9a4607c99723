/** What /proc/<pid>/cgroup tells about a process's pod. Pure. */

/**
 * `pod<uid>` as the kubelet names it (pkg/kubelet/cm): cgroupfs with dashes, systemd with underscores, static pods
 * with 32 hexadecimal digits. What follows ends it: a slash, `.slice`, or the colon of a path that a cgroupfs runtime
 * was given under a systemd kubelet. Cut paths of a private cgroup namespace (`/../pod...`) match as well.
 */
const POD = /(?:^|[/-])pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=[/:]|$)/g
const MONITOR = /\/crio-conmon-[0-9a-f]{64}/

/**
 * The pod uids in a cgroup file (lines `hierarchy:controllers:path`), with dashes, outermost first; none for a process
 * outside any pod. A cluster whose nodes are containers in pods (kind) has several on one path.
 */
export function podUids(cgroup: string): string[] {
  const paths = cgroup.split('\n').map((line) => line.split(':').slice(2).join(':'))
  const uids = paths.flatMap((path) => [...path.matchAll(POD)].map((match) => (match[1] ?? '').replaceAll('_', '-')))
  return [...new Set(uids)]
}

/** CRI-O's conmon sits in the pod's cgroup but in the node's namespaces. */
export const isMonitor = (cgroup: string): boolean => MONITOR.test(cgroup)
