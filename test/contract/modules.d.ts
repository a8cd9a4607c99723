/** Parsers without types of their own: what is used of them. */
declare module 'xml2js' {
  export function parseStringPromise(xml: string): Promise<unknown>
}
declare module 'test-results-parser' {
  export function parse(options: { type: 'junit'; files: readonly string[] }): {
    readonly suites: readonly { readonly cases: readonly { readonly name: string; readonly status: string }[] }[]
  }
}
