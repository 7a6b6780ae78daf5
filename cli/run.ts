import { COMMANDS } from './commands.ts'
import { EXIT, exitCodeOf, sentenceOf, UsageError } from './exit-codes.ts'
import type { Io } from './io.ts'

const ALIASES: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
}

/** `dalston COMMAND …`: finds the command, runs it, turns what it throws into a sentence and an exit code. */
export async function run([name = 'help', ...parameters]: readonly string[], io: Io): Promise<number> {
  const load = COMMANDS[ALIASES[name] ?? name]
  try {
    if (load === undefined) throw new UsageError(`no such command: ${name}`)
    const { command } = await load()
    if (parameters.some((each) => each === '--help' || each === '-h')) {
      io.out(`${command.usage}\n`)
      return EXIT.ok
    }
    return await command.run(parameters, io)
  } catch (error) {
    io.err(`dalston: ${sentenceOf(error)}\n`)
    if (error instanceof UsageError) io.err(`see \`dalston help${load === undefined ? '' : ` ${name}`}\`\n`)
    return exitCodeOf(error)
  }
}
