// The site's page, opened as an installed app: the way to the tickets that this phone has kept. In a
// browser they are not listed, because others may use it as well.

const place = document.querySelector("[data-saved]");

async function saved() {
  const own = `${location.pathname}/orders/`;
  const cache = await caches.open("shanmen-tickets-1");
  const found = (await cache.keys()).filter((key) => new URL(key.url).pathname.startsWith(own));
  return Promise.all(found.reverse().map(async (key) => {
    const page = new DOMParser().parseFromString(await (await cache.match(key)).text(), "text/html");
    const said = [".eticket-when", ".eticket h2"].map((part) => page.querySelector(part)?.textContent);
    return { path: new URL(key.url).pathname, text: said.filter(Boolean).join(" · ") };
  }));
}

async function list() {
  const links = (await saved()).map(({ path, text }) => {
    const link = document.createElement("a");
    link.className = "button button-wide";
    link.href = path;
    link.textContent = text;
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
  place.querySelector("ul").replaceChildren(...links);
  place.hidden = links.length === 0;
}

if ("caches" in window && new URLSearchParams(location.search).has("app")) list().catch(() => {});
