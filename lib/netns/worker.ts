/**
 * Moves a Vitest worker into the namespace of its project before any check loads. Runs as a setup file, once a test file;
 * with `isolate: false` all files of a project share one process, which enters once and never leaves.
 */
import type { Code } from '../types.ts'

export type PlaceState =
  | { readonly ok: true; readonly netns: string }
  | { readonly ok: false; readonly code: Code; readonly reason: string; readonly hint: string }

const KEY = Symbol.for('k8snetlook.place')
const shared = globalThis as { [KEY]?: PlaceState }

/** Whether this worker is where its checks must ask from. */
export function placeState(): PlaceState {
  return shared[KEY] ?? { ok: false, code: 'NAMESPACE_CHANGED', reason: 'no namespace was entered', hint: '' }
}

/** Remembers the outcome of entering; later files of the same worker find it. */
export function rememberPlace(state: PlaceState): void {
  shared[KEY] = state
}

/** True when this worker has entered, or tried to. */
export const placeIsSettled = (): boolean => KEY in shared
