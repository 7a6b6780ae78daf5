import { PRODUCT, type Product } from '../product.ts'

/** Planted: a load takes nothing that agents said of their orders for final. */
export const forgottenOrderEnd: Product = {
  ...PRODUCT,
  loadRegistry: (records, ...rest) =>
    PRODUCT.loadRegistry(
      records.filter(({ kind }) => kind !== 'order'),
      ...rest,
    ),
}
