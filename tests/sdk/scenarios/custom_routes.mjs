// Routes of the app's own pb_hooks through `pb.send`, static files, and what the client's hooks change.
import { client, download, refused, scenario, signedIn, step } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const ben = await signedIn("ben");

  await step("a route", () => pb.send("/api/custom/hello/wörld%2Fmoon", {}));
  await step("a route, signed in", () => ben.send("/api/custom/hello/me", {}));
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
    await step(`${method} with query and headers`, async () => {
      const seen = await ben.send("/api/custom/echo", { method, query: { a: 1, b: "x y&z", list: ["p", "q"] },
        body: method === "GET" ? undefined : { some: ["json", 1, null] }, headers: { "X-Custom": "yes, indeed" } });
      const headers = ["X-Custom", "Content-Type", "Accept-Language", "User-Agent"];
      return { ...seen, host: undefined, contentLength: undefined,
        headers: Object.fromEntries(headers.map((name) => [name, seen.headers[name]])) };
    });
  }
  await step("a status of its own", () => pb.send("/api/custom/echo", { method: "POST", query: { status: 202 }, fields: "method" })
    .then((seen) => seen.method));
  await refused("an error of its own", 418, () => pb.send("/api/custom/fails", {}));
  await step("nothing", () => pb.send("/api/custom/empty", {}));
  await step("an auth answer of its own", async () => {
    const answer = await ben.send("/api/custom/sign-in", { method: "POST" });
    ben.authStore.save(answer.token, answer.record);
    return answer;
  });
  await step("whose token works", () => ben.collection("diaries").getFullList({ sort: "id" }));
  await refused("and only for those signed in", 401, () => pb.send("/api/custom/sign-in", { method: "POST" }));
  await step("slow ones", () => pb.send("/api/custom/slow", { query: { ms: 700 } }));

  const at = (path, options) => download(pb.buildURL(path), options);
  await step("a stream", () => at("/api/custom/stream?chunks=5&size=1000&ms=10"));
  await step("bytes", () => at("/api/custom/bytes?size=70000"));
  await step("a page", () => at("/page/hello"));
  await step("a redirect, followed", () => at("/api/custom/redirect"));
  await step("a redirect, shown", () => at("/api/custom/redirect?status=307&to=/elsewhere", { redirect: "manual" }));
  await step("cookies", async () => (await fetch(pb.buildURL("/api/custom/cookies"), { headers: { Cookie: "a=1; b=2" } })).headers.getSetCookie());
  await step("a validator", () => at("/api/custom/etag"));
  await step("which matches", () => at("/api/custom/etag", { headers: { "If-None-Match": '"v1"' } }));
  await step("a body back", () => at("/api/custom/mirror", { method: "POST", body: Uint8Array.from({ length: 5000 }, (_, i) => i % 256) }));
  await step("the app's page", () => at("/"));
  await step("the app's style", () => at("/assets/style.css"));
  await step("any page of the app", () => at("/some/deep/link"));
  await step("the dashboard's page", async () => {
    const { status, headers } = await at("/_/");
    return { status, type: headers["content-type"], policy: headers["content-security-policy"] };
  });

  const hooked = client();
  hooked.beforeSend = (url, options) => ({ url: url + "?fields=id,title", options: { ...options, headers: { ...options.headers, "X-Club": "blue" } } });
  hooked.afterSend = (response, data) => ({ ...data, status: response.status, type: response.headers.get("content-type") });
  await step("beforeSend and afterSend", () => hooked.send("/api/collections/posts/records/post00000000001", {}));
  await step("a preflight", async () => {
    const response = await fetch(pb.buildURL("/api/collections/posts/records"), { method: "OPTIONS", headers: {
      Origin: "https://app.example.com", "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,content-type" } });
    const names = ["access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers"];
    return { status: response.status, headers: names.map((name) => response.headers.get(name)) };
  });
});
