import { COMMANDS } from './commands.ts'
import { EXIT, UsageError } from './exit-codes.ts'
import type { Command } from './io.ts'
import { pad } from './text.ts'

export const command: Command = {
  summary: 'print this, or how to use a command',
  usage: 'usage: dalston help [COMMAND]',
  async run([name], io) {
    const load = name === undefined ? undefined : COMMANDS[name]
    if (name !== undefined && load === undefined) throw new UsageError(`no such command: ${name}`)
    io.out(`${load === undefined ? await overview() : (await load()).command.usage}\n`)
    return EXIT.ok
  },
}

export async function overview(): Promise<string> {
  const lines = await Promise.all(
    Object.entries(COMMANDS).map(
      async ([name, load]) => `  ${pad(name, 12)}${(await load()).command.summary}`,
    ),
  )
  return `usage: dalston COMMAND …

${lines.join('\n')}

Environment: DALSTON_SERVER (default http://127.0.0.1:8787), DALSTON_API_KEY (found by itself for a server on this machine),
DALSTON_DATA. Exit codes: 0 done, 1 failure, 2 usage, 3 cancelled, 4 key missing or refused, 5 the job failed,
6 no server or no engine for it, 8 not finished yet, 130 interrupted.`
}
