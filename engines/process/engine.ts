import {
  type Engine,
  EngineError,
  type EngineStage,
  type EngineTask,
  type ModelFiles,
  type RunContext,
  type StageOutputs,
} from '../engine.ts'
import { type DescriptionInput, ProcessDescription } from './description.ts'
import { ProgramLink } from './program-link.ts'
import { ProgramStream } from './program-stream.ts'
import { runTask } from './task-run.ts'

/** An entry of a list module. */
export interface ProcessEngineEntry {
  readonly manifest: ProcessDescription['manifest']
  readonly load: () => Promise<ProcessEngine>
}

/**
 * An engine that is a program of its own, in any language. README.md tells what it reads and writes. `folder` is where it
 * runs, and what relative paths of the command are relative to: usually `import.meta.dirname`.
 */
export function processEngine(description: DescriptionInput, folder = process.cwd()): ProcessEngineEntry {
  const parsed = ProcessDescription.parse(description)
  return { manifest: parsed.manifest, load: () => Promise.resolve(engineOf(parsed, folder)) }
}

/** A model that the program holds: by the name that we gave it, in the process that loaded it. */
interface ProgramModel {
  readonly files: ModelFiles | null
  readonly name: string | null
  link: ProgramLink
}

export interface ProcessEngine extends Engine<EngineStage, ProgramModel> {
  /** Ends the program. In a child of the agent it ends with the child. */
  shutDown(): Promise<void>
}

function engineOf(description: ProcessDescription, folder: string): ProcessEngine {
  const { manifest } = description
  let starting: Promise<ProgramLink> | null = null
  let models = 0

  /** The program, started again where it is gone. Two that ask at once get one. */
  function program(): Promise<ProgramLink> {
    const before = starting?.catch(() => null) ?? Promise.resolve(null)
    starting = before.then((link) => (link?.isAlive ? link : ProgramLink.start(description, folder)))
    return starting
  }

  async function tellOf(
    model: { files: ModelFiles | null; name: string | null },
    link: ProgramLink,
  ): Promise<void> {
    if (model.files === null || model.name === null) return
    const { runtimeModelId, folder, threads, device } = model.files
    const request = {
      type: 'load',
      model: model.name,
      runtime_model_id: runtimeModelId,
      folder,
      threads,
      device,
    } as const
    await link.ask(request, 'loaded')
  }

  return {
    manifest,
    async load(files) {
      if (files === null && manifest.needs_model)
        throw new Error(`${manifest.id} needs a model folder, none was given`)
      models += 1
      const model = { files, name: files === null ? null : `m${models}` }
      const link = await program()
      await tellOf(model, link)
      return { ...model, link }
    },
    async run(
      task: EngineTask<EngineStage>,
      model: ProgramModel,
      context: RunContext,
    ): Promise<StageOutputs[EngineStage]> {
      context.signal.throwIfAborted()
      if (!model.link.isAlive) {
        // It ended between two tasks: this one gets a fresh one, with its model.
        const link = await program()
        await tellOf(model, link)
        model.link = link
        context.signal.throwIfAborted()
      }
      return runTask(model.link, task, model.name, context, description.grace_seconds * 1000)
    },
    ...(manifest.capabilities.native_streaming && {
      stream: (options, model) =>
        new ProgramStream(model.link, model.name, options.language, description.grace_seconds * 1000),
    }),
    async dispose(model) {
      if (!model.link.isAlive) return
      if (description.after_unload === 'exit') return model.link.shutDown()
      if (model.name === null) return
      await model.link.ask({ type: 'unload', model: model.name }, 'unloaded').catch((error: unknown) => {
        // A program that ended in place of an answer has unloaded all the same.
        if (!(error instanceof EngineError) || model.link.isAlive) throw error
      })
    },
    async shutDown() {
      const started = await starting?.catch(() => null)
      await started?.shutDown()
    },
  }
}
