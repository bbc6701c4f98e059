// Keeps e-tickets for opening without network: an order's page that carries x-shanmen-keep: 1, and
// the files that it needs. Everything else goes to the network as if this were not here.

const PAGES = "shanmen-tickets-1";
const FILES = "shanmen-files-1";
const MOST_PAGES = 20;
const MOST_FILES = 80;
const ORDER = /^\/s\/[^/]+\/orders\/[^/]+\/[^/]+$/;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function trim(cache, most) {
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - most)).map((key) => cache.delete(key)));
}

// The address without its query is the ticket's name, so that a page found later replaces it.
async function store(path, answer) {
  const cache = await caches.open(PAGES);
  const keep = answer.headers.get("x-shanmen-keep");
  if (keep === "0") await cache.delete(path);
  if (keep !== "1" || !answer.ok) return;
  await cache.delete(path);
  await cache.put(path, answer.clone());
  await trim(cache, MOST_PAGES);
}

async function keep(path, files) {
  const answer = await fetch(path, { credentials: "same-origin" });
  await store(path, answer);
  if (answer.headers.get("x-shanmen-keep") !== "1") return;
  const cache = await caches.open(FILES);
  await Promise.all(
    files.map(async (file) => {
      if (await cache.match(file)) return;
      const got = await fetch(file);
      if (got.ok) await cache.put(file, got);
    }),
  );
  await trim(cache, MOST_FILES);
}

self.addEventListener("message", (event) => {
  const { keep: path, look, files = [] } = event.data ?? {};
  if (path && ORDER.test(path)) event.waitUntil(keep(path, files).catch(() => {}));
  if (look && ORDER.test(look)) {
    event.waitUntil(fetch(look).then((answer) => store(look, answer)).catch(() => {}));
  }
});

async function page(request, path) {
  try {
    const answer = await fetch(request);
    await store(path, answer);
    return answer;
  } catch (error) {
    const kept = await (await caches.open(PAGES)).match(path);
    if (kept) return kept;
    throw error;
  }
}

async function file(request) {
  const cache = await caches.open(FILES);
  return (await cache.match(request)) ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && ORDER.test(url.pathname)) {
    event.respondWith(page(request, url.pathname));
  } else if (url.pathname.startsWith("/static/")) {
    event.respondWith(file(request));
  }
});
