// A page that runs for weeks in OBS has to notice that the server was upgraded beneath it.

/** Which version of its own files the server has: their ETags, or null where it cannot say. */
export async function fingerprint() {
  const own = performance
    .getEntriesByType("resource")
    .map(({ name }) => new URL(name))
    .filter((url) => url.origin === location.origin && url.pathname.startsWith("/static/"))
    .map((url) => url.pathname);
  const pages = [...new Set([location.pathname, ...own])].sort();
  try {
    const tags = await Promise.all(pages.map(tagOf));
    return tags.join(" ");
  } catch {
    return null;
  }
}

async function tagOf(path) {
  const response = await fetch(path, { method: "HEAD", cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.headers.get("ETag") ?? "";
}
