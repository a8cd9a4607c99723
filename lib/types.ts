/**
 * The words that every room shares: plain data, no code.
 * Everything here crosses process borders (Vitest's provide, task.meta) and must survive structuredClone and JSON.
 */

/** IP version: 4 or 6. */
export type Family = 4 | 6

/** Where a question is asked from: the node's network namespace or the source pod's. */
export type Place = 'node' | 'pod'

/** What a result is about: a place, or all nodes together. */
export type Scope = Place | 'cluster'

/** One measured or read fact that a report shows. */
export type Evidence =
  | {
      readonly kind: 'scalar'
      readonly name: string
      readonly value: string | number | boolean
      readonly unit?: string
    }
  | { readonly kind: 'samples'; readonly name: string; readonly values: readonly number[]; readonly unit: string }
  | {
      readonly kind: 'table'
      readonly name: string
      readonly columns: readonly string[]
      readonly rows: readonly (readonly (string | number | boolean | null)[])[]
      /** rows that were left out because the table is capped */
      readonly omitted?: number
    }
  | {
      readonly kind: 'path'
      readonly name: string
      readonly hops: readonly Hop[]
      /** Set when the path's MTU was measured. */
      readonly mtu?: PathMtuFigures
    }

/** One station of a path, in order from the source. */
export interface Hop {
  readonly name: string
  readonly address?: string
  /** Bytes: of the link that leads on from here, at the last station of the path as a whole. */
  readonly mtu?: number
  readonly note?: string
  /** Packets that are too big end between here and the next station. */
  readonly stops?: boolean
}

/** The figures of a measured path, bytes. */
export interface PathMtuFigures {
  readonly promised: number
  /** null: not known exactly. */
  readonly measured: number | null
  /** Address of who said that larger packets do not fit; null: nobody. */
  readonly signalledBy: string | null
}

export type Protocol = 'icmp' | 'tcp' | 'udp' | 'sctp'

/** Something that is asked. `role` is stable over runs; the other fields are the instance of this run. */
export interface Target {
  readonly role: string
  readonly name: string
  readonly address: string
  readonly family: Family
  readonly protocol?: Protocol
  readonly port?: number
  readonly node?: string
  readonly zone?: string
}

/** Stable failure code, SCREAMING_SNAKE, documented in lib/diagnose/codes.ts and in the README. */
export type Code = string

/** What one target's answer means; code null: it answered as it should. ms: time to the answer. */
export interface Answer {
  readonly target: Target
  readonly code: Code | null
  /** As a person would say it: "no answer in 3 s", "refused". */
  readonly said: string
  readonly ms: number | null
  /** It answered, but only to a repeat: the first packet, or its answer, was lost. */
  readonly resent?: boolean
  /** The measured path MTU to it, bytes. */
  readonly mtu?: number
  /** It was not reached, and need not be (a policy means that): neither an answer nor a fault. */
  readonly excused?: boolean
}

/**
 * What a probe returns: network failure is data, never an exception (design: outcome, not exceptions).
 * `answers`: of each target by itself, where several were asked; the diagnosis compares those that failed with those that did not.
 */
export type Outcome<T> =
  | {
      readonly ok: true
      readonly value: T
      readonly detail?: string
      readonly evidence: readonly Evidence[]
      readonly answers?: readonly Answer[]
    }
  | {
      readonly ok: false
      readonly code: Code
      readonly detail: string
      readonly evidence: readonly Evidence[]
      readonly answers?: readonly Answer[]
    }

/**
 * A fact of the plan. `unknown`: we could not look (the check is inconclusive).
 * `absent`: we looked, and it does not exist or was not asked for (the check does not apply).
 */
export type Fact<T> =
  | { readonly state: 'known'; readonly value: T }
  | { readonly state: 'unknown'; readonly code: Code; readonly reason: string; readonly hint: string }
  | { readonly state: 'absent'; readonly need: string; readonly finding: string }

export type Verdict = 'pass' | 'warn' | 'fail' | 'inconclusive' | 'not-applicable'

/** Everything that setup found out, and everything a worker may know. Never holds a token, key or credential. */
export interface Plan {
  readonly runId: string
  /** Probing parameters taken from the settings. */
  readonly probes: number
  readonly strict: boolean
  /** The kernel may be asked for its reasons of drops, which writes below tracefs. */
  readonly trace: boolean
  /** The path MTU that pods must have between them, bytes; null: what they are promised. */
  readonly expectedMtu: number | null
  readonly node: NodeFacts
  /** Another node, to ask from this one. */
  readonly peerNode: Fact<PeerNode>
  readonly clusterNodes: Fact<ClusterNodes>
  readonly api: ApiFacts
  readonly source: Fact<Source>
  /** The destination pod, by fixed row. Each pod has at most one address a family. */
  readonly destinations: Readonly<Record<DestinationRow, Fact<PodTarget>>>
  readonly service: Fact<ServiceFacts>
  /** A service that has the source pod among its ready endpoints: the destination service if it has. */
  readonly ownService: Fact<ServiceFacts>
  readonly dns: Fact<ClusterDns>
  /** What NetworkPolicies say about the ways that the pod checks try. */
  readonly policies: Fact<PolicyFacts>
  /** What the user expects to be denied (EXPECT_DENIED). */
  readonly expectDenied: readonly ExpectedDenial[]
  /** Where this node's pods have their addresses from; absent: not from the ranges of its Node object. */
  readonly addressPools: Fact<readonly AddressPool[]>
  /** The external address of each family. */
  readonly external: Readonly<Record<'ipv4' | 'ipv6', Fact<string>>>
  /** A name outside of the cluster. */
  readonly externalName: Fact<string>
  /** Nodes to ask in a run over all nodes (PEERS); empty: this run is about one node. */
  readonly peers: readonly Peer[]
  /** What was picked or found, which way, and why: shown in every report. */
  readonly notes: readonly string[]
  /** What stands in the way of looking, beside unknown facts: bad settings, a missing capability. Listed by the preflight checks. */
  readonly obstacles: readonly Obstacle[]
  /** Why no check may send anything at all (bad settings, another run); null in every other run. */
  readonly unusable: { readonly code: Code; readonly reason: string; readonly hint: string } | null
  /** The settings as the report shows them, without secrets. */
  readonly settings: readonly { readonly name: string; readonly value: string }[]
  /** What the set-up itself learned about node and cluster; the checks add theirs. */
  readonly environment: readonly StateFact[]
}

export interface Obstacle {
  readonly place: Place
  readonly code: Code
  readonly reason: string
  readonly hint: string
}

export type DestinationRow = 'named' | 'other-node' | 'same-node'

export interface NodeFacts {
  readonly name: string
  /** How the name was found: NODE_NAME, the Node object with a local address, or the host name. */
  readonly nameFrom: 'setting' | 'node-object' | 'hostname'
  /** Path of the node's network namespace, null when it is the suite's own. */
  readonly netnsPath: string | null
  /** Inode of the node's network namespace. */
  readonly netns: string
  readonly internalIPs: readonly string[]
  /** Whether a local address is the Node object's InternalIP; null when the Node object is unknown. */
  readonly addressMatches: boolean | null
  /** Ranges that the Node object reserves for its pods; not every CNI takes them from there. */
  readonly podCIDRs: readonly string[]
  /** Port of the kubelet's API; null: the Node object does not say. */
  readonly kubeletPort: number | null
}

/** A node that is asked by its own addresses. */
export interface PeerNode {
  readonly name: string
  /** Its InternalIPs. */
  readonly addresses: readonly string[]
  /** InternalIPs of all nodes that were read: what is reached at one of them is inside the cluster. */
  readonly known: readonly string[]
}

/** The cluster's nodes; in a very large one only some of them were read. */
export interface ClusterNodes {
  readonly nodes: readonly ClusterNode[]
  readonly complete: boolean
}

export interface ClusterNode {
  readonly name: string
  readonly ready: boolean
  /** A kubelet with a container runtime stands behind it: not a virtual node. */
  readonly runsPods: boolean
  /** Addresses of the machine, and those that the CNI says it uses for its tunnels. */
  readonly addresses: readonly string[]
  readonly podCIDRs: readonly string[]
}

/** What the kubeconfig (or in-cluster account) says about the API server, without credentials. */
export interface ApiServer {
  readonly url: string
  /** Where the configuration came from: a path or "in-cluster". */
  readonly from: string
  readonly host: string
  readonly port: number
  /** Addresses that `host` resolves to, resolved once in the main process. */
  readonly addresses: readonly string[]
  /** Why `host` does not resolve; `addresses` is empty then. */
  readonly unresolved?: string
  /** Name to verify the certificate against. */
  readonly serverName: string
  /** PEM bundle, or null: the system's roots. */
  readonly ca: string | null
  /** insecure-skip-tls-verify was set. */
  readonly insecure: boolean
  /** proxy-url was set: the addresses need not be reachable, or known, from here. */
  readonly viaProxy?: boolean
}

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail?: string
}

export interface ApiFacts {
  readonly server: Fact<ApiServer>
  /** Authenticated `/livez?verbose` and `/readyz?verbose`, asked in the main process. */
  readonly livez: Fact<Outcome<readonly HealthCheck[]>>
  readonly readyz: Fact<Outcome<readonly HealthCheck[]>>
  /** Service default/kubernetes. */
  readonly service: Fact<{ readonly clusterIPs: readonly string[]; readonly port: number }>
  /** EndpointSlices of default/kubernetes. */
  readonly endpoints: Fact<readonly Endpoint[]>
  /** The cluster's CA (kubeconfig, else the kube-root-ca.crt ConfigMap), PEM. */
  readonly ca: Fact<string>
  readonly cluster: Fact<{ readonly uid: string; readonly version: string }>
}

/** One address of an EndpointSlice with one port. */
export interface Endpoint {
  readonly address: string
  readonly family: Family
  readonly port: number
  readonly protocol: Protocol
  readonly portName: string
  readonly ready: boolean
  /** Set when it is being deleted but still serves: used where no ready endpoint is left (KEP-1669). */
  readonly lastResort?: boolean
  /** Topology hints name zones or nodes for it: a proxy may use a part of the endpoints only. */
  readonly hinted?: boolean
  readonly pod?: string
  readonly node?: string
  readonly zone?: string
}

/** The source pod, found on this node. */
export interface Source {
  readonly namespace: string
  readonly name: string
  readonly uid: string | null
  readonly addresses: readonly string[]
  readonly hostNetwork: boolean
  /** e.g. /proc/1234/ns/net or a pinned /run/netns/... ; the node's when hostNetwork. */
  readonly netnsPath: string
  /** Inode number of that namespace, as text. */
  readonly netns: string
  /** A process in the pod, when the runtime told one: lets /proc/<pid>/root and /proc/<pid>/net be read. */
  readonly pid: number | null
  /** "CRI containerd 1.6.20 at /run/containerd/containerd.sock", "cgroup scan", ... */
  readonly foundBy: string
  readonly dnsPolicy: string | null
  readonly resolv: Fact<ResolvConf>
  readonly workload: string | null
}

export interface ResolvConf {
  readonly nameservers: readonly string[]
  readonly search: readonly string[]
  readonly ndots: number
  /** Its other options, as written: "timeout:2", "single-request-reopen". */
  readonly options: readonly string[]
}

export interface PodTarget {
  readonly namespace: string
  readonly name: string
  readonly node: string | null
  readonly zone?: string
  readonly addresses: readonly string[]
  /** Declared container ports and endpoint target ports, deduplicated; TCP only. */
  readonly tcpPorts: readonly number[]
  readonly hostNetwork: boolean
  readonly why: string
  /** The pod's own network namespace: of a pod on this node that does not use the host's. */
  readonly namespaceHere?: Fact<{ readonly netnsPath: string; readonly netns: string }>
}

/** One range of addresses for the pods of this node. */
export interface AddressPool {
  readonly family: Family
  readonly range: string
  /** Addresses that pods can have. */
  readonly size: number
  readonly used: number
  /** Leases of sandboxes that do not exist; null: not looked at. */
  readonly leaked: number | null
  /** Where the leases are; null: there are none, and the pods were counted. */
  readonly directory: string | null
}

export interface ServicePort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  readonly nodePort?: number
}

/** How a service is reached beside its ClusterIPs, as far as it is. */
export interface ServiceOutside {
  readonly externalIPs: readonly string[]
  /** Of status.loadBalancer, those that a node itself answers for (ipMode VIP). */
  readonly loadBalancerIPs: readonly string[]
  /** spec.loadBalancerSourceRanges. */
  readonly sourceRanges: readonly string[]
  /** externalTrafficPolicy Local: a node without an endpoint drops what comes from outside, by design. */
  readonly localOnly: boolean
}

export interface ServiceFacts {
  readonly namespace: string
  readonly name: string
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  /** Empty for headless and ExternalName services. */
  readonly clusterIPs: readonly string[]
  readonly headless: boolean
  readonly externalName: string | null
  readonly ports: readonly ServicePort[]
  /** Every endpoint of every slice, ready or not. */
  readonly endpoints: Fact<readonly Endpoint[]>
  readonly internalTrafficLocal: boolean
  /** sessionAffinity ClientIP: one client meets one endpoint only. */
  readonly sessionAffinity?: boolean
  /** The label service.kubernetes.io/service-proxy-name: another proxy than kube-proxy serves it. */
  readonly otherProxy?: string
  /** Absent: by its ClusterIPs alone. */
  readonly outside?: ServiceOutside
  readonly why: string
}

export interface ClusterDns {
  /** ClusterIPs of the cluster's DNS service. */
  readonly clusterIPs: readonly string[]
  readonly service: string
  readonly replicas: readonly Endpoint[]
  readonly internalTrafficLocal?: boolean
}

/** What NetworkPolicies (networking.k8s.io/v1) say, evaluated once in the set-up. */
export interface PolicyFacts {
  /** Names of those that select the source pod. */
  readonly egress: readonly string[]
  readonly ingress: readonly string[]
  /** Ways that they do not plainly allow. A way that is not here is allowed, or was not looked at. */
  readonly limits: readonly PolicyLimit[]
  /** Destination pods that may not send to the source pod, by row, with the reason. */
  readonly wayBack: Readonly<Partial<Record<DestinationRow, string>>>
  /** Kinds of policies that exist in the cluster and are not evaluated: CiliumNetworkPolicy and the like. */
  readonly others: readonly string[]
  /** Kinds of policies of which it could not be seen whether there are any. */
  readonly unseen: readonly string[]
}

/** A way from the source pod that is denied, or of which the API alone cannot say. */
export interface PolicyLimit {
  /** partly: of a virtual address, some of its backends are denied. unsure: it depends on the CNI, or on what could not be read. */
  readonly verdict: 'denied' | 'partly' | 'unsure'
  readonly addresses: readonly string[]
  readonly protocol: Protocol
  /** null: ICMP. */
  readonly port: number | null
  /** A sentence with the names of the policies. */
  readonly why: string
  /** CNIs differ in whether they let it pass all the same: ping, and the pod's own node. */
  readonly varies: boolean
  readonly missing: readonly MissingRule[]
}

/** The rule that would allow it. */
export interface MissingRule {
  readonly direction: 'ingress' | 'egress'
  readonly namespace: string
  /** The policy to add it to. */
  readonly policy: string
  /** That policy has rules for the direction already. */
  readonly hasRules: boolean
  /** A NetworkPolicyPeer. */
  readonly peer: Readonly<Record<string, unknown>>
  /** None: every port, and ICMP. */
  readonly ports: readonly { readonly protocol: string; readonly port: number }[]
}

/** One entry of EXPECT_DENIED. */
export interface ExpectedDenial {
  /** role: pod, service, dns, api or external; name: of a pod or Service, with or without namespace/. */
  readonly kind: 'role' | 'address' | 'name'
  readonly value: string
  /** null: every port, and ping. */
  readonly port: number | null
}

/** What the diagnosis says about one or more failing checks: one cause, how it is known, what to do. */
export interface Finding {
  /** Unique in a report: its code and its place in the order. */
  readonly id: string
  readonly code: Code
  /** One sentence: what is broken, and where. */
  readonly cause: string
  /** proven: what was seen followed the repeated probes, and the state agrees; else likely. */
  readonly confidence: 'proven' | 'likely'
  readonly evidence: readonly Evidence[]
  /** What to change, with commands to copy in backticks. */
  readonly remedy: string
  /** Ids of the results that follow from it. */
  readonly explains: readonly string[]
  /** A command line that asks again what failed. */
  readonly again: string
  /** What cannot be seen until this is mended; null: nothing. */
  readonly hides: string | null
}

/** What a check leaves in task.meta: the raw material of a Result. */
export interface CheckRecord {
  readonly check: string
  readonly place: Scope
  readonly row?: string
  readonly family?: Family
  readonly verdict: Verdict
  /** Failure, warning or inconclusive code; absent on pass. */
  readonly code?: Code
  /** What was seen, one sentence. On not-applicable: need and finding. */
  readonly seen: string
  /** What to do next, when the check knows better than the code's own text. */
  readonly hint?: string
  readonly evidence: readonly Evidence[]
  readonly targets: readonly Target[]
  /** Of each target by itself, where they are known. */
  readonly answers?: readonly Answer[]
}

/** One question with its answer, independent of Vitest; can be merged over nodes and compared over time. */
export interface Result extends CheckRecord {
  /** Stable: file path and name, never an instance. */
  readonly id: string
  readonly file: string
  readonly name: string
  readonly seconds: number
  /** Ids of the findings that explain it. */
  readonly findings: readonly string[]
}

/** Something that broke around the checks: a crashed worker, an empty run, a signal. */
export interface RunError {
  readonly code: Code
  readonly message: string
  readonly file?: string
}

export interface Report {
  readonly schema: 1
  readonly tool: { readonly name: 'k8snetlook'; readonly version: string }
  readonly runId: string
  readonly node: string
  readonly clusterUid: string | null
  readonly started: string
  readonly finished: string | null
  /** 'incomplete' until the run has ended in order. */
  readonly state: 'incomplete' | 'complete'
  readonly verdict: 'pass' | 'warn' | 'fail' | 'inconclusive'
  readonly exitCode: 0 | 1 | 2
  readonly source: { readonly namespace: string; readonly name: string; readonly foundBy: string } | null
  readonly settings: readonly { readonly name: string; readonly value: string }[]
  readonly notes: readonly string[]
  readonly results: readonly Result[]
  readonly errors: readonly RunError[]
  readonly findings: readonly Finding[]
  /** What node and cluster were set to, as far as this run knew it: a later run compares itself with it. */
  readonly environment?: readonly StateFact[]
  /** Absent: neither BASELINE nor KNOWN_ISSUES was given. */
  readonly comparison?: Comparison
  /** Of a run over all nodes: what they answered. Its `findings` are joined over them. */
  readonly cluster?: ClusterPart
}

/** A node that others ask in a run over all nodes, and the pod that stands for its pods. */
export interface Peer {
  readonly node: string
  /** topology.kubernetes.io/zone; null: none. */
  readonly zone: string | null
  /** InternalIPs. */
  readonly addresses: readonly string[]
  /** null: no pod there may be asked by everybody. */
  readonly pod: PeerPod | null
}

/** A Ready pod behind a ready endpoint, that no NetworkPolicy selects. */
export interface PeerPod {
  readonly namespace: string
  readonly name: string
  /** At most one a family. */
  readonly addresses: readonly string[]
  /** A TCP port that it serves. */
  readonly port: number
}

/** What was learned on all nodes. */
export interface ClusterPart {
  /** By name. */
  readonly nodes: readonly NodeRun[]
  /** Who asked whom, by name of who asked and who was asked. */
  readonly pairs: readonly NodePair[]
  readonly differences: readonly NodeDifference[]
}

/** One node's part of a run over all nodes. */
export interface NodeRun {
  readonly node: string
  readonly zone: string | null
  /** namespace/name of the pod that it was asked from; null: only the node itself was. */
  readonly source: string | null
  /** Why nothing, or not everything, came from it; null: it answered. */
  readonly problem: { readonly code: Code; readonly reason: string; readonly hint: string } | null
  /** Its report, without what is only of use beside a single node: evidence of checks that passed. null: nothing came. */
  readonly report: Report | null
  /** Of all its checks, where `report` leaves out those that are green, as it does when many nodes were asked. */
  readonly counts?: VerdictCounts
}

/** How many results there are of each verdict. */
export type VerdictCounts = Readonly<Record<Verdict, number>>

/** What a node found about another one, by one family: its pod about the other's pod, or the nodes by themselves. */
export interface NodePair {
  readonly from: string
  readonly to: string
  readonly between: 'nodes' | 'pods'
  readonly family: Family
  /** null: it could not be looked at. */
  readonly reached: boolean | null
  /** What its worst answer ends with; null: it answered as it should. */
  readonly code: Code | null
  readonly rttMs: number | null
  /** Measured path MTU, bytes. */
  readonly mtu: number | null
}

/** Something that is set differently on some of the nodes. */
export interface NodeDifference {
  readonly topic: StateTopic
  readonly name: string
  /** What most nodes have. */
  readonly usual: string | number
  /** How many nodes have that. */
  readonly usualNodes: number
  readonly others: readonly { readonly value: string | number; readonly nodes: readonly string[] }[]
}

/** What the set-up of a run over all nodes hands to its checks. */
export interface ClusterPlan {
  readonly runId: string
  /** UID of kube-system; null: it could not be read. */
  readonly clusterUid: string | null
  /** Name or address of the API server, as the kubeconfig has it; null: there is none. */
  readonly apiHost: string | null
  readonly strict: boolean
  /** unknown: nothing could be asked, for that reason. */
  readonly cluster: Fact<ClusterPart>
  /** Objects of earlier runs that are still there; one sentence each, with the command that removes them. */
  readonly leftovers: readonly string[]
  readonly notes: readonly string[]
  readonly settings: readonly { readonly name: string; readonly value: string }[]
}

export type StateTopic =
  | 'kernel'
  | 'kubernetes'
  | 'runtime'
  | 'cni'
  | 'kube-proxy'
  | 'rules'
  | 'dns'
  | 'sysctl'
  | 'mtu'
  | 'route'

/** One thing about node or cluster that the answers depend on. Topic and name are the same in every run. */
export interface StateFact {
  readonly topic: StateTopic
  readonly name: string
  /** null: not known, `why` says the reason. */
  readonly value: string | number | null
  readonly why?: string
}

/** This run beside earlier ones, and its failures beside the waivers. */
export interface Comparison {
  /** The earlier runs, oldest first; empty: only waivers were given. */
  readonly baselines: readonly BaselineRun[]
  /** GATE=regressions: what failed before does not fail the run, what is worse does. */
  readonly gate: boolean
  readonly notes: readonly string[]
  /** Of each result that is not as before, or that is waived. */
  readonly changes: readonly Change[]
  /** Checks that are answered, but measurably worse than before. */
  readonly worse: readonly Worsening[]
  readonly stateChanges: readonly StateChange[]
}

export interface BaselineRun {
  readonly runId: string
  readonly node: string
  readonly started: string
  readonly verdict: Report['verdict']
}

/**
 * new: fails, and did not before. known: fails or warns, and failed before or is waived. fixed: failed in every earlier run, and no longer.
 * unsteady: answers well, and failed in some of the earlier runs. new-warning: warns, and was sound before.
 * unanswered: inconclusive, and had an answer before.
 */
export type ChangeStatus = 'new' | 'known' | 'fixed' | 'unsteady' | 'new-warning' | 'unanswered'

export interface Change {
  /** Of the result. */
  readonly id: string
  readonly name: string
  readonly status: ChangeStatus
  /** What it ends with now; absent: it passes. */
  readonly code?: Code
  /** How it ended in the earlier runs that asked it; null: none did. */
  readonly before: Before | null
  /** It fails, and does not fail the run. */
  readonly excused: boolean
  readonly waiver?: { readonly reason: string; readonly expires: string }
}

export interface Before {
  readonly failed: number
  readonly of: number
  /** Of failures and warnings. */
  readonly codes: readonly Code[]
}

export interface Worsening {
  /** Of the result; absent: over all checks of a place. */
  readonly id?: string
  readonly name: string
  readonly code: Code
  readonly unit: string
  /** Of several earlier runs, the worst. */
  readonly before: number
  readonly now: number
  /** How probable such a difference is by chance; null: exact, no chance in it. */
  readonly p: number | null
}

/** null: it was not there, or is not there now. */
export interface StateChange {
  readonly topic: StateTopic
  readonly name: string
  readonly before: string | number | null
  readonly now: string | number | null
}
