import { defineConfig } from "vite";

// The page is served from the root of the display server and must work offline: everything is bundled,
// nothing inlined as data: scripts (the server sends a strict Content-Security-Policy).
export default defineConfig({
  base: "/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
    target: "es2022",
  },
});
