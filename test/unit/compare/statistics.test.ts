import { describe, expect, test } from 'vitest'
import { medianOf, probabilityNotAbove, probabilityOfLoss } from '../../../lib/compare/statistics.ts'

test.each([
  [[3], 3],
  [[3, 1], 2],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, median) => {
  expect(medianOf(values)).toBe(median)
})

describe('Mann-Whitney U, one-sided', () => {
  // U by hand, the normal tail by erfc of another library (Python); R calls it wilcox.test(now, before, "greater", exact = FALSE)
  test.each([
    ['five above five', [1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 0.006093],
    ['five below five', [6, 7, 8, 9, 10], [1, 2, 3, 4, 5], 0.9967],
    ['ties in both', [1, 1, 2, 2, 3], [2, 3, 3, 4, 4], 0.0262],
    ['mixed', [0.3, 0.4, 0.35, 0.5, 0.9, 0.2], [0.45, 0.6, 0.25, 0.7], 0.297],
  ])('%s', (_, before, now, expected) => {
    expect(probabilityNotAbove(before, now)).toBeCloseTo(expected, 3)
  })

  test('what is equal, or missing, is no difference', () => {
    expect(probabilityNotAbove([1, 1, 1], [1, 1, 1])).toBe(1)
    expect(probabilityNotAbove([], [1, 2])).toBe(1)
  })
})

describe("Fisher's exact test, one-sided", () => {
  // the hypergeometric tail in whole numbers (Python, math.comb); R calls it fisher.test(..., "greater")
  test.each([
    [{ lost: 0, sent: 5 }, { lost: 0, sent: 5 }, 1],
    [{ lost: 0, sent: 5 }, { lost: 5, sent: 5 }, 0.003968],
    [{ lost: 1, sent: 50 }, { lost: 12, sent: 55 }, 0.001675],
    [{ lost: 10, sent: 20 }, { lost: 1, sent: 20 }, 0.9999],
  ])('%j before, %j now', (before, now, expected) => {
    expect(probabilityOfLoss(before, now)).toBeCloseTo(expected, 3)
  })
})
