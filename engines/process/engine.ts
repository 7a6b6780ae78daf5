import type { Engine, EngineStage, EngineTask, ModelFiles, RunContext, StageOutputs } from '../engine.ts'
import { type DescriptionInput, ProcessDescription } from './description.ts'
import type { ProgramLink } from './program-link.ts'
import { ProgramStream } from './program-stream.ts'
import { Programs } from './programs.ts'
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
  /** Ends its programs. In a child of the agent it ends with the child. */
  shutDown(): Promise<void>
}

function engineOf(description: ProcessDescription, folder: string): ProcessEngine {
  const { manifest } = description
  const programs = new Programs(description, folder)
  let models = 0

  /** A program that has the model. */
  async function programWith(model: Omit<ProgramModel, 'link'>): Promise<ProgramLink> {
    const link = await programs.forModel()
    try {
      await tellOf(model, link)
    } catch (error) {
      await programs.leave(link)
      throw error
    }
    return link
  }

  async function tellOf({ files, name }: Omit<ProgramModel, 'link'>, link: ProgramLink): Promise<void> {
    if (files === null || name === null) return
    const { runtimeModelId, folder, threads, device } = files
    const request = {
      type: 'load',
      model: name,
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
      return { ...model, link: await programWith(model) }
    },
    async run(
      task: EngineTask<EngineStage>,
      model: ProgramModel,
      context: RunContext,
    ): Promise<StageOutputs[EngineStage]> {
      context.signal.throwIfAborted()
      if (!model.link.isAlive) {
        // It ended between two tasks: this one gets a fresh one, with its model.
        model.link = await programWith(model)
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
      if (description.after_unload === 'exit') return programs.leave(model.link)
      if (model.name !== null) await model.link.unload(model.name)
    },
    shutDown: () => programs.shutDown(),
  }
}
