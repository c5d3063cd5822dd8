// What is confirmed by mail: address, password, change of address; and the alert about a new place.
import { PASSWORD, client, mailCount, mailTo, refused, scenario, signedIn, step, tokenIn } from "../harness.mjs";

const shown = (mail) => ({ to: mail.to, sender: mail.sender, subject: mail.subject, text: mail.text });

await scenario(async () => {
  const users = client().collection("users");

  await step("ask to verify", () => users.requestVerification("cleo@example.com"));
  const verify = await mailTo("cleo@example.com");
  await step("the mail to verify", () => shown(verify));
  await step("verify", () => users.confirmVerification(tokenIn(verify)));
  await refused("a broken token", 400, () => users.confirmVerification(tokenIn(verify) + "x"));
  const cleo = await signedIn("cleo");
  await step("is verified", () => cleo.authStore.record);
  await step("no mail for a verified one", () => users.requestVerification("ada@example.com"));
  await step("nor for an unknown one", () => users.requestVerification("nobody@example.com"));

  await step("forgot the password", () => users.requestPasswordReset("dan@example.com"));
  const reset = await mailTo("dan@example.com");
  await step("the mail to reset", () => shown(reset));
  await refused("passwords differ", 400, () => users.confirmPasswordReset(tokenIn(reset), "new-password-1", "new-password-2"));
  await step("reset", () => users.confirmPasswordReset(tokenIn(reset), "new-password-1", "new-password-1"));
  await refused("only once", 400, () => users.confirmPasswordReset(tokenIn(reset), "new-password-3", "new-password-3"));
  await refused("the old password is gone", 400, () => users.authWithPassword("dan@example.com", PASSWORD));
  await step("the new one works", () => client().collection("users").authWithPassword("dan@example.com", "new-password-1"));

  const ben = await signedIn("ben");
  await refused("nobody changes no address", 401, () => users.requestEmailChange("ben@other.example.com"));
  await step("change the address", () => ben.collection("users").requestEmailChange("ben@other.example.com"));
  const change = await mailTo("ben@other.example.com");
  await step("the mail to the new address", () => shown(change));
  await refused("with the wrong password", 400, () => users.confirmEmailChange(tokenIn(change), "wrong"));
  await step("confirm with the right one", () => users.confirmEmailChange(tokenIn(change), PASSWORD));
  await refused("all earlier tokens end", 401, () => ben.collection("users").authRefresh());
  await step("sign in with the new address", () => ben.collection("users").authWithPassword("ben@other.example.com", PASSWORD));

  const staff = client().collection("staff");
  await step("a first place", () => staff.authWithPassword("tia", PASSWORD, { headers: { "User-Agent": "First/1" } }));
  await step("no alert for the first", () => mailCount());
  await step("a second place", () => staff.authWithPassword("tia", PASSWORD, { headers: { "User-Agent": "Second/1" } }));
  await step("an alert", async () => shown(await mailTo("tia@example.com")));
});
