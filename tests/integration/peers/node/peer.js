// Sends numbered spans with the OpenTelemetry SDK for JavaScript (grpc-js), one request per span, over one connection.
//   node peer.js ENDPOINT SPANS COMPRESSION   (host:port, a number, "none" or "gzip")
"use strict";
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");

const WINDOW = 20; // requests in flight

async function main([endpoint, count, compression]) {
  const memory = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
  const tracer = provider.getTracer("peer");
  for (let seq = 0; seq < Number(count); seq++) {
    tracer.startSpan("work", { attributes: { seq } }).end();
  }
  await provider.forceFlush();
  const spans = memory.getFinishedSpans();
  const exporter = new OTLPTraceExporter({ url: `http://${endpoint}`, compression, concurrencyLimit: 2 * WINDOW });
  const send = (span) =>
    new Promise((resolve, reject) =>
      exporter.export([span], (result) => (result.code === 0 ? resolve() : reject(result.error))),
    );
  const sendFrom = async (start) => {
    for (let at = start; at < spans.length; at += WINDOW) await send(spans[at]);
  };
  await Promise.all(Array.from({ length: WINDOW }, (_, start) => sendFrom(start)));
  await exporter.shutdown();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
