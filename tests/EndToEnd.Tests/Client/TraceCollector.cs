using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.EndToEnd.Tests.Client;

/// <summary>One step of a trace.</summary>
internal sealed record Span(string Service, string Trace, string Id, string Parent, string Name);

/// <summary>Receives spans as an OpenTelemetry collector does, by OTLP over HTTP with Protocol Buffers.</summary>
internal sealed class TraceCollector : IAsyncDisposable
{
    private readonly ConcurrentQueue<Span> _spans = new();
    private readonly WebApplication _app;

    private TraceCollector()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.MapPost("/v1/{signal}", async (string signal, HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            if (signal == "traces")
                Read(body.ToArray());
            // An empty answer says that everything was taken.
            return Results.Bytes([], "application/x-protobuf");
        });
    }

    /// <summary>The address for <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>.</summary>
    public string Address => _app.Urls.Single();

    /// <summary>The spans received so far.</summary>
    public IReadOnlyCollection<Span> Spans => _spans;

    public static async Task<TraceCollector> StartAsync()
    {
        var collector = new TraceCollector();
        await collector._app.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    // The numbers are those of the fields in opentelemetry/proto/trace/v1/trace.proto.
    private void Read(byte[] body)
    {
        foreach (var resource in Fields(body, 1))
        {
            var service = Fields(resource, 1).SelectMany(attributes => Fields(attributes, 1))
                .Where(attribute => Text(attribute, 1) == "service.name").SelectMany(attribute => Fields(attribute, 2))
                .Select(value => Text(value, 1)).Single();
            foreach (var span in Fields(resource, 2).SelectMany(scope => Fields(scope, 2)))
                _spans.Enqueue(new Span(service, Hex(span, 1), Hex(span, 2), Hex(span, 4), Text(span, 5)));
        }
    }

    private static string Text(ReadOnlyMemory<byte> message, int number) =>
        Encoding.UTF8.GetString(Fields(message, number).FirstOrDefault().Span);

    private static string Hex(ReadOnlyMemory<byte> message, int number) =>
        Convert.ToHexStringLower(Fields(message, number).FirstOrDefault().Span);

    // The values of a field with a length: texts, bytes and messages.
    private static List<ReadOnlyMemory<byte>> Fields(ReadOnlyMemory<byte> message, int number)
    {
        var values = new List<ReadOnlyMemory<byte>>();
        for (var at = 0; at < message.Length;)
        {
            var key = ReadNumber(message.Span, ref at);
            var length = (key & 7) switch
            {
                0 => 0,
                1 => 8,
                5 => 4,
                _ => (int)ReadNumber(message.Span, ref at)
            };
            if ((key & 7) == 0)
                ReadNumber(message.Span, ref at);
            if (key >> 3 == (ulong)number && (key & 7) == 2)
                values.Add(message.Slice(at, length));
            at += length;
        }
        return values;
    }

    private static ulong ReadNumber(ReadOnlySpan<byte> message, ref int at)
    {
        ulong number = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = message[at++];
            number |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return number;
        }
    }
}
