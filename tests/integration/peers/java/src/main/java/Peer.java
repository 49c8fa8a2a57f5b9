import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SimpleSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.Collection;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Sends numbered spans with the OpenTelemetry SDK for Java, one request per span: by gRPC (grpc-java, Netty) over
 * one connection, or by HTTP: {@code java Peer ENDPOINT SPANS COMPRESSION PROTOCOL} (host:port, a number, "none" or
 * "gzip", "grpc" or "http").
 */
public final class Peer {
  public static void main(String[] arguments) throws InterruptedException {
    var exporter = new Waiting(exporter(arguments[0], arguments[2], arguments[3]));
    try (var provider =
        SdkTracerProvider.builder().addSpanProcessor(SimpleSpanProcessor.create(exporter)).build()) {
      Tracer tracer = provider.get("peer");
      for (int seq = 0; seq < Integer.parseInt(arguments[1]); seq++) {
        tracer.spanBuilder("work").setAttribute("seq", seq).startSpan().end();
      }
      provider.forceFlush().join(60, TimeUnit.SECONDS);
    }
    if (exporter.failed.get() > 0) {
      System.err.println(exporter.failed.get() + " exports failed");
      System.exit(1);
    }
  }

  private static SpanExporter exporter(String endpoint, String compression, String protocol) {
    if (protocol.equals("http")) {
      return OtlpHttpSpanExporter.builder()
          .setEndpoint("http://" + endpoint + "/v1/traces")
          .setCompression(compression)
          .build();
    }
    return OtlpGrpcSpanExporter.builder()
        .setEndpoint("http://" + endpoint)
        .setCompression(compression)
        .build();
  }

  /** Waits for each export, so that the number of requests in flight stays small. */
  private record Waiting(SpanExporter exporter, AtomicInteger failed) implements SpanExporter {
    Waiting(SpanExporter exporter) {
      this(exporter, new AtomicInteger());
    }

    @Override
    public CompletableResultCode export(Collection<SpanData> spans) {
      CompletableResultCode result = exporter.export(spans).join(30, TimeUnit.SECONDS);
      if (!result.isSuccess()) {
        failed.incrementAndGet();
      }
      return result;
    }

    @Override
    public CompletableResultCode flush() {
      return exporter.flush();
    }

    @Override
    public CompletableResultCode shutdown() {
      return exporter.shutdown();
    }
  }
}
