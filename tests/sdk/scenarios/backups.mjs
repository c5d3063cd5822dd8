// Backups: made, listed, downloaded, uploaded, restored, deleted.
import { client, refused, scenario, sleep, step, superuser } from "../harness.mjs";

await scenario(async () => {
  const admin = await superuser();
  const keys = async () => (await admin.backups.getFullList()).map((backup) => backup.key).sort();

  await step("none yet", keys);
  await step("make one", () => admin.backups.create("first.zip"));
  await step("one", keys);
  await refused("the name is taken", 400, () => admin.backups.create("first.zip"));
  await refused("a bad name", 400, () => admin.backups.create("../first.zip"));

  const url = (token) => admin.backups.getDownloadURL(token, "first.zip");
  let bytes;
  await step("download", async () => {
    const response = await fetch(url(await admin.files.getToken()));
    bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, type: response.headers.get("content-type"),
      disposition: response.headers.get("content-disposition"), magic: Array.from(bytes.slice(0, 4)),
      isWhole: String(bytes.length) === response.headers.get("content-length") };
  });
  await step("not without a token", async () => (await fetch(url("garbage"))).status);
  await step("upload", () => admin.backups.upload({ file: new File([bytes], "second.zip", { type: "application/zip" }) }));
  await step("two", keys);
  await refused("no zip", 400, () => admin.backups.upload({ file: new File(["no zip"], "third.zip") }));

  const posts = client().collection("posts");
  await step("lose a row", () => posts.delete("post00000000001"));
  await step("restore", () => admin.backups.restore("second.zip"));
  await step("the row is back", async () => {
    for (let waited = 0; waited < 10_000; waited += 100) {
      try {
        return await posts.getOne("post00000000001");
      } catch (error) {
        if (![0, 404, 502, 503, 504].includes(error.status)) throw error; // being swapped
        await sleep(100);
      }
    }
    throw new Error("not restored");
  });
  await step("the superuser is still one", () => admin.collection("_superusers").authRefresh({ fields: "token,record.email" }));
  await step("delete one", () => admin.backups.delete("first.zip"));
  await step("one is left", keys);
  await refused("delete none", 400, () => admin.backups.delete("nothing.zip"));
});
