import { describe, expect, test } from 'vitest'
import { commandsOf, podOf } from '../../e2e/catalogue/remedy.ts'

describe('the commands of a remedy that change something', () => {
  test.each([
    ['Set it up on the node: `ip link set veth1 up`.', ['ip link set veth1 up']],
    [
      'Delete it: `ip -6 route del unreachable 2001:db8::1 metric 5`; or it comes back.',
      ['ip -6 route del unreachable 2001:db8::1 metric 5'],
    ],
    [
      'Remove the rule: `nft delete rule inet fault fault handle 2` on node n1. See `nft -a list chain inet fault fault`.',
      ['nft delete rule inet fault fault handle 2'],
    ],
    ["`nft chain inet a b '{ policy accept ; }'`", ["nft chain inet a b '{ policy accept ; }'"]],
    [
      '`iptables-legacy -t filter -D FORWARD -j DROP`, `iptables-nft -t filter -S FORWARD`',
      ['iptables-legacy -t filter -D FORWARD -j DROP'],
    ],
    [
      '`sysctl -w net.ipv4.ip_forward=1`; it was read by `sysctl net.ipv4.ip_forward`',
      ['sysctl -w net.ipv4.ip_forward=1'],
    ],
    ['Delete the entry: `ip neigh del 192.0.2.1 dev cni0`, see `ip neigh`.', ['ip neigh del 192.0.2.1 dev cni0']],
    ['Run `ip route get <address>` and `ip neigh del <address> dev <device>`.', []],
    ['Look at `ip route`, `bridge fdb show`, `nft list ruleset`.', []],
  ])('%s', (remedy, commands) => {
    expect(commandsOf(remedy)).toEqual(commands)
  })
})

test('are executed in the pod that the remedy names, else on the node', () => {
  const pods = [{ namespace: 'default', name: 'web-1' }]
  expect(podOf('Remove it: `nft delete rule ip a b handle 1` on pod default/web-1.', pods)).toBe('default/web-1')
  expect(podOf('Remove it: `nft delete rule ip a b handle 1` on node n1.', pods)).toBe(null)
})
