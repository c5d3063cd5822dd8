// Files: uploading in every form, thumbs, replacing, removing, protected ones.
import { client, download, refused, scenario, signedIn, step } from "../harness.mjs";

const text = (content, name) => new File([content], name, { type: "text/plain" });
const picture = Uint8Array.from(Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGP8z8Dwn4GBAQAICQH/9ZTiawAAAABJRU5ErkJggg==", "base64"));

await scenario(async () => {
  const pb = client();
  const documents = pb.collection("documents");
  const id = "mydocument00001";

  const form = new FormData();
  form.set("id", id);
  form.set("name", "By form");
  form.set("public", "true");
  form.append("attachments", text("first\n", "first one.txt"));
  form.append("attachments", text("second\n", "zweiter ü.txt"));
  await step("create by form", () => documents.create(form));
  await step("create by object", () => documents.create({ id: "mydocument00002", name: "By object", public: true,
    attachments: [text("one", "one.txt"), new Blob(["blob"], { type: "text/plain" })], contract: text("private", "contract.txt"),
    owner: "user00000000002" }));
  await step("append a file", () => documents.update(id, { "attachments+": text("third", "third.txt") }));
  await step("prepend a file", () => documents.update(id, { "+attachments": text("zeroth", "zeroth.txt") }));
  const before = await step("read them", () => documents.getOne(id));
  await step("fetch one", () => download(pb.files.getURL(before, before.attachments[1])));
  await step("remove one", () => documents.update(id, { "attachments-": before.attachments[1] }));
  await step("it is gone", () => download(pb.files.getURL(before, before.attachments[1])));
  await step("replace all", () => documents.update(id, { attachments: [text("only", "only.txt")] }));
  await step("remove all", () => documents.update(id, { attachments: [] }));
  await refused("too many", 400, () => documents.update(id, { attachments: Array.from("abcdef", (c) => text(c, c + ".txt")) }));
  await refused("too large", 400, () => documents.update(id, { attachments: [text("x".repeat(1048577), "large.txt")] }));
  await refused("of the wrong type", 400, () => documents.update(id, { cover: text("no picture", "cover.png") }));
  await step("a picture", async () => documents.update(id, { cover: new File([picture], "tiny.png", { type: "image/png" }) }));
  await step("a megabyte of bytes", () => documents.update(id, {
    attachments: [new File([new Uint8Array(1_000_000).map((_, i) => (i * 7) % 251)], "big.bin")] }));
  const big = await documents.getOne(id);
  await step("and back", () => download(pb.files.getURL(big, big.attachments[0])));

  const seeded = await documents.getOne("document0000002");
  const url = (name, query) => pb.files.getURL(seeded, name, query);
  await step("the address of a file", () => url(seeded.cover, { thumb: "50x50", download: true }));
  await step("the picture", () => download(url(seeded.cover)));
  for (const thumb of ["50x50", "0x40", "80x30f", "100x100", "7x7", "odd"]) {
    await step(`thumb ${thumb}`, () => download(url(seeded.cover, { thumb })));
  }
  await step("thumb again", () => download(url(seeded.cover, { thumb: "50x50" })));
  await step("to download", () => download(url(seeded.attachments[0], { download: true })));
  await step("bytes", () => download(url(seeded.attachments[1])));
  await step("a part", () => download(url(seeded.attachments[0]), { headers: { Range: "bytes=3-12" } }));
  await step("its head", () => download(url(seeded.attachments[0]), { method: "HEAD" }));
  await step("no such file", () => download(url("nothing_abcdefghij.txt")));

  const secret = await step("a document of ada's", () => documents.getFirstListItem("id = 'document0000002' || id = 'document0000001'",
    { sort: "id" }));
  const contract = (token) => download(pb.files.getURL(secret, secret.contract, token ? { token } : {}));
  await refused("guests get no file token", 401, () => pb.files.getToken());
  await step("a protected file, as guest", () => contract(""));
  const ada = await signedIn("ada");
  const ben = await signedIn("ben");
  const adas = await step("a file token for ada", () => ada.files.getToken());
  const bens = await step("one for ben", () => ben.files.getToken());
  for (const [who, token] of [["ada", adas], ["ben", bens], ["garbage", "garbage"], ["an auth token", ada.authStore.token]]) {
    await step(`a protected file with the token of ${who}`, () => contract(token));
  }
  await step("the header alone does not do", () => download(pb.files.getURL(secret, secret.contract),
    { headers: { Authorization: ada.authStore.token } }));
  await step("an open file needs no rights", () => download(pb.files.getURL(secret, secret.attachments[0])));

  await step("delete the record", () => documents.delete("document0000002"));
  await step("and its files", () => download(url(seeded.cover)));
});
