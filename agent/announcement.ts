import type { AnnouncedEngine } from '#protocol/engine.ts'
import type { ChosenDevice } from './device-probe.ts'
import type { EngineHosts } from './engine-hosts.ts'
import type { EngineList } from './engine-list.ts'
import type { Models } from './models/models.ts'

export interface AnnouncedParts {
  readonly engines: EngineList
  readonly models: Models
  readonly device: ChosenDevice
  readonly slots: number
}

/** What hello and status say of this agent's engines: with the models that are here, and what each was seen to take. */
export function announcedEngines(parts: AnnouncedParts, hosts: EngineHosts): AnnouncedEngine[] {
  const loaded = hosts.loadedModels()
  return parts.engines.map(({ manifest }) => ({
    manifest,
    device: parts.device.label,
    slots: parts.slots,
    models: parts.models.announced(manifest.id, loaded).map((model) => ({
      ...model,
      memory_mib: hosts.measuredMib(model.id) ?? model.memory_mib,
    })),
  }))
}
