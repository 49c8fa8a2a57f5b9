// Sends numbered spans with the OpenTelemetry SDK for JavaScript, one request per span: by gRPC (grpc-js) over one
// connection, or by HTTP.
//   node peer.js ENDPOINT SPANS COMPRESSION PROTOCOL   (host:port, a number, "none" or "gzip", "grpc" or "http")
"use strict";
const grpc = require("@opentelemetry/exporter-trace-otlp-grpc");
const http = require("@opentelemetry/exporter-trace-otlp-proto");
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");

const WINDOW = 20; // requests in flight

async function main([endpoint, count, compression, protocol]) {
  const memory = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
  const tracer = provider.getTracer("peer");
  for (let seq = 0; seq < Number(count); seq++) {
    tracer.startSpan("work", { attributes: { seq } }).end();
  }
  await provider.forceFlush();
  const spans = memory.getFinishedSpans();
  const options = { compression, concurrencyLimit: 2 * WINDOW };
  const exporter =
    protocol === "http"
      ? new http.OTLPTraceExporter({ url: `http://${endpoint}/v1/traces`, ...options })
      : new grpc.OTLPTraceExporter({ url: `http://${endpoint}`, ...options });
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
