// The server goes away under open streams: the SDK connects and subscribes again by itself, and sees what comes then.
import { Events, ask, client, scenario, signedIn, sleep, step } from "../harness.mjs";

await scenario(async () => {
  const pb = client();
  const ben = await signedIn("ben");
  const events = new Events();
  let connects = 0;
  let disconnects = 0;
  pb.realtime.onDisconnect = (topics) => void (topics.length && disconnects++);

  await step("subscribed", async () => {
    await pb.realtime.subscribe("PB_CONNECT", () => void connects++);
    await pb.collection("posts").subscribe("*", events.as("guest"), { filter: "views >= 0", fields: "id,title" });
    await ben.collection("diaries").subscribe("*", events.as("ben"));
    return [pb.realtime.isConnected, ben.realtime.isConnected];
  });
  const write = async (title) => {
    await ben.collection("posts").update("post00000000001", { title });
    await ben.collection("diaries").update("diary0000000001", { entry: title });
    return events.take(2);
  };
  await step("events before", () => write("Before"));

  for (const what of ["server", "upstream", "server"]) {
    const [connected, disconnected] = [connects, disconnects];
    const firstClient = pb.realtime.clientId;
    await ask(`restart ${what}`);
    const isBack = () => [pb, ben].every((c) => c.realtime.isConnected) && connects > connected;
    for (let waited = 0; !isBack() && waited < 15_000; waited += 20) await sleep(20);
    if (!isBack()) throw new Error(`not connected again after a restart of the ${what}`);
    await sleep(300); // the other client may just be posting its topics
    await step(`connected again after a restart of the ${what}`, () => ({ isNewClient: pb.realtime.clientId !== firstClient, sawDisconnect: disconnects > disconnected }));
    await step(`events after a restart of the ${what}`, () => write(`After ${what}`));
  }
  await step("unsubscribed", () => Promise.all([pb.realtime.unsubscribe(), ben.realtime.unsubscribe()]));
  await step("and stays so", async () => {
    await sleep(300);
    return [pb.realtime.isConnected, ben.realtime.isConnected];
  });
});
