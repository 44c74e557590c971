// A page that runs for weeks in OBS has to notice that the server was upgraded beneath it.

/** The ETags of its own files on the server, by path, or null where it cannot say. */
export async function fingerprint() {
  const own = performance
    .getEntriesByType("resource")
    .map(({ name }) => new URL(name))
    .filter((url) => url.origin === location.origin && url.pathname.startsWith("/static/"))
    .map((url) => url.pathname);
  const pages = [...new Set([location.pathname, ...own])].sort();
  try {
    return new Map(await Promise.all(pages.map(async (path) => [path, await tagOf(path)])));
  } catch {
    return null;
  }
}

/** Whether a file that was there before is another one now; what was only read since is not new. */
export function upgraded(before, now) {
  return [...before].some(([path, tag]) => now.has(path) && now.get(path) !== tag);
}

async function tagOf(path) {
  const response = await fetch(path, { method: "HEAD", cache: "no-store" });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.headers.get("ETag") ?? "";
}
