"""Only the image is replaced: an Alloy file, Alloy's options, and data that arrives."""

from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.integration.backend import Backend
from tests.integration.service import Service, poll

CONFIG = """
livedebugging {
	enabled = true
}

otelcol.receiver.otlp "default" {
	grpc {
		endpoint = sys.env("LISTEN")
	}

	output {
		traces = [otelcol.processor.batch.Default.input]
	}
}

otelcol.processor.batch "Default" {
	timeout = "1h"

	output {
		traces = [otelcol.exporter.otlp.tempo.input]
	}
}

otelcol.exporter.otlp "tempo" {
	client {
		endpoint = "127.0.0.1:" + sys.env("BACKEND_PORT")

		tls {
			insecure = true
		}
	}
}
"""


def test_alloy_file_runs_and_reloads(tmp_path: Path, backend: Backend) -> None:
    """The file runs with Alloy's options and a variable over it; a reload reads it again, and refuses a wrong one."""
    service = Service(tmp_path, backend=backend.port)
    service.config = tmp_path / "config.alloy"
    service.config.write_text(CONFIG)
    environment = {
        "LISTEN": f"127.0.0.1:{service.otlp_port}",
        "BACKEND_PORT": str(backend.port),
        "ALLOYTRIO_OTELCOL__PROCESSOR__BATCH__DEFAULT__TIMEOUT": "100ms",
    }
    arguments = [f"--storage.path={service.storage}", "--server.http.listen-addr", f"127.0.0.1:{service.admin_port}"]
    service.spawn(
        environment, [*arguments, "--stability.level=experimental", "--disable-reporting", "--cluster.enabled"]
    )
    try:
        poll(service.is_ready, "the service to be ready")
        provider = TracerProvider()
        exporter = OTLPSpanExporter(f"127.0.0.1:{service.otlp_port}", insecure=True)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        with provider.get_tracer("test").start_as_current_span("x"):
            pass
        provider.shutdown()
        backend.wait_until(lambda: len(backend.spans) == 1)
        assert "--cluster.enabled has no effect" in service.log
        assert service.log.count('\\"livedebugging\\" is left out') == 1
        assert any(service.storage.iterdir())

        service.config.write_text(CONFIG + 'loki.enrich "x" { }\n')
        status, answer = service.post("/-/reload")
        assert status == 400
        assert "loki.enrich" in answer
        service.config.write_text(CONFIG.replace('"1h"', '"2h"'))
        assert service.post("/-/reload")[0] == 200
        service.terminate()
    finally:
        service.kill()
