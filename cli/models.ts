import { type ExitCode, UsageError } from './exit-codes.ts'
import type { Command, Io } from './io.ts'
import { add } from './model-add.ts'
import { importModel } from './model-import.ts'
import { list, processes, show } from './model-list.ts'
import { cancel, pin, prefetch, pull, remove, unpin } from './model-orders.ts'

const VERBS: Readonly<Record<string, (parameters: readonly string[], io: Io) => Promise<ExitCode>>> = {
  ls: list,
  show,
  ps: processes,
  pull,
  rm: remove,
  pin,
  unpin,
  prefetch,
  cancel,
  add,
  import: importModel,
}

export const command: Command = {
  summary: 'list models, and bring them to agents',
  usage: `usage: dalston models ls [--engine ID] [--stage NAME] [--agent-data DIR] [--json]
       dalston models show ID [--agent-data DIR] [--json]
       dalston models ps [--json]
       dalston models pull ID [where] [--no-wait] [--json]
       dalston models rm|pin|unpin ID [where] [--no-wait] [--json]
       dalston models prefetch ID [where] [--keep-alive SECONDS] [--no-wait] [--json]
       dalston models cancel OPERATION [--pool NAME] [--json]
       dalston models add hf:OWNER/NAME [--id ID] [--revision COMMIT] [--precision fp32|fp16|int8|q4]
                          [--hub URL] [--agent-data DIR]
       dalston models import ID FOLDER [--agent-data DIR]
where: --agent ID or NAME, or --label LABEL; without either, every agent of the pool (--pool NAME).
\`ps\` shows what lies in memory. \`pull\` brings a model's files to the agents' disks and shows how far they are. \`rm\` deletes
them; \`pin\` keeps a model on disk and in memory; \`prefetch\` loads it now. \`cancel\` ends what agents have not done yet of one of
these; --no-wait prints its id. \`add\` reads the file list of a hub's repository and writes an entry for it into the data folder of
this machine's agent; HF_TOKEN is for repositories that ask for one. \`import\` takes a model's files from a folder of this
machine, without a network. All but add and import take --server URL.`,
  run([verb, ...parameters], io) {
    const run = verb === undefined || !Object.hasOwn(VERBS, verb) ? undefined : VERBS[verb]
    if (run !== undefined) return run(parameters, io)
    throw new UsageError(`models: expected ${Object.keys(VERBS).join(', ')}, got ${verb ?? 'nothing'}`)
  },
}
