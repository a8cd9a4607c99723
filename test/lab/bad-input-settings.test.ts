/** Settings that cannot be used, and source pods that cannot be asked from: one sentence with the cause and the next step. */
import { mkdtempSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pod } from '../bed/api-standin-objects.ts'
import { type Lab, startLab } from './lab.ts'
import { behaves, env } from './lab-bad-input.ts'
import { runProduct } from './lab-product.ts'

let lab: Lab
beforeAll(async () => {
  lab = await startLab({ prefix: 'lbs' })
  await lab.api.setObjects([...lab.objects, ...strays()])
})
afterAll(() => lab?.stop())

/** Pods that only the API server knows. */
function strays() {
  const here = { node: 'n1', ips: ['198.18.1.200'] }
  return [
    pod({ name: 'waiting', node: 'n1', phase: 'Pending' }),
    pod({ name: 'finished', ...here, phase: 'Succeeded' }),
    pod({ name: 'job-a-6f9d8c7b5d-aaaaa', ...here, owner: 'Deployment/job-a' }),
    pod({ name: 'job-b-6f9d8c7b5d-aaaaa', ...here, owner: 'Deployment/job-b' }),
  ]
}

describe('SRC_POD', () => {
  const ended = ['inconclusive POD_NOT_RUNNING']
  behaves(
    () => lab,
    [
      {
        name: 'is not set, and pod checks are asked for',
        options: env({ SRC_POD: undefined }),
        says: /SRC_POD is not set/,
        codes: ['inconclusive SRC_POD_NOT_SET'],
        passes: ['host/gateway IPv4', 'host/api-livez'],
      },
      {
        name: 'is not set in a bare run: the pod checks are left out',
        options: () => ({ env: { SRC_POD: undefined }, args: ['run'] }),
        exitCode: 0,
        says: /needs SRC_POD, not set/,
        codes: [],
        passes: ['host/gateway IPv4', 'host/api-livez'],
      },
      {
        name: 'is unknown: the closest names',
        options: env({ SRC_POD: 'bbxo-5d4f7c9b8c-aaaaa' }),
        says: /bbxo-5d4f7c9b8c-aaaaa.*bbox-5d4f7c9b8c-aaaaa/,
        codes: ['inconclusive POD_NOT_FOUND'],
        passes: ['host/gateway IPv4'],
      },
      { name: 'is Pending', options: env({ SRC_POD: 'waiting' }), says: /default\/waiting.*Pending/, codes: ended },
      {
        name: 'has ended',
        options: env({ SRC_POD: 'finished' }),
        says: /default\/finished has completed/,
        codes: ended,
      },
      {
        name: 'is ambiguous: the candidates',
        options: env({ SRC_POD: 'job' }),
        says: /job-a.*job-b/,
        codes: ['inconclusive POD_AMBIGUOUS'],
      },
      {
        name: 'runs elsewhere: the node where to run',
        options: env({ SRC_POD: 'bbox-5d4f7c9b8c-bbbbb' }),
        says: /default\/bbox-5d4f7c9b8c-bbbbb runs on n2, and this is n1/,
        codes: ['inconclusive POD_ELSEWHERE'],
      },
    ],
  )
})

describe('a setting', () => {
  behaves(
    () => lab,
    [
      {
        name: 'EXTERNAL_IP is a host name',
        options: env({ EXTERNAL_IP: 'example.test' }),
        says: /EXTERNAL_IP=example\.test/,
        codes: ['inconclusive SETTINGS_INVALID'],
      },
      {
        name: 'several are wrong: all are told at once',
        options: env({ EXTERNAL_IP: 'example.test', PROBES: 'many', STRICT: 'maybe' }),
        says: /EXTERNAL_IP=example\.test.*PROBES=many.*STRICT=maybe|PROBES=many.*STRICT=maybe.*EXTERNAL_IP=example\.test/,
        codes: ['inconclusive SETTINGS_INVALID'],
      },
      {
        name: 'SRCPOD is nearly SRC_POD',
        options: env({ SRC_POD: undefined, SRCPOD: 'bbox' }),
        says: /SRCPOD.*SRC_POD/,
        codes: ['inconclusive SRC_POD_NOT_SET'],
      },
    ],
  )

  it('REPORTS_DIR is read-only: the terminal says so, and nothing is left that looks like this run', async () => {
    const dir = mkdtempSync(join(lab.dir, 'frozen-'))
    const mounts = `mount --bind ${dir} ${dir} && mount -o remount,bind,ro ${dir} && exec "$@"`
    const wrapper = ['unshare', '--mount', 'sh', '-c', mounts, 'sh']
    const run = await runProduct(lab, { env: { REPORTS_DIR: dir }, wrapper })
    expect(run.exitCode).toBe(2)
    expect(run.stdout).toMatch(/REPORTS_UNWRITABLE/)
    expect(run.stdout.replace(/\s+/g, ' ')).toMatch(/the file system is read-only/)
    expect(run.stdout + run.stderr).not.toMatch(/^\s+at |node_modules/m)
    expect(readdirSync(dir)).toEqual([])
  })
})
