import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Progress, progressLine } from '../../../lib/report/progress.ts'

let written: string[]
const terminal = (isTTY: boolean) => ({ isTTY, columns: 80, write: (text: string) => written.push(text) })
beforeEach(() => {
  written = []
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('on a terminal one line is written over, and gone at the end', () => {
  const progress = new Progress(terminal(true))
  progress.started('the pod answers')
  progress.started('the node answers')
  progress.ended('the node answers')
  vi.advanceTimersByTime(300)
  expect(written).toEqual(['\r\u001b[2K1 done, 1 running: the pod answers (0 s)'])
  progress.stop()
  vi.advanceTimersByTime(3000)
  expect(written.slice(1)).toEqual(['\r\u001b[2K'])
})

test('a pipe gets nothing', () => {
  const progress = new Progress(terminal(false))
  progress.started('the pod answers')
  vi.advanceTimersByTime(3000)
  progress.clear()
  progress.stop()
  expect(written).toEqual([])
})

test.each([20, 40, 80, 200])('is shorter than a terminal of %s columns, whatever runs', (columns) => {
  const running = new Map([[`\u001b[31m\u202e${'the question '.repeat(30)}`, 0]])
  const line = progressLine(running, 12, 4321, columns)
  expect(line.length).toBeLessThan(Math.max(columns, 34))
  expect(line).not.toMatch(/[^\P{Cc}]|\u202e/u)
  expect(line).toMatch(/ \(4 s\)$/)
})
