// Publishes one imaging event: node publish.mjs Media/ID Patient/ID. Needs kafkajs 2, and Tocsin's settings in the environment.
import { randomUUID } from "node:crypto";
import { bus } from "./bus.mjs";

const [media, subject] = process.argv.slice(2);
const topic = process.env.TOCSIN_KAFKA__TOPIC_IMAGING ?? "imaging.events.v1";

const producer = bus("dermoscopy-gateway").producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false });
await producer.connect();
const event = {
  version: 1,
  id: randomUUID(), // unique within the source; the same one again where the same event is sent again
  source: "urn:example:dermoscopy-gateway",
  occurred_at: new Date().toISOString(), // when it was taken or changed, with an offset from UTC
  media,
  subject, // must be the patient whom the Media names
};
const [sent] = await producer.send({ topic, acks: -1, messages: [{ key: subject, value: JSON.stringify(event) }] });
console.log(`published ${media} at ${topic}[${sent.partition}]@${sent.baseOffset}`);
await producer.disconnect();
