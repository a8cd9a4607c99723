import { describe, expect, test } from 'vitest'
import { annotations, mute, sectionOf } from '../../../lib/report/pipeline.ts'
import { explained, findings, HOSTILE, report, result } from './sample.ts'

describe('annotations of GitHub', () => {
  test('one a cause, roots first, then what no cause explains', () => {
    expect(annotations(report(explained, { findings }))).toEqual([
      expect.stringMatching(
        /^::error file=checks\/pod\/endpoints-tcp\.test\.ts,title=TUNNEL_UNANSWERED \(proven\)::Tunnel packets .*%0ADo: Open UDP 8472 .*%0AExplains 1 check\.$/,
      ),
      expect.stringMatching(/^::error file=checks\/pod\/path-mtu\.test\.ts,title=PATH_MTU_BLACK_HOLE \(likely\)::/),
      expect.stringMatching(/^::error file=checks\/pod\/service\.test\.ts,title=API_FORBIDDEN::.*%0A2 checks\.$/),
      expect.stringMatching(/^::warning file=checks\/host\/gateway\.test\.ts,title=PACKET_LOSS::.*\(4 %25\)/),
    ])
  })

  test('at most ten of a kind: GitHub drops the rest unseen', () => {
    const many = Array.from({ length: 30 }, (_, index) =>
      result(`checks/pod/x${index}.test.ts`, `${index}`, { verdict: 'fail', code: 'UNREACHABLE', hint: `${index}` }),
    )
    expect(annotations(report(many))).toHaveLength(10)
  })

  test('foreign text starts no line and ends no property', () => {
    const foreign = `a,title=b::c%0A\n::add-mask::d\r\n${HOSTILE}`
    const hostile = result(foreign, 'x', { verdict: 'fail', code: 'UNREACHABLE', seen: foreign, hint: foreign })
    const [line = ''] = annotations(report([hostile]))
    expect(line).toMatch(/^::error file=[^:,]*,title=UNREACHABLE::[^\n\r]*$/)
    expect(line).toContain('c%250A ::add-mask::d')
  })
})

describe('sections', () => {
  test('GitLab folds between its markers', () => {
    const { open, close } = sectionOf('gitlab', 'Checks')(1767323241)
    expect(open).toBe('\u001b[0Ksection_start:1767323241:k8snetlook_checks[collapsed=true]\r\u001b[0KChecks\n')
    expect(close).toBe('\u001b[0Ksection_end:1767323241:k8snetlook_checks\r\u001b[0K\n')
  })

  test('GitHub groups; a terminal and other logs get nothing', () => {
    expect(sectionOf('github', 'Checks')(1)).toEqual({ open: '::group::Checks\n', close: '::endgroup::\n' })
    expect(sectionOf(undefined, 'Checks')(1)).toEqual({ open: '', close: '' })
    expect(sectionOf('jenkins', 'Checks')(1)).toEqual({ open: '', close: '' })
  })
})

test.each([
  ['::add-mask::x', ': :add-mask::x'],
  ['  ::stop-commands::x\n', '  : :stop-commands::x\n'],
  ['a ##[command]x ##vso[task.setvariable]y ##teamcity[x]', 'a # #[command]x # #vso[task.setvariable]y # #teamcity[x]'],
  ['2001:db8::1 and a::b', '2001:db8::1 and a::b'],
])('what a log service would carry out is shown instead: %j', (text, shown) => {
  expect(mute(text)).toBe(shown)
})
