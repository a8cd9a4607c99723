/** Metrics as Prometheus' own Python client parses them, and the dashboard and alert rules that name them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toMetrics } from '../../lib/report/metrics.ts'
import type { Report } from '../../lib/types.ts'
import { everything, explained, findings, HOSTILE, paths, pings, report, result } from '../unit/report/sample.ts'
import { type ReadFamily, readMetrics } from './python.ts'

const full = report([...explained, ...paths, ...pings], { findings })

let dir: string
let families: readonly ReadFamily[]
const read = (given: Report): readonly ReadFamily[] => {
  const path = join(dir, 'metrics.prom')
  writeFileSync(path, toMetrics(given))
  return readMetrics(path)
}
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'contract-'))
  families = read(full)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const samplesOf = (name: string) => families.find((family) => family.name === `k8snetlook_${name}`)?.samples ?? []
const figure = (name: string, labels: Readonly<Record<string, string>>) =>
  samplesOf(name).find(([, all]) => Object.entries(labels).every(([key, value]) => all[key] === value))?.[2]

test('every family is a gauge with help, and no series is there twice', () => {
  expect(families.length).toBeGreaterThan(12)
  for (const { name, type, help, samples } of families) {
    expect(name).toMatch(/^k8snetlook_[a-z_]+$/)
    expect(type).toBe('gauge')
    expect(help).toMatch(/\.$/)
    const series = samples.map(([, labels]) => JSON.stringify(Object.entries(labels).sort()))
    expect(new Set(series).size).toBe(series.length)
  }
})

test('states, causes and figures are those of the report', () => {
  expect(figure('run_exit_code', {})).toBe(1)
  expect(figure('run_complete', {})).toBe(1)
  expect(figure('run_duration_seconds', {})).toBeCloseTo(4.4)
  expect(figure('checks', { verdict: 'fail' })).toBe(full.results.filter(({ verdict }) => verdict === 'fail').length)
  expect(figure('check_state', { check: 'endpoints-tcp', place: 'pod', family: 'IPv4' })).toBe(2)
  expect(figure('check_state', { check: 'gateway', place: 'node' })).toBe(1)
  expect(figure('check_state', { check: 'service' })).toBe(3)
  expect(figure('check_state', { check: 'external-ping' })).toBeUndefined()
  expect(figure('findings', { code: 'TUNNEL_UNANSWERED' })).toBe(1)
  expect(figure('path_mtu_bytes', { check: 'mtu-destination', family: 'IPv6' })).toBe(1280)
  expect(figure('path_mtu_promised_bytes', { check: 'mtu-external' })).toBe(1500)
  expect(figure('rtt_seconds', { check: 'endpoints-ping', stat: 'min' })).toBeCloseTo(0.0002)
  expect(figure('rtt_seconds', { check: 'endpoints-ping', stat: 'max' })).toBeCloseTo(0.009)
  expect(figure('loss_ratio', { check: 'endpoints-ping' })).toBeCloseTo(0.25)
  expect(figure('dns_latency_seconds', { check: 'dns-kubernetes', stat: 'avg' })).toBeCloseTo(0.003)
})

test('labels are roles: no address and no name of a pod, and one value a check more', () => {
  const text = toMetrics(full)
  for (const instance of ['198.51.100', '192.0.2', '2001:db8', 'web-7c9', 'bbox']) expect(text).not.toContain(instance)
})

test('an unfinished run says so, and has no duration', () => {
  families = read(report(everything.slice(0, 2), { state: 'incomplete', finished: null }))
  expect([figure('run_complete', {}), figure('run_exit_code', {})]).toEqual([0, 1])
  expect(samplesOf('run_duration_seconds')).toEqual([])
  families = read(full)
})

test('hostile names are label values', () => {
  const names = `${HOSTILE}"\\\n} 1\nforged{x="y"} 1`
  const hostile = result(`checks/pod/${names}.test.ts`, names, { verdict: 'fail', code: 'UNREACHABLE', row: names })
  const found = read(report([hostile], { node: names }))
  expect(found.every(({ name }) => name.startsWith('k8snetlook_'))).toBe(true)
  expect(new Set(found.flatMap(({ samples }) => samples.map(([, { node }]) => node))).size).toBe(1)
})

describe('deploy/monitoring', () => {
  const file = (name: string) => readFileSync(new URL(`../../deploy/monitoring/${name}`, import.meta.url), 'utf8')
  const exists = (expression: string) => {
    const named = expression.match(/k8snetlook_\w+/g) ?? []
    expect(named.length).toBeGreaterThan(0)
    expect(families.map(({ name }) => name)).toEqual(expect.arrayContaining(named))
  }

  test('every alert rule is whole, and names metrics and labels that exist', () => {
    interface Rule {
      readonly alert: string
      readonly expr: string
      readonly for?: string
      readonly labels: { readonly severity: string }
      readonly annotations: { readonly summary: string }
    }
    const { groups } = load(file('alerts.yaml')) as { groups: { name: string; rules: Rule[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    expect(rules.length).toBeGreaterThan(5)
    for (const { alert, expr, for: wait, labels, annotations } of rules) {
      expect(alert).toMatch(/^[A-Z]\w+$/)
      exists(expr)
      expect(wait ?? '1m').toMatch(/^\d+[mh]$/)
      expect(['critical', 'warning']).toContain(labels.severity)
      const used = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label ?? '')
      const [metric = ''] = /k8snetlook_\w+/.exec(expr) ?? []
      const known = new Set(samplesOf(metric.replace('k8snetlook_', '')).flatMap(([, all]) => Object.keys(all)))
      // a row is there only where a check has one
      expect(used.filter((label) => label !== 'row' && !known.has(label))).toEqual([])
    }
  })

  test('every panel of the dashboard names metrics that exist', () => {
    const { panels } = JSON.parse(file('dashboard.json')) as {
      panels: { title: string; targets: { expr: string }[] }[]
    }
    expect(panels.length).toBeGreaterThan(8)
    for (const { targets } of panels) for (const { expr } of targets) exists(expr)
  })
})
