// One-time codes by mail, and two factors.
import { PASSWORD, client, mailTo, refused, scenario, sleep, step } from "../harness.mjs";

const codeIn = (mail) => mail.text.match(/\b\d{8}\b/)[0];

await scenario(async () => {
  const pb = client();
  const users = pb.collection("users");

  const { otpId } = await step("ask for a code", () => users.requestOTP("ada@example.com"));
  const mail = await step("the mail", () => mailTo("ada@example.com"));
  await refused("a wrong code", 400, () => users.authWithOTP(otpId, "00000000"));
  await step("the right one", () => users.authWithOTP(otpId, codeIn(mail)));
  await step("signed in", () => users.authRefresh());
  await refused("a code works once", 400, () => client().collection("users").authWithOTP(otpId, codeIn(mail)));
  await step("an unknown address is not told apart", () => users.requestOTP("nobody@example.com"));
  await refused("no address", 400, () => users.requestOTP("no address"));

  const first = await step("an unverified account asks", () => users.requestOTP("cleo@example.com"));
  const verified = await step("signs in by code", async () => {
    const code = codeIn(await mailTo("cleo@example.com"));
    await sleep(300); // PocketBase notes only after sending where the code went, and verifies by that note
    return users.authWithOTP(first.otpId, code);
  });
  await step("and is verified by it", () => verified.record.verified);
  await refused("its old password is gone", 400,
    () => client().collection("users").authWithPassword("cleo@example.com", PASSWORD));

  const members = client().collection("members");
  const half = await refused("a password alone is one factor", 401,
    () => members.authWithPassword("mia@example.com", PASSWORD));
  const mfaId = half.response.mfaId;
  await refused("the same factor twice", 400, () => members.authWithPassword("mia@example.com", PASSWORD, { mfaId }));
  const second = await step("a code for the second factor", () => members.requestOTP("mia@example.com"));
  const code = codeIn(await mailTo("mia@example.com"));
  await step("both factors", () => members.authWithOTP(second.otpId, code, { mfaId }));
  await refused("no code in a collection without them", 403, () => client().collection("staff").requestOTP("sam@example.com"));
});
