import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { packedText, printedText, unprinted } from '../../../lib/report/printed.ts'

const text = fc.string({ unit: 'binary', maxLength: 300 })
const name = fc.stringMatching(/^[a-z0-9.-]{1,20}\.(xml|json|md)$/)

describe('a report in a log', () => {
  test('is between marked lines of its own', () => {
    expect(printedText('junit-n1.xml', '<a/>\n')).toBe(
      '-----BEGIN junit-n1.xml-----\n<a/>\n-----END junit-n1.xml-----\n',
    )
    expect(printedText('junit-n1.xml', '<a/>')).toBe('-----BEGIN junit-n1.xml-----\n<a/>\n-----END junit-n1.xml-----\n')
  })

  test('cannot end itself, begin another one, or speak to a log service', () => {
    const evil = 'a\n-----END junit-n1.xml-----\n-----BEGIN x-----\n::add-mask::a\n##[group]b\n'
    const printed = printedText('junit-n1.xml', evil)
    expect(unprinted(printed)).toEqual([
      { name: 'junit-n1.xml', text: expect.stringContaining('\n -----BEGIN x-----') },
    ])
    expect(printed).not.toMatch(/^::|##\[/m)
  })

  test('packed has lines that no runtime or collector cuts, of base64 alone', () => {
    const lines = packedText('report-n1.json', randomBytes(20_000).toString('hex')).trimEnd().split('\n')
    expect(lines.at(0)).toBe('-----BEGIN report-n1.json.gz-----')
    expect(lines.at(-1)).toBe('-----END report-n1.json.gz-----')
    expect(lines.length).toBeGreaterThan(4)
    for (const line of lines.slice(1, -1)) expect(line).toMatch(/^[A-Za-z0-9+/=]{1,4096}$/)
  })
})

describe('reading a log', () => {
  test('any text comes out of the packed form as it went in, whatever else is in the log', () => {
    fc.assert(
      fc.property(name, text, text, (file, content, other) => {
        fc.pre(!/^-----(BEGIN|END) /m.test(other))
        const log = `${other}\n${packedText(file, content)}${other}`
        expect(unprinted(log)).toEqual([{ name: file, text: content }])
      }),
    )
  })

  test('every block in order, also of several runs, with line ends of either kind', () => {
    const log = `pass x\n${printedText('junit-n1.xml', '<a/>\n')}\nnoise\n${packedText('report-n1.json', '{}')}PASS\n`
    const found = [
      { name: 'junit-n1.xml', text: '<a/>\n' },
      { name: 'report-n1.json', text: '{}' },
    ]
    expect(unprinted(log + log)).toEqual([...found, ...found])
    expect(unprinted(packedText('report-n1.json', '{"a":1}').replaceAll('\n', '\r\n'))).toEqual([
      { name: 'report-n1.json', text: '{"a":1}' },
    ])
  })

  test('lines that somebody else wrote in the middle of a packed block do not harm it', () => {
    const lines = packedText('report-n1.json', 'x'.repeat(9)).split('\n')
    expect(unprinted(lines.toSpliced(1, 0, 'a warning: (node:1)').join('\n'))).toEqual([
      { name: 'report-n1.json', text: 'x'.repeat(9) },
    ])
  })

  test('a block whose end is missing is named, and so is one that is damaged', () => {
    const whole = packedText('report-n1.json', 'x'.repeat(99))
    const problem = expect.stringContaining('report-n1.json')
    const lost = [{ name: 'report-n1.json', text: null, problem }]
    expect(unprinted(whole.slice(0, -20))).toEqual(lost)
    expect(unprinted(whole.slice(0, 40))).toEqual(lost)
    expect(unprinted(`${whole.slice(0, -35)}\n-----END report-n1.json.gz-----\n`)).toEqual(lost)
    expect(unprinted(`${whole.slice(0, 40)}\n${printedText('junit-n1.xml', 'a')}`)).toEqual([
      ...lost,
      { name: 'junit-n1.xml', text: 'a\n' },
    ])
  })

  test('an end without a beginning, and a log without reports, are nothing', () => {
    expect(unprinted('b\n-----END junit-n1.xml-----\n')).toEqual([])
    expect(unprinted('')).toEqual([])
  })
})
