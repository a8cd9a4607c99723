import { expect, test } from 'vitest'
import { follow, movedEvidence } from '../../../lib/diagnose/counters.ts'
import { parseDrops } from '../../../lib/node/drops.ts'
import { EACH, observed } from './flows.ts'

const moved = (
  windows: Record<string, readonly [number, number, number]>,
  drops: Parameters<typeof movedEvidence>[0]['drops'] = null,
) => observed([], { counters: { node: windows }, drops })

test('what moves with every probe follows; what moves in the empty window is noise, and said to be', () => {
  const seen = moved({ 'Ip.InAddrErrors': [7, 0, 11], 'Ip.InDiscards': [9, 5, 14], 'cni0 rx_dropped': [3, 0, 4] })
  const [table] = movedEvidence(seen, EACH)
  expect(table).toMatchObject({
    rows: [
      ['node', 'Ip.InAddrErrors', '7, 0, 11', 'follows the probes'],
      ['node', 'Ip.InDiscards', '9, 5, 14', 'noise: moves without them too'],
      ['node', 'cni0 rx_dropped', '3, 0, 4', 'moves with some of them'],
    ],
  })
  expect(follow(seen, 'node', 'Ip.InAddrErrors', EACH)).toBe(true)
  expect(follow(seen, 'node', 'Ip.InDiscards', EACH)).toBe(false)
  expect(follow(seen, 'own', 'Ip.InAddrErrors', EACH)).toBe(false)
})

test('counters of what goes well say nothing', () => {
  expect(movedEvidence(moved({ 'Ip.InReceives': [7, 0, 11], 'eth0 rx_packets': [7, 0, 11] }), EACH)).toEqual([])
})

test('the kernel’s reasons stand beside the counters; why they could not be had is said', () => {
  const [table] = movedEvidence(moved({}, { 'NETFILTER_DROP in nf_hook_slow, IPv4': [7, 0, 11] }), EACH)
  expect(table).toMatchObject({
    rows: [['kernel', 'dropped: NETFILTER_DROP in nf_hook_slow, IPv4', '7, 0, 11', 'follows the probes']],
  })
  expect(movedEvidence(moved({}, 'tracefs is not mounted here'), EACH)).toMatchObject([
    { value: 'tracefs is not mounted here' },
  ])
})

test('reasons are counted by function and family; ends of packets that served their purpose are left out', () => {
  const line = (protocol: number, location: string, reason: string) =>
    ` ping-1 [001] b..1. 15832.49: kfree_skb: skbaddr=0001 rx_sk=0000 protocol=${protocol} location=${location}+0x57/0xf0 reason: ${reason}`
  const text = [
    '# tracer: nop',
    line(2048, 'nf_hook_slow', 'NETFILTER_DROP'),
    line(2048, 'nf_hook_slow', 'NETFILTER_DROP'),
    line(34525, 'ip6_forward', 'IP_INNOROUTES'),
    line(2048, 'sk_stream_kill_queues', 'QUEUE_PURGE'),
    line(2054, 'arp_rcv', 'NOT_SPECIFIED'),
  ].join('\n')
  expect(parseDrops(text)).toEqual({
    'NETFILTER_DROP in nf_hook_slow, IPv4': 2,
    'IP_INNOROUTES in ip6_forward, IPv6': 1,
  })
})
