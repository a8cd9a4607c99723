/** What is wrong with name resolution as a pod does it, beyond a single answer. Part of CODES. */
import { type CodeText, fail, warn } from './text.ts'

export const DNS_FAULTS = {
  DNS_NAMESERVER_WRONG: fail(
    "The pod's resolv.conf names a nameserver that is none of the cluster's DNS, and the cluster's names do not resolve there: it knows other names, or is gone.",
    "Compare `kubectl get pod <pod> -o yaml` (dnsPolicy, dnsConfig) and kubelet's clusterDNS (--cluster-dns) with `kubectl -n kube-system get service kube-dns`. 169.254.20.10 is NodeLocal DNSCache: see that its pod runs on this node. Pods keep their resolv.conf: make them anew.",
  ),
  DNS_DOMAIN_WRONG: fail(
    "The pod searches another cluster domain than the cluster's DNS serves: short names of services do not resolve.",
    "Give kubelet (clusterDomain in its configuration, --cluster-domain) the domain of the Corefile's kubernetes zone (`kubectl -n kube-system get configmap coredns -o yaml`), restart it and make the pods anew; a pod with dnsConfig: correct its searches.",
  ),
  DNS_UDP_BLOCKED: fail(
    'The nameserver answers over TCP but gives no answer over UDP: UDP port 53 is blocked on the way, or its answers are.',
    'Let UDP 53 pass in both directions: `kubectl get networkpolicy -A` (a rule for DNS needs protocol UDP and TCP), `nft list ruleset`, `iptables-save`, cloud security groups.',
  ),
  DNS_TCP_BLOCKED: fail(
    'The nameserver answers over UDP but gives no answer over TCP: TCP port 53 is blocked on the way. Answers that do not fit into a datagram fail.',
    'Let TCP 53 pass: `kubectl get networkpolicy -A` (a rule for DNS needs protocol UDP and TCP), `nft list ruleset`, `iptables-save`, cloud security groups. The Service needs a port of protocol TCP: `kubectl -n kube-system get service kube-dns -o yaml`.',
  ),
  DNS_FAMILY_DROPPED: fail(
    'Queries of one record type get no answer while those of the other do: resolvers ask for A and AAAA and wait 5 s for both.',
    'Look for a filter that reads DNS packets (a firewall, an eBPF program, `iptables-save | grep -iE "u32|string"`) and for templates in the Corefile: `kubectl -n kube-system get configmap coredns -o yaml`. A type that is not wanted must be answered without records, not dropped.',
  ),
  DNS_RACE: fail(
    'Of an A and an AAAA query that leave one socket at the same time, as libc sends them, one is lost, while single queries arrive: each such lookup takes 5 s (the race of conntrack over one source port).',
    'Use NodeLocal DNSCache, which keeps these queries out of conntrack; or in the pods `dnsConfig: {options: [{name: single-request-reopen}]}` (glibc only) or use-vc. Newer kernels (5.0 and later) resolve most of these clashes: `uname -r`, `conntrack -S | grep -v insert_failed=0`.',
  ),
  DNS_UPSTREAM_BROKEN: fail(
    "The cluster's own names resolve, but names outside do not: the resolver to which the cluster's DNS forwards does not answer, or refuses.",
    "Look at the forward line in `kubectl -n kube-system get configmap coredns -o yaml`; with /etc/resolv.conf it is that of the node: ask its nameserver from there: `dig @<address> <name>`. If it says 127.0.0.53 (systemd-resolved, a loop): set kubelet's resolvConf to /run/systemd/resolve/resolv.conf.",
  ),
  DNS_SEARCH_BROKEN: fail(
    "A step of the pod's search list is not answered as it should: the resolver in the pod waits there or gives up, though the name resolves in full.",
    "Look at the domain that is named: who serves it, and whether the cluster's DNS forwards it to a resolver that answers (Corefile: `kubectl -n kube-system get configmap coredns -o yaml`). A domain that came with the node's /etc/resolv.conf and is not needed: remove it there, then make the pods anew.",
  ),
} as const satisfies Record<string, CodeText>

export const DNS_COSTS = {
  DNS_EDNS_BROKEN: warn(
    'The nameserver answers plain queries, but not those that carry an EDNS record (RFC 6891): resolvers that use it wait, or fail.',
    'Update the DNS server; look for a firewall or middle box that drops DNS packets with additional records (old DNS inspection: let EDNS0 of up to 4096 bytes pass).',
  ),
  DNS_SEARCH_SLOW: warn(
    "The steps of the pod's search list cost more than a second before a name outside of the list is found.",
    'Write names in full with a dot at the end, or set `dnsConfig: {options: [{name: ndots, value: "1"}]}` in the pod; let the DNS server answer the search domains itself instead of forwarding them.',
  ),
} as const satisfies Record<string, CodeText>
