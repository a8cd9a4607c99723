/** What a run is at, on one line of a terminal that is written over and gone at the end. Nothing of it where no terminal is. */
import { clean, oneLine } from './text.ts'

interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const EVERY_MS = 250
/** Carriage return, and "erase in line" of ECMA-48. */
const CLEARED = '\r\u001b[2K'

export class Progress {
  readonly #terminal: Terminal
  /** Checks that run, oldest first, with their start (performance.now()). */
  readonly #running = new Map<string, number>()
  #done = 0
  #timer: NodeJS.Timeout | undefined
  /** The line that stands there now. */
  #said = ''

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  started(name: string): void {
    if (!this.#terminal.isTTY) return
    this.#running.set(name, performance.now())
    this.#timer ??= setInterval(() => this.#draw(), EVERY_MS).unref()
  }

  ended(name: string): void {
    if (this.#running.delete(name)) this.#done++
  }

  /** One line in place of the checks: what goes on before they run. Where no terminal is, a line of its own when it says something new. */
  line(text: string): void {
    if (text === this.#said) return
    this.#said = text
    if (this.#terminal.isTTY) this.#terminal.write(`${CLEARED}${oneLine(text, (this.#terminal.columns ?? 80) - 1)}`)
    else this.#terminal.write(`${text}\n`)
  }

  /** Before anything else is written. */
  clear(): void {
    if (this.#timer || (this.#said !== '' && this.#terminal.isTTY)) this.#terminal.write(CLEARED)
    this.#said = ''
  }

  stop(): void {
    this.clear()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #draw(): void {
    const line = progressLine(this.#running, this.#done, performance.now(), this.#terminal.columns ?? 80)
    this.#terminal.write(`${CLEARED}${line}`)
  }
}

/** "12 done, 3 running: <the longest running> (4 s)", shorter than the terminal is wide. */
export function progressLine(running: ReadonlyMap<string, number>, done: number, now: number, columns: number): string {
  const [oldest] = running
  if (!oldest) return oneLine(`${done} done`, columns - 1)
  const time = ` (${Math.floor((now - oldest[1]) / 1000)} s)`
  const before = `${done} done, ${running.size} running: `
  return `${before}${oneLine(clean(oldest[0]), Math.max(4, columns - 1 - before.length - time.length))}${time}`
}
