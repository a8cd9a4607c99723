/** The picture in words: what stands beside it for those who do not see it, and the words that it uses itself. Pure. */
import type { Family } from '../../types.ts'
import type { Branch, Link, Mark, Scene, State, Stop } from './types.ts'
import { worstOf } from './ways.ts'

/** A sign beside each word: colour is never the only one to tell. */
export const SIGNS: Readonly<Record<State, string>> = {
  answers: '✓',
  partly: '!',
  broken: '✗',
  unknown: '?',
  'not-asked': '–',
}
const OF_END: Readonly<Record<State, string>> = {
  answers: 'answers',
  partly: 'in part',
  broken: 'no answer',
  unknown: 'not known',
  'not-asked': 'not asked',
}
export const OF_LINK: Readonly<Record<State, string>> = {
  answers: 'packets pass',
  partly: 'a part passes',
  broken: 'packets end',
  unknown: 'not known',
  'not-asked': 'not asked',
}

export const familiesText = (families: readonly Family[]): string =>
  families.map((family) => `IPv${family}`).join(' and ')

/** "✓ answers", or of each family by itself: "IPv4 ✗ no answer". */
export const endTexts = (marks: readonly Mark[]): string[] => marks.map((mark) => markText(mark, OF_END))

function markText({ state, families }: Mark, words: Readonly<Record<State, string>>): string {
  const who = families.length > 0 ? `${familiesText(families)} ` : ''
  return `${who}${SIGNS[state]} ${words[state]}`
}

/** What ends at a stop, without the place. `partly`: others pass. */
export function stopText({ above, wayBack, refused }: Stop, partly: boolean): string {
  if (above !== null) return `more than ${above} bytes`
  const what = wayBack ? 'answers' : 'packets'
  return `${partly ? 'some ' : ''}${what}${refused ? ' are refused' : ''}`
}

const WAYS: Readonly<Record<Stop['way'], string>> = {
  trunk: 'the pod on another node',
  'same-node': 'the pod on this node',
  service: 'the service',
  dns: 'DNS',
  api: 'the API server',
  external: 'the external address',
}

/** "FIREWALL_DROPS: packets to the service end beyond cni0 (IPv4)" */
export function stopSentence(stop: Stop, scene: Scene): string {
  const marks = stop.way === 'trunk' ? scene.end?.marks : scene.branches.find(({ id }) => id === stop.way)?.marks
  const what = stopText({ ...stop, refused: false }, worstOf(marks ?? []) === 'partly')
  const families = stop.families.length > 0 ? ` (${familiesText(stop.families)})` : ''
  const end = stop.refused ? 'are' : 'end'
  return `${stop.finding.code}: ${what} ${stop.wayBack ? 'from' : 'to'} ${WAYS[stop.way]} ${end} ${placeText(stop, scene)}${families}`
}

/** "between cni0 and vx0", "beyond eth0": of another way than the trunk only the beginning is the trunk's. */
export function placeText({ place, refused, way }: Stop, { stations }: Scene): string {
  if (refused) return 'refused at its end'
  if (place === null) return 'at a place not known'
  const [from, to] = [stations[place.from], stations[place.to]].map((one) => one?.device?.name ?? one?.name ?? '')
  return place.to - place.from > 1 || way !== 'trunk' ? `beyond ${from}` : `between ${from} and ${to}`
}

/** The trunk from station to station, then the branches: one sentence each. */
export function sceneLines(scene: Scene): string[] {
  const { stations, links, end, branches } = scene
  const named = stations.map(
    ({ role, name, notes }) =>
      `${role}${name === role ? '' : ` ${name}`}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}`,
  )
  const last =
    end &&
    `${endTexts(end.marks).join(', ')}${pathMtuText(end.mtu)}${end.notes.length > 0 ? `: ${end.notes.join('; ')}` : ''}`
  return [
    ...(links.length === 0
      ? [named[0] ?? '']
      : links.map((link, index) => `${named[index]} to ${named[index + 1]}: ${linkText(link)}`)),
    ...(last ? [`${stations.at(-1)?.name}: ${last}`] : []),
    ...branches.map((branch) => branchText(branch)),
  ]
}

function linkText({ marks, mtu, farMtu }: Link): string {
  const size =
    mtu === null ? 'MTU not known' : `MTU ${mtu}${farMtu === undefined ? '' : ` here and ${farMtu} at the other end`}`
  return `${marks.map((mark) => markText(mark, OF_LINK)).join(', ')}, ${size}`
}

const pathMtuText = (mtu: number | null): string => (mtu === null ? '' : `, path MTU ${mtu}`)

function branchText({ role, name, notes, marks, mtu }: Branch): string {
  return `${role}${name ? ` ${name}` : ''}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}: ${endTexts(marks).join(', ')}${pathMtuText(mtu)}`
}
