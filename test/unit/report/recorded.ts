/** Reports of a real cluster (test/fixtures/reports): one sound, each other one with a fault. */
import { readFileSync } from 'node:fs'
import type { Report } from '../../../lib/types.ts'

export const RECORDED = [
  'healthy',
  'tunnel-unanswered',
  'firewall-drops',
  'answer-lost',
  'black-hole',
  'nothing-listening',
  'interrupted',
] as const

export const recorded = (name: (typeof RECORDED)[number]): Report =>
  JSON.parse(readFileSync(new URL(`../../fixtures/reports/${name}.json`, import.meta.url), 'utf8'))
