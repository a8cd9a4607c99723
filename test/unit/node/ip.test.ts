import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { decode, flag, number, object, objects, readIp, text, texts } from '../../../lib/node/ip.ts'
import { needsNoNeighbour, parseAddresses, parseLink } from '../../../lib/node/links.ts'
import { parseNeighbour } from '../../../lib/node/neighbours.ts'
import { parseChoice, parseRoute, promisedMtu } from '../../../lib/node/routes.ts'

const dirs: string[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true })
})

/** A PATH on which "ip" is this shell script, or is missing. */
function installed(script: string | null): void {
  const dir = mkdtempSync(join(tmpdir(), 'ip-'))
  dirs.push(dir)
  if (script !== null) {
    writeFileSync(join(dir, 'ip'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(dir, 'ip'), 0o755)
  }
  vi.stubEnv('PATH', dir)
}

describe('readIp', () => {
  it.each([
    ['missing', null, 'TOOL_MISSING', 'not installed. Install iproute2'],
    [
      'BusyBox’s',
      'echo "ip: unrecognized option: j" >&2; exit 1',
      'TOOL_MISSING',
      'cannot print JSON. Install iproute2',
    ],
    [
      'too old',
      'echo "Option \\"-j\\" is unknown, try \\"ip -help\\"." >&2; exit 255',
      'TOOL_MISSING',
      'cannot print JSON',
    ],
    [
      'at a loss',
      'echo "Cannot open netlink socket: Operation not permitted" >&2; exit 1',
      'TOOL_FAILED',
      'Cannot open netlink',
    ],
    ['silent about its failure', 'exit 3', 'TOOL_FAILED', 'exit code 3'],
    ['printing something else', 'echo default via 192.0.2.1', 'TOOL_FAILED', 'printed no JSON list, but: default via'],
  ])('says what to do when "ip" is %s', async (_name, script, code, detail) => {
    installed(script)
    const outcome = await readIp(['route', 'show'])
    expect(outcome).toMatchObject({ ok: false, code })
    expect(outcome).toHaveProperty('detail', expect.stringContaining(detail))
    expect((await promisedMtu('192.0.2.1')).ok).toBe(false)
  })

  it('reads what is printed', async () => {
    installed('echo \'[{"dst":"default"},{}]\'')
    expect(await readIp(['route', 'show'])).toEqual({ ok: true, value: [{ dst: 'default' }, {}], evidence: [] })
  })

  it('takes no output for an empty list', () => {
    expect(decode([], '\n')).toEqual({ ok: true, value: [], evidence: [] })
  })
})

it('the field readers accept what they should and nothing else', () => {
  const json = { a: 'x', n: 5, list: ['x', 1, { y: 1 }], nested: { z: 'q' }, on: true, old: null, off: false }
  expect([text(json, 'a'), text(json, 'n'), text(json, 'no')]).toEqual(['x', null, null])
  expect([number(json, 'n'), number(json, 'a')]).toEqual([5, null])
  expect(texts(json, 'list')).toEqual(['x'])
  expect(objects(json, 'list')).toEqual([{ y: 1 }])
  expect([object(json, 'nested'), object(json, 'list'), object(json, 'no')]).toEqual([{ z: 'q' }, {}, {}])
  expect(['on', 'old', 'off', 'no'].map((field) => flag(json, field))).toEqual([true, true, false, false])
})

describe('parsers', () => {
  it('leave out what iproute2 prints for filtered rows', () => {
    expect([parseLink({}), parseAddresses({}), parseNeighbour({}), parseChoice('192.0.2.1', {})]).toEqual([
      [],
      [],
      [],
      null,
    ])
  })

  it('tell a learned path MTU from a configured one', () => {
    const route = { dst: '192.0.2.1', dev: 'eth0', metrics: [{ mtu: 1400 }] }
    expect(parseChoice('192.0.2.1', route)?.learnedMtu).toBeNull()
    expect(parseChoice('192.0.2.1', { ...route, expires: 599 })?.learnedMtu).toBe(1400)
  })

  it('read a multipath route as one entry per next hop', () => {
    const hop = (gateway: string) => ({ gateway, dev: 'eth0', weight: 1, flags: ['onlink'] })
    const route = {
      dst: 'default',
      metric: 7,
      metrics: [{ mtu: 1450 }],
      nexthops: [hop('192.0.2.1'), hop('192.0.2.2')],
    }
    expect(parseRoute(route, 4)).toMatchObject([
      { gateway: '192.0.2.1', metric: 7, mtu: 1450, onlink: true },
      { gateway: '192.0.2.2', metric: 7, mtu: 1450, onlink: true },
    ])
  })

  it('know which links have no neighbours', () => {
    const link = (flags: string[]) => parseLink({ ifname: 'x', ifindex: 1, mtu: 1500, flags })
    const needsNone = (flags: string[]) => link(flags).map(needsNoNeighbour)
    expect(needsNone(['POINTOPOINT', 'NOARP', 'UP'])).toEqual([true])
    expect(needsNone(['NOARP'])).toEqual([true])
    expect(needsNone(['LOOPBACK'])).toEqual([true])
    expect(needsNone(['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'])).toEqual([false])
  })

  it('see duplicate addresses', () => {
    const info = {
      family: 'inet6',
      local: '2001:db8::1',
      prefixlen: 64,
      scope: 'global',
      dadfailed: true,
      tentative: true,
    }
    expect(parseAddresses({ ifname: 'eth0', addr_info: [info, {}] })).toMatchObject([
      { dadFailed: true, tentative: true },
    ])
  })

  it('know a neighbour that a program keeps, in the old and the new spelling', () => {
    const row = { dst: '192.0.2.1', dev: 'eth0', lladdr: '02:00:00:00:00:01', state: ['STALE'] }
    expect(parseNeighbour(row)).toMatchObject([{ external: false, confirmedSecondsAgo: null, state: 'STALE' }])
    expect(parseNeighbour({ ...row, extern_learn: null })).toMatchObject([{ external: true }])
    expect(parseNeighbour({ dst: '192.0.2.1' }, 'eth1')).toMatchObject([{ device: 'eth1', state: 'NONE', mac: null }])
  })
})
