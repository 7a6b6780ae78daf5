import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Device } from '#engines/engine.ts'
import { childEnvironment } from './child-process.ts'
import type { Log } from './log.ts'

/** What models run on here, proven in a throwaway process: a driver that is broken takes nothing else with it. */
export interface ChosenDevice {
  readonly name: Device
  /** For people: the device, and why it is not the one that was asked for. */
  readonly label: string
}

export type AskedDevice = Device | 'auto'

/** Null: it works; else why not. */
export type Probe = (device: Device) => Promise<string | null>

export async function chooseDevice(
  asked: AskedDevice,
  log: Log,
  probe: Probe = probeDevice,
): Promise<ChosenDevice> {
  const reasons: string[] = []
  for (const device of candidates(asked, hasGpu())) {
    const reason = device === 'cpu' ? null : await probe(device)
    log('device.probed', { device, works: reason === null, reason })
    if (reason === null) return { name: device, label: labelOf(device, asked, reasons) }
    reasons.push(`${device}: ${reason}`)
  }
  return { name: 'cpu', label: labelOf('cpu', asked, reasons) }
}

/** In the order in which they are tried; the CPU is always there. Nobody waits for a probe where there is no GPU. */
export function candidates(asked: AskedDevice, isGpuThere: boolean): Device[] {
  if (asked === 'auto') return isGpuThere ? ['cuda', 'webgpu', 'cpu'] : ['cpu']
  return asked === 'cpu' ? ['cpu'] : [asked, 'cpu']
}

/** `cpu (cuda: libcudnn.so.9 is not there)`; plain where it is what was asked for, or nothing was. */
function labelOf(device: Device, asked: AskedDevice, reasons: readonly string[]): string {
  if (asked === 'auto' || asked === device) return device
  const short = `${device} (${reasons.join('; ').replaceAll(/\s+/g, ' ')}`
  return `${short.slice(0, LABEL_CHARACTERS - 1)})`
}

/** The announcement takes no more. */
const LABEL_CHARACTERS = 100

const GPU_FILES = ['/dev/nvidiactl', '/dev/dri/renderD128', '/dev/dxg']

function hasGpu(): boolean {
  return process.platform !== 'linux' || GPU_FILES.some((path) => existsSync(path))
}

const PROBE_PATH = fileURLToPath(new URL('../engines/onnx/probe-device.ts', import.meta.url))
/** The first start of a CUDA driver takes seconds. */
const PROBE_LIMIT_MS = 30_000
const Answer = z.strictObject({ reason: z.string().nullable() })

function probeDevice(device: Device): Promise<string | null> {
  const child = fork(PROBE_PATH, [device], {
    env: childEnvironment(process.env, []),
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  return new Promise((resolve) => {
    let answer: string | null = 'the probe said nothing'
    const limit = setTimeout(() => {
      answer = `no answer in ${PROBE_LIMIT_MS / 1000} s`
      child.kill('SIGKILL')
    }, PROBE_LIMIT_MS)
    child.on('message', (raw) => {
      const parsed = Answer.safeParse(raw)
      if (parsed.success) answer = parsed.data.reason
    })
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (_code, signal) => {
      clearTimeout(limit)
      // A process that a driver brought down after its answer shows what the next one would meet.
      resolve(signal !== null && answer === null ? `the process ended by ${signal}` : answer)
    })
  })
}
