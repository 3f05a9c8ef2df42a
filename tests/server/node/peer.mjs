// Answer lines of JSON on the standard input with lines of JSON, until it ends.
import { createInterface } from 'node:readline'

export async function answer(actions) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: name, ...what } = JSON.parse(line)
    let said
    try {
      said = await actions[name](what)
    } catch (error) {
      said = { broke: `${error.name}: ${error.message}`, code: error.code }
    }
    process.stdout.write(`${JSON.stringify(said)}\n`)
  }
}
