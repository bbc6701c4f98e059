// Keeps e-tickets for opening without network, or with one that is too weak: an order's page that
// carries x-shanmen-keep: 1, and the files that it needs. Everything else goes to the network as if
// this were not here.

const PAGES = "shanmen-tickets-1";
const FILES = "shanmen-files-1";
const MOST_PAGES = 20;
const MOST_FILES = 80;
// How long the network may take before a kept page is shown: people stand at the gate. Whoever has
// just given back or moved a ticket, or paid, waits longer, because they want to see what came of it.
const PATIENCE_MS = 1500;
const OUTCOME_MS = 10_000;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;
const ORDER = /^\/s\/[^/]+\/orders\/[^/]+\/[^/]+$/;
const HOME = /^\/s\/[^/]+$/;
const ACTION = /^(\/s\/[^/]+\/orders\/[^/]+\/[^/]+)\/./;

// Orders that this phone has asked to change, until their page has come.
const acted = new Set();

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function trim(cache, most) {
  const keys = await cache.keys();
  await Promise.all(keys.slice(0, Math.max(0, keys.length - most)).map((key) => cache.delete(key)));
}

// The address without its query is the ticket's name, so that a page found later replaces it. The
// kept page is replaced once all of the new one is here: an answer may break off on its way.
async function store(path, answer) {
  const cache = await caches.open(PAGES);
  const keep = answer.headers.get("x-shanmen-keep");
  if (keep === "0") await cache.delete(path);
  if (keep !== "1" || !answer.ok) return;
  await cache.put(path, answer.clone());
  await trim(cache, MOST_PAGES);
}

async function keep(path, files, brought) {
  // A page that came through here is kept by now.
  if (!brought || !(await (await caches.open(PAGES)).match(path))) {
    const answer = await fetch(path, { credentials: "same-origin" });
    await store(path, answer);
    if (answer.headers.get("x-shanmen-keep") !== "1") return;
  }
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
  const { keep: path, look, files = [], brought = false } = event.data ?? {};
  if (path && ORDER.test(path)) event.waitUntil(keep(path, files, brought).catch(() => {}));
  if (look && ORDER.test(look)) {
    event.waitUntil(fetch(look).then((answer) => store(look, answer)).catch(() => {}));
  }
});

// The network's answer, once all of it is here.
async function fetched(request, path) {
  const answer = await fetch(request);
  await answer.clone().blob();
  // A phone that has no room for it shows it all the same.
  await store(path, answer).catch(() => {});
  acted.delete(path);
  return answer;
}

const isNone = (answer) =>
  !answer || answer.status >= SERVER_ERROR || answer.status === TOO_MANY_REQUESTS;
const version = (answer) => answer.headers.get("x-shanmen-version");

// Tells a page that was shown as it was kept so, and once the network has answered whether it is
// still right; its keeper decides when to look at the new one.
async function tell(id, kept, coming) {
  const client = await self.clients.get(id);
  client?.postMessage({ ticket: "kept" });
  const answer = await coming;
  if (isNone(answer)) return;
  client?.postMessage({ ticket: version(answer) === version(kept) ? "current" : "changed" });
}

function inTime(coming, patience) {
  return Promise.race([coming, new Promise((done) => setTimeout(done, patience, null))]);
}

async function page(event, path, patience) {
  const kept = await (await caches.open(PAGES)).match(path);
  const asked = fetched(event.request, path);
  if (!kept) return asked;
  const coming = asked.catch(() => null);
  const answer = await inTime(coming, patience);
  if (!isNone(answer)) return answer;
  event.waitUntil(tell(event.resultingClientId, kept, coming));
  return kept;
}

// The installed app begins at the site's page. Where that does not come, it goes to the ticket that
// was looked at last; a browser that others use as well shows nobody's ticket by itself.
async function home(request, path) {
  const kept = (await (await caches.open(PAGES)).keys())
    .map((key) => new URL(key.url).pathname)
    .filter((ticket) => ticket.startsWith(`${path}/orders/`));
  const coming = fetch(request);
  if (!kept.length) return coming;
  const answer = await inTime(coming.catch(() => null), OUTCOME_MS);
  return isNone(answer) ? Response.redirect(kept.at(-1)) : answer;
}

async function file(request) {
  const cache = await caches.open(FILES);
  return (await cache.match(request)) ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method !== "GET") {
    const action = ACTION.exec(url.pathname);
    if (action) acted.add(action[1]);
  } else if (request.mode === "navigate" && ORDER.test(url.pathname)) {
    const waits = url.search || acted.has(url.pathname);
    event.respondWith(page(event, url.pathname, waits ? OUTCOME_MS : PATIENCE_MS));
  } else if (request.mode === "navigate" && url.searchParams.has("app") && HOME.test(url.pathname)) {
    event.respondWith(home(request, url.pathname));
  } else if (url.pathname.startsWith("/static/")) {
    event.respondWith(file(request));
  }
});
