import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isLiving } from './living-process.ts'

/**
 * Where tasks put their files: `work/<process id>/<task>` in the data folder, readable by the owner only. A task's folder goes when
 * the task ends, whatever the end; folders of processes that are gone go at the next start.
 */
export class WorkFolder {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async open(dataFolder: string): Promise<WorkFolder> {
    const root = join(dataFolder, 'work')
    await mkdir(root, { recursive: true, mode: 0o700 })
    for (const name of await readdir(root)) {
      if (!isOtherLivingProcess(Number(name))) await rm(join(root, name), { recursive: true, force: true })
    }
    const path = join(root, String(process.pid))
    await mkdir(path, { mode: 0o700 })
    return new WorkFolder(path)
  }

  /** A fresh folder with `inputs` and `outputs` in it. */
  async forTask(name: string): Promise<TaskFolder> {
    const path = await mkdtemp(join(this.path, `${name}.`))
    const folder = { path, inputs: join(path, 'inputs'), outputs: join(path, 'outputs') }
    await mkdir(folder.inputs, { mode: 0o700 })
    await mkdir(folder.outputs, { mode: 0o700 })
    return { ...folder, remove: () => rm(path, { recursive: true, force: true }) }
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}

export interface TaskFolder {
  readonly inputs: string
  readonly outputs: string
  remove(): Promise<void>
}

/** Only the pid is known: what a stranger with it keeps goes when that one has gone. */
function isOtherLivingProcess(pid: number): boolean {
  return Number.isInteger(pid) && pid > 0 && pid !== process.pid && isLiving({ pid, started: null })
}
