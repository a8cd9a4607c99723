/**
 * "PASSED FAILED" of a Vitest JSON report. Arguments: the report, and the exit code of the run.
 * A skipped test counts as failed (a tier that cannot run must say so), as does a file that could not be loaded.
 */
import { readFileSync } from 'node:fs'

const [path = '', exitCode = '1'] = process.argv.slice(2)
const report = JSON.parse(readFileSync(path, 'utf8'))

const tests = report.testResults.flatMap((file) => file.assertionResults)
const passed = tests.filter((test) => test.status === 'passed').length
const others = tests.filter((test) => test.status !== 'passed')
const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
for (const test of others) {
  const [reason = ''] = test.failureMessages ?? []
  console.error(`${test.status}: ${test.fullName}\n${reason.split('\n').slice(0, 20).join('\n')}`)
}
for (const file of broken) console.error(`could not be loaded: ${file.name}`)

const failed = others.length + broken.length
// an unhandled error or an empty run fails without a failed test
console.log(`${passed} ${failed === 0 && (exitCode !== '0' || passed === 0) ? 1 : failed}`)
