// Sends one trace to the receiver named in the page's address, and writes "sent" or the error into the page.
import { SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { SimpleSpanProcessor, WebTracerProvider } from "@opentelemetry/sdk-trace-web";

const url = new URLSearchParams(location.search).get("receiver");
const exporter = new OTLPTraceExporter({ url, headers: { "x-page": "shop" } });
const answered = new Promise((resolve) => {
  const send = exporter.export.bind(exporter);
  exporter.export = (spans, done) => send(spans, (result) => { done(result); resolve(result); });
});
const provider = new WebTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
const span = trace.getTracer("page").startSpan("click on „Kaufen“");
span.setAttribute("größe", 7);
span.setStatus({ code: SpanStatusCode.OK });
span.end();
answered.then((result) => { document.title = result.code === 0 ? "sent" : `failed: ${result.error}`; });
