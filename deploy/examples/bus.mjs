// How the examples for Node reach the bus: by Tocsin's own settings.
import { readFileSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";

const setting = (name) => process.env[`TOCSIN_KAFKA__${name}`];

export function bus(clientId) {
  const told = { clientId, brokers: setting("BOOTSTRAP_SERVERS").split(","), logLevel: logLevel.ERROR };
  if (setting("SECURITY_PROTOCOL")?.endsWith("SSL")) {
    const file = setting("TLS_CA_FILE");
    told.ssl = file ? { ca: [readFileSync(file)] } : true;
  }
  if (setting("SASL_MECHANISM")) {
    const password = readFileSync(setting("SASL_PASSWORD_FILE"), "utf8").trim();
    told.sasl = { mechanism: setting("SASL_MECHANISM").toLowerCase(), username: setting("SASL_USERNAME"), password };
  }
  return new Kafka(told);
}
