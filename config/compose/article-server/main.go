// article-server is the sample application of the stack: an HTTP server whose traces, metrics and log lines all go
// through alloytrio. It also asks itself for an article twice a second, so that there is something to look at.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const defaultAddress = ":8080"

var tracer = otel.Tracer("article-server")

// traceHandler writes the ids of the current span into each line, and levels in lower case.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, record slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

func lowerLevel(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.LevelKey {
		attr.Value = slog.StringValue(strings.ToLower(attr.Value.String()))
	}
	return attr
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "healthcheck" {
		healthcheck(cmp.Or(os.Getenv("LISTEN"), defaultAddress))
	}
	handler := slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: lowerLevel})
	slog.SetDefault(slog.New(traceHandler{handler}))
	if err := run(); err != nil {
		slog.Error("article-server ends", "error", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Endpoint, service name and protocol come from the OTEL_… variables in compose.yaml.
	headers, err := credentials(os.Getenv("TOKEN_FILE"))
	if err != nil {
		return fmt.Errorf("TOKEN_FILE: %w", err)
	}
	spans, err := otlptracegrpc.New(ctx, otlptracegrpc.WithHeaders(headers))
	if err != nil {
		return fmt.Errorf("trace exporter: %w", err)
	}
	metrics, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithHeaders(headers))
	if err != nil {
		return fmt.Errorf("metric exporter: %w", err)
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(10*time.Second))))
	otel.SetTracerProvider(traces)
	otel.SetMeterProvider(meters)
	defer func() {
		last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = errors.Join(traces.Shutdown(last), meters.Shutdown(last))
	}()

	address := cmp.Or(os.Getenv("LISTEN"), defaultAddress)
	routes := http.NewServeMux()
	routes.Handle("GET /articles/{id}", otelhttp.NewHandler(http.HandlerFunc(article), "http"))
	routes.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: address, Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	go readers(ctx, address)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = server.Shutdown(last)
	}()
	slog.Info("listening", "address", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// healthcheck asks the running server, for the container's health, and ends the process: the image holds nothing else.
func healthcheck(address string) {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(self(address) + "/healthz")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, response.Status)
		os.Exit(1)
	}
	os.Exit(0)
}

// self is the URL at which the server that listens on an address reaches itself.
func self(address string) string {
	return "http://localhost" + address[strings.LastIndex(address, ":"):]
}

// credentials are the headers that a receiver with otelcol.auth.bearer asks for; none without a file.
func credentials(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	token, _, _ := strings.Cut(string(content), "\n")
	return map[string]string{"authorization": "Bearer " + strings.TrimSpace(token)}, nil
}

func article(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	ctx, span := tracer.Start(r.Context(), "load article", trace.WithAttributes(attribute.String("article.id", id)))
	defer span.End()
	time.Sleep(time.Duration(5+rand.ExpFloat64()*20) * time.Millisecond)
	if rand.IntN(20) == 0 {
		err := errors.New("the article store did not answer")
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		slog.ErrorContext(ctx, "article not loaded", "article", id, "error", err)
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	slog.InfoContext(ctx, "article read", "article", id)
	fmt.Fprintf(w, "article %s\n", id)
}

// readers ask for articles until the server stops.
func readers(ctx context.Context, address string) {
	client := http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport), Timeout: 5 * time.Second}
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/articles/%d", self(address), rand.IntN(100)), nil)
			if err != nil {
				continue
			}
			if response, err := client.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}
	}
}
