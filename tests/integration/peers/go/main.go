// Command peer sends numbered spans with the OpenTelemetry SDK for Go, one request per span: by gRPC over one
// connection, or by HTTP.
//
//	peer ENDPOINT SPANS COMPRESSION PROTOCOL   (host:port, a number, "none" or "gzip", "grpc" or "http")
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoint, count, compression, protocol string) error {
	spans, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var failed error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { failed = err }))
	exporter, err := otlptrace.New(ctx, client(endpoint, compression, protocol))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracer := provider.Tracer("peer")
	for seq := range spans {
		_, span := tracer.Start(ctx, "work")
		span.SetAttributes(attribute.Int("seq", seq))
		span.End()
	}
	if err := provider.Shutdown(ctx); err != nil {
		return err
	}
	return failed
}

func client(endpoint, compression, protocol string) otlptrace.Client {
	if protocol == "http" {
		options := []otlptracehttp.Option{otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure()}
		if compression == "gzip" {
			options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		}
		return otlptracehttp.NewClient(options...)
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure()}
	if compression == "gzip" {
		options = append(options, otlptracegrpc.WithCompressor("gzip"))
	}
	return otlptracegrpc.NewClient(options...)
}
