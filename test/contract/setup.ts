/** Once before all contract tests, which run side by side: other people's parsers are installed. */
import { environment } from './python.ts'

export default function setup(): void {
  environment()
}
