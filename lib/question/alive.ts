/** Whether somebody is at an endpoint's address, asked from here. */
import { familyOf } from '../fact.ts'
import type { Backend } from '../node/services/rules.ts'
import { encodeQuery } from '../packet/dns.ts'
import { connect } from '../probe/tcp.ts'
import { askUdp, type UdpResult } from '../probe/udp.ts'
import type { Protocol, Target } from '../types.ts'
import { DISCARD_PORT } from './pod.ts'

const DNS_PORT = 53

/** A DNS server is asked a question that it will answer; what other UDP services understand is not known. */
export async function speakUdp(targets: readonly Target[]): Promise<UdpResult[]> {
  const [dns, others] = [
    targets.filter(({ port }) => port === DNS_PORT),
    targets.filter(({ port }) => port !== DNS_PORT),
  ]
  const payload = encodeQuery(0x6b38, { name: 'kubernetes.default.svc.', type: 'A' })
  return (await Promise.all([askUdp(dns, { payload }), askUdp(others)])).flat()
}

/**
 * A TCP port that takes connections, a DNS server that answers; of other UDP services, which are silent to strangers, an
 * address that at least refuses a TCP connection.
 */
export async function isAlive({ address, port }: Backend, protocol: Protocol): Promise<boolean> {
  const target: Target = { role: 'a backend', name: address, address, family: familyOf(address), protocol, port }
  if (protocol === 'tcp') return (await connect([target])).some(({ state }) => state === 'connected')
  const answers = protocol === 'udp' ? await speakUdp([target]) : []
  if (answers.some(({ state }) => state === 'answered')) return true
  if (protocol === 'udp' && port === DNS_PORT) return false
  const discard = await connect([{ ...target, protocol: 'tcp', port: DISCARD_PORT }])
  return discard.some(({ state }) => state === 'connected' || state === 'refused')
}
