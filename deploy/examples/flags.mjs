// Prints flags as they come: node flags.mjs GROUP [COUNT]. Needs kafkajs 2, and Tocsin's settings in the environment.
import { bus } from "./bus.mjs";

const [group, count = Infinity] = process.argv.slice(2);
const topic = process.env.TOCSIN_KAFKA__TOPIC_FLAGS ?? "tocsin.flags.v1";

const consumer = bus("worklist").consumer({ groupId: group, allowAutoTopicCreation: false });
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
let seen = 0;
await consumer.run({
  autoCommit: false,
  eachMessage: async ({ partition, message }) => {
    const flag = JSON.parse(message.value.toString());
    const rehearsal = flag.event_source === "urn:tocsin:rehearsal"; // nobody is to act on it
    if (!rehearsal) show(flag);
    const next = (BigInt(message.offset) + 1n).toString();
    await consumer.commitOffsets([{ topic, partition, offset: next }]); // after the flag was handled, never before
    if (!rehearsal) seen += 1;
    if (seen >= Number(count)) setImmediate(() => consumer.disconnect());
  },
});

// Here a worklist stores the flag under its id: it may come again, and of one id the last one holds.
function show(flag) {
  const verdict =
    flag.outcome === "not-assessable"
      ? `not assessable (${flag.reason}): nobody has judged it` // never to be shown as an all-clear
      : `${flag.band}, score ${flag.probability}`;
  console.log(`${flag.id}  ${flag.subject}  ${flag.media}  ${flag.status}  ${verdict}  ${flag.report}`);
}
