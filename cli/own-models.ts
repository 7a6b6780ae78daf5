import type { Dalston } from '#client/dalston.ts'
import { DalstonProblem } from '#client/errors.ts'
import type { ModelView } from '#protocol/api.ts'
import type { CatalogModel } from '#protocol/model.ts'

/** What is known of models with this machine's own entries: those go along with an order, so the server need not know them. */
export function withOwnEntries(
  models: readonly ModelView[],
  own: readonly CatalogModel[],
  { engineId, stage }: { readonly engineId?: string | undefined; readonly stage?: string | undefined },
): ModelView[] {
  const byId = new Map<string, ModelView>(models.map((model) => [model.id, model]))
  for (const entry of own) {
    const fits = (engineId ?? entry.engine) === entry.engine && (stage ?? entry.stage) === entry.stage
    if (fits) byId.set(entry.id, { ...(byId.get(entry.id) ?? nowhere()), ...entry })
  }
  return [...byId.values()]
}

export async function modelOfOwn(own: CatalogModel, client: Dalston): Promise<ModelView> {
  try {
    return { ...(await client.model(own.id)), ...own }
  } catch (error) {
    if (error instanceof DalstonProblem && error.code === 'not_found') return { ...nowhere(), ...own }
    throw error
  }
}

function nowhere(): Pick<ModelView, 'available_on' | 'loaded_on' | 'pinned_on'> {
  return { available_on: [], loaded_on: [], pinned_on: [] }
}
