import { arch, availableParallelism, platform, release, totalmem } from 'node:os'

/** The machine as hello describes it. */
export interface Device {
  /** What engines run on. */
  readonly name: 'cpu'
  readonly platform: string
  readonly cores: number
  readonly memoryMib: number
}

export function describeDevice(): Device {
  return {
    name: 'cpu',
    platform: `${platform()}-${arch()} ${release()}`.slice(0, 100),
    cores: availableParallelism(),
    memoryMib: Math.round(totalmem() / 1024 ** 2),
  }
}
