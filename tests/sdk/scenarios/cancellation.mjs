// Requests given up: by the SDK itself, by key, by signal.
import { PocketBase, baseUrl, refused, scenario, sleep, step } from "../harness.mjs";

await scenario(async () => {
  const pb = new PocketBase(baseUrl); // cancelling automatically, as it comes
  const posts = pb.collection("posts");

  const twice = async (options) => {
    const results = await Promise.allSettled([posts.getOne("post00000000001", options?.[0]), posts.getOne("post00000000001", options?.[1])]);
    return results.map((result) => result.status === "fulfilled" ? result.value.title : { aborted: result.reason.isAbort });
  };
  await step("the same request twice", () => twice());
  await step("with a key each", () => twice([{ requestKey: "a" }, { requestKey: "b" }]));
  await step("without keys", () => twice([{ requestKey: null }, { requestKey: null }]));

  await refused("cancelled by key", 0, async () => {
    setTimeout(() => pb.cancelRequest("slow"), 100);
    return pb.send("/api/custom/slow?ms=1500", { requestKey: "slow" });
  });
  await refused("cancelled with all", 0, async () => {
    setTimeout(() => pb.cancelAllRequests(), 100);
    return pb.send("/api/custom/slow?ms=1500", {});
  });
  await refused("cancelled by a signal", 0, () => pb.send("/api/custom/slow?ms=1500", { signal: AbortSignal.timeout(100), requestKey: null }));
  await step("a write given up is done all the same", async () => {
    const left = new AbortController();
    const write = pb.send("/api/custom/count/left?ms=400", { method: "POST", signal: left.signal, requestKey: null });
    setTimeout(() => left.abort(), 150);
    const error = await write.catch((reason) => reason);
    await sleep(600);
    return { aborted: error.isAbort, counters: (await pb.collection("counters").getFullList({ requestKey: null })).map((row) => row.count) };
  });
  await step("a download left half way", async () => {
    const left = new AbortController();
    const response = await fetch(`${baseUrl}/api/custom/stream?chunks=100&size=1000&ms=20`, { signal: left.signal });
    const first = await response.body.getReader().read();
    left.abort();
    return { status: response.status, got: first.value.length > 0 };
  });
  await step("many at once", async () => {
    pb.autoCancellation(false);
    const ids = Array.from({ length: 40 }, (_, n) => `post000000000${String((n % 30) + 1).padStart(2, "0")}`);
    return (await Promise.all(ids.map((id) => posts.getOne(id)))).map((post) => post.title);
  });
});
