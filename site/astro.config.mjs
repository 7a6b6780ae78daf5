import { defineConfig } from 'astro/config'

// Shells only: pages are static files, and what changes is filled in by the Worker and by its fragments.
export default defineConfig({
  outDir: '../dist/site',
  cacheDir: '../node_modules/.cache/astro',
  compressHTML: true,
  // `file`: the Worker asks for /jobs. `never`: the console's policy forbids inline styles.
  build: { format: 'file', inlineStylesheets: 'never' },
  // Small scripts would be inlined, which the policy forbids as well.
  vite: { cacheDir: '../node_modules/.vite', build: { assetsInlineLimit: 0 } },
  devToolbar: { enabled: false },
})
