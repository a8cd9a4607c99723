/** What /proc/<pid>/cgroup tells about a process's pod. Pure. */

/**
 * `pod<uid>` as the kubelet names it (pkg/kubelet/cm): cgroupfs with dashes, systemd with underscores, static pods with 32
 * hexadecimal digits. What follows ends it: a slash, `.slice`, or the colon of a path that a cgroupfs runtime was given
 * under a systemd kubelet. Cut paths of a private cgroup namespace (`/../pod...`) match as well.
 */
const POD = /(?:^|[/-])pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=[/:]|$)/
const MONITOR = /\/crio-conmon-[0-9a-f]{64}/

/**
 * The pod uid of a cgroup file (lines `hierarchy:controllers:path`), with dashes; null for a process outside any pod.
 * A container of a pod inside a pod (kind) has several: the innermost is the one that this node's kubelet does not know,
 * so the outermost counts.
 */
export function podUid(cgroup: string): string | null {
  for (const line of cgroup.split('\n')) {
    const path = line.split(':').slice(2).join(':')
    const uid = POD.exec(path)?.[1]
    if (uid !== undefined) return uid.replaceAll('_', '-')
  }
  return null
}

/** CRI-O's conmon sits in the pod's cgroup but in the node's namespaces. */
export const isMonitor = (cgroup: string): boolean => MONITOR.test(cgroup)
