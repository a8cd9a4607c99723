/** Two namespaces with one cable between them: the client the test moves into, and the server it opens its peers in. */
import { enterNamespace } from '../../lib/netns/index.ts'
import { inNamespace, ip, namespaces, netnsPath, run } from './namespace.ts'

export interface Pair {
  readonly client: string
  readonly server: string
  /** Takes the test process back to where it came from first: removing a namespace ends the processes in it. */
  remove(): Promise<void>
}

/** The client is 198.18.0.1 and 2001:db8::1, the server 198.18.0.2 and 2001:db8::2, both on eth0. */
export function pair(prefix: string): Pair {
  // Two runs at once, or one after another that was killed, must not meet.
  const made = namespaces(`${prefix}-${process.pid}`)
  const client = made.add('client')
  const server = made.add('server')
  ip(`link add eth0 netns ${client} type veth peer name eth0 netns ${server}`)
  for (const [name, host] of [
    [client, 1],
    [server, 2],
  ] as const) {
    ip(`-n ${name} address add 198.18.0.${host}/24 dev eth0`)
    ip(`-n ${name} address add 2001:db8::${host}/64 dev eth0 nodad`)
    // A tentative link-local address would swallow the first solicitations.
    inNamespace(name, 'sysctl', '-qw', 'net.ipv6.conf.eth0.accept_dad=0')
    ip(`-n ${name} link set eth0 up`)
  }
  // The first solicitation on a fresh cable is often lost; what is tested must start on a warm one.
  for (const address of ['198.18.0.2', '2001:db8::2']) inNamespace(client, 'bash', '-c', warmUp(address))
  const remove = async () => {
    await enterNamespace(`/proc/${process.ppid}/ns/net`)
    made.remove()
  }
  return { client, server, remove }
}

const warmUp = (address: string) =>
  `for i in {1..50}; do echo > /dev/udp/${address}/9; ip neigh show to ${address} | grep -q lladdr && exit; sleep 0.1; done; exit 1`

/** Adds one nftables chain with its rules (separated by ";") to a namespace: chain('x', 'inet', 'filter hook input priority 0', ...). */
export function addChain(namespace: string, family: string, type: string, rules: string): void {
  const lines = [`table ${family} pb {`, 'chain pb {', `type ${type}`, ...rules.split(';'), '}', '}', '']
  run('nsenter', [`--net=${netnsPath(namespace)}`, 'nft', '-f', '-'], lines.join('\n'))
}

/** Removes every nftables rule of a namespace. */
export function flushRules(namespace: string): void {
  run('nsenter', [`--net=${netnsPath(namespace)}`, 'nft', 'flush', 'ruleset'])
}
