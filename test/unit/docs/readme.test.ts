import { expect, test } from 'vitest'
import { readme, withTables } from '../../docs.ts'

test("the README's tables of settings, checks and codes say what the code says", () => {
  expect(readme(), 'run "npx tsx test/docs.ts" and read the difference').toBe(withTables(readme()))
})
