import { describe, expect, test } from 'vitest'
import { toJUnit } from '../../../lib/report/junit.ts'
import { everything, HOSTILE, paths, report, result } from './sample.ts'

const xml = toJUnit(report(everything))
const caseOf = (text: string, name: string) =>
  new RegExp(`<testcase [^>]*name="${name}"[^>]*?(?:/>|>[\\s\\S]*?</testcase>)`).exec(text)?.[0] ?? ''

describe('a run with every verdict', () => {
  test('suites carry host name, UTC time, fixed decimals and counts', () => {
    expect(xml).toContain(
      '<testsuite hostname="n1" name="k8snetlook.pod" timestamp="2026-03-04T03:07:21.123Z" time="0.099" tests="8" failures="2" errors="2" skipped="2">',
    )
    expect(xml).toContain('<testsuites name="k8snetlook" tests="12" failures="2" errors="2" time="0.136">')
  })

  test('a failure has the code as its type, and means, remedy and evidence as text', () => {
    const failed = caseOf(xml, 'the path to a pod on another node carries full-size packets over IPv4, from the pod')
    expect(failed).toContain('classname="k8snetlook.pod.path-mtu"')
    expect(failed).toContain('file="checks/pod/path-mtu.test.ts" time="0.012"')
    expect(failed).toContain('type="PATH_MTU_BLACK_HOLE"')
    expect(failed).toContain('message="1400 bytes arrive; 1401 to 1450 bytes vanish, and no router says so"')
    expect(failed).toContain('What it means: Small packets arrive')
    expect(failed).toContain('What to do: Set the pod network')
    expect(failed).toContain('asked: destination pod shop/web-7c9-x 198.51.100.9, on node n2, zone a')
    expect(failed).toContain('path: pod (mtu 1450) -> n1')
    expect(failed).toContain('<property name="evidence.largest that arrived [bytes]" value="1400"/>')
  })

  test('inconclusive is an error, never a failure', () => {
    const unknown = caseOf(xml, 'the service answers on each of its ClusterIPs and ports over IPv6, from the pod')
    expect(unknown).toMatch(/<error message="the account .*" type="API_FORBIDDEN">/)
    expect(unknown).not.toContain('<failure')
  })

  test('what does not apply is skipped with its reason, as attribute and as text', () => {
    const skipped = caseOf(xml, 'the external address answers ping over IPv6, from the pod')
    expect(skipped).toContain('<skipped message="needs EXTERNAL_IP, not set">needs EXTERNAL_IP, not set</skipped>')
  })

  test('a warning passes, and says so', () => {
    const warned = caseOf(xml, 'the default gateway answers over IPv4, from the node')
    expect(warned).toContain('<property name="verdict" value="warn"/>')
    expect(warned).toContain('<system-out><![CDATA[PACKET_LOSS: 1 of 25')
    expect(warned).not.toMatch(/<(failure|error|skipped)/)
  })

  test('the run itself is a case that passes', () => {
    expect(caseOf(xml, 'the run ended in order')).toMatch(/\/>$/)
  })
})

test('a measured path tells its figures before its stations', () => {
  const warned = caseOf(toJUnit(report(paths)), 'full-size packets reach a pod on another node over IPv6, from the pod')
  const figures = 'promised 1450, measured 1280, signalled by 2001:db8:1234:5678:9abc:def0:1234:5678: source (mtu 1450'
  expect(warned).toContain(`\npath: ${figures}`)
  expect(warned).toContain(`<property name="evidence.path" value="${figures}`)
})

describe('a run that is not in order is not green', () => {
  test('incomplete', () => {
    const text = toJUnit(report(everything.slice(0, 2), { state: 'incomplete', finished: null }))
    expect(caseOf(text, 'the run ended in order')).toMatch(
      /<error message="the report is incomplete.*type="RUN_INTERRUPTED">/,
    )
  })

  test('nothing answered', () => {
    expect(caseOf(toJUnit(report([])), 'the run ended in order')).toContain('type="NOTHING_RAN"')
  })

  test('a file whose worker died', () => {
    const errors = [{ code: 'WORKER_DIED', message: 'the worker died', file: 'checks/pod/service.test.ts' }]
    const text = toJUnit(report(everything, { errors }))
    expect(caseOf(text, 'checks/pod/service.test.ts ran to its end')).toContain('type="WORKER_DIED"')
    expect(text).toContain('classname="k8snetlook.run.service"')
  })
})

describe('hostile and large content', () => {
  const hostile = result('checks/pod/x.test.ts', HOSTILE, {
    verdict: 'fail',
    code: 'UNREACHABLE',
    seen: HOSTILE,
    hint: HOSTILE,
    evidence: [{ kind: 'scalar', name: HOSTILE, value: HOSTILE }],
  })
  const skipped = result('checks/pod/y.test.ts', 'y', { verdict: 'not-applicable', seen: HOSTILE })
  const text = toJUnit(report([hostile, skipped], { node: HOSTILE }))

  test('forged elements stay text', () => {
    const elements = text.replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, '')
    expect(elements.match(/<testsuite /g)).toHaveLength(2)
    expect(elements.match(/<skipped/g)).toHaveLength(1)
    expect(elements).not.toContain('<script')
    expect(text).not.toContain('abc.def-123456789012345')
    expect(caseOf(text, 'y, from the pod')).toContain('&#60;script&#62;alert(1)&#60;/script&#62;')
    expect(text).toContain('<script>alert(1)</script> <skipped/> <testsuite red gnp.exe &amp; time="9"')
  })

  test('two cases never share a name', () => {
    const twin = result('checks/pod/x.test.ts', 'same', { verdict: 'pass' })
    const names = [...toJUnit(report([twin, twin])).matchAll(/<testcase [^>]* name="(same[^"]*)"/g)].map(
      ([, name]) => name,
    )
    expect(names).toEqual(['same, from the pod', 'same, from the pod (2)'])
  })

  test('a table of 5,000 rows is cut, saying how much', () => {
    const rows = Array.from({ length: 5000 }, (_, index) => [`endpoint-${index}`, index])
    const table = { kind: 'table' as const, name: 'endpoints', columns: ['name', 'ms'], rows }
    const many = toJUnit(report([result('checks/pod/x.test.ts', 'x', { verdict: 'fail', evidence: [table] })]))
    expect(many).toContain('(4960 more rows left out)')
    expect(many.length).toBeLessThan(6000)
  })
})
