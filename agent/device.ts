import { arch, availableParallelism, platform, release, totalmem } from 'node:os'

/** The machine as hello describes it. */
export interface Machine {
  readonly platform: string
  readonly cores: number
  readonly memoryMib: number
}

export function describeDevice(): Machine {
  return {
    platform: `${platform()}-${arch()} ${release()}`.slice(0, 100),
    cores: availableParallelism(),
    memoryMib: Math.floor(memoryBytes() / 1024 ** 2),
  }
}

/** Of the machine, or of the container where that has less: Node says 0, or more than there is, where nothing limits it. */
function memoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
