/** A share of one CPU for some processes together, and no more: the kernel's own throttle, cgroup v1 or v2. Needs root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const V1 = '/sys/fs/cgroup/cpu'
const V2 = '/sys/fs/cgroup'
const PERIOD_US = 100_000

export interface CpuQuota {
  /** Periods in which the processes wanted more than they got. */
  throttled(): number
  /** Takes the cgroup away, once its processes have ended. */
  remove(): Promise<void>
}

/** Gives the processes `percent` of one CPU in periods of 100 ms: they run for a while, then stand still. */
export function limitCpu(pids: readonly number[], percent: number): CpuQuota {
  const quotaUs = (PERIOD_US * percent) / 100
  const isV1 = existsSync(join(V1, 'cpu.cfs_quota_us'))
  const group = join(isV1 ? V1 : V2, `quota-${process.pid}`)
  if (!isV1) writeFileSync(join(V2, 'cgroup.subtree_control'), '+cpu')
  mkdirSync(group)
  if (isV1) {
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US))
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quotaUs))
  } else {
    writeFileSync(join(group, 'cpu.max'), `${quotaUs} ${PERIOD_US}`)
  }
  for (const pid of pids) writeFileSync(join(group, 'cgroup.procs'), String(pid))
  return {
    throttled: () => Number(/^nr_throttled (\d+)/m.exec(readFileSync(join(group, 'cpu.stat'), 'utf8'))?.[1]),
    async remove() {
      // The kernel lets go of a dead process a moment after its parent has heard of its end.
      for (let tries = 0; tries < 100 && readFileSync(join(group, 'cgroup.procs'), 'utf8') !== ''; tries++) {
        await sleep(20)
      }
      rmdirSync(group)
    },
  }
}
