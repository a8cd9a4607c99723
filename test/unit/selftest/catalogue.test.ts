import { expect, test } from 'vitest'
import { catalogue, classesOf, keyOf } from '../../e2e/catalogue/index.ts'
import { drawPairs } from '../../e2e/catalogue/pairs.ts'
import { random } from '../../lab/icmp-bed.ts'

test('the catalogue holds at least 45 pairs of cause and place, over all of its classes', () => {
  const entries = catalogue(1)
  expect(new Set(entries.map(keyOf)).size).toBeGreaterThanOrEqual(45)
  expect(classesOf(entries).length).toBeGreaterThanOrEqual(10)
})

test('names are the same whatever is drawn', () => {
  expect(catalogue(1).map(keyOf)).toEqual(catalogue(2).map(keyOf))
})

test('no name holds a number that is drawn: it would be another entry in each run', () => {
  const numbers = catalogue(1).flatMap(({ name }) => name.match(/\d{3,}/g) ?? [])
  expect(numbers.every((number) => ['1400'].includes(number))).toBe(true)
})

test('pairs are of different classes, use no entry twice, and only each fourth touches something in common', () => {
  const pairs = drawPairs(catalogue(3), 20, random(3))
  expect(pairs).toHaveLength(20)
  expect(new Set(pairs.flat()).size).toBe(40)
  expect(pairs.filter(([one, other]) => one.class === other.class)).toEqual([])
  const common = pairs.map(([one, other]) => one.touches.some((touched) => other.touches.includes(touched)))
  expect(common.filter(Boolean)).toHaveLength(5)
})
