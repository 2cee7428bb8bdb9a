using System.Collections.Concurrent;
using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>A request that a service received.</summary>
public sealed record ReceivedRequest(string Method, string Target, IReadOnlyDictionary<string, string[]> Headers, string Body);

/// <summary>Stands in for all services: records each request and answers as the test specifies.</summary>
public sealed class UpstreamStub : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ReceivedRequest> _requests = new();

    private UpstreamStub(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public ReceivedRequest[] Requests => [.. _requests];

    public Func<HttpContext, Task> Answer { get; set; } = AnswerAsync;

    /// <summary>The snapshot of Queue; null if Queue does not answer.</summary>
    public QueueSnapshot? Snapshot { get; set; } = QueueTokens.Snapshot();

    /// <summary>How often gateways have read the snapshot.</summary>
    public int SnapshotReads { get; private set; }

    /// <summary>The concert of a schedule, as Seats answers; null if there is no such schedule.</summary>
    public Func<int, int?> ConcertOf { get; set; } = _ => 1;

    /// <summary>Answers as a service without recorded answers: repeats the gateway's refusal, if it has one, or accepts.</summary>
    public static Task AnswerAsync(HttpContext context) =>
        context.Request.Headers["X-Queue-Refusal"] is [{ } code] ? RefuseAsync(context, code) : AcceptAsync(context);

    /// <summary>Answers as a service with a recorded answer to each request.</summary>
    public static Task AcceptAsync(HttpContext context) => context.Response.WriteAsJsonAsync(new { ok = true });

    public static async Task<UpstreamStub> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var upstream = new UpstreamStub(builder.Build());
        // Not recorded: the gateway's own requests.
        upstream._app.MapGet("/queue/internal/queue/snapshot", upstream.AnswerSnapshot);
        upstream._app.MapGet("/seats/internal/schedules/{scheduleId:int}", upstream.AnswerSchedule);
        upstream._app.MapFallback("{**path}", upstream.RecordAsync);
        await upstream._app.StartAsync();
        return upstream;
    }

    public void Reset(QueueSnapshot? snapshot = null)
    {
        _requests.Clear();
        Answer = AnswerAsync;
        Snapshot = snapshot ?? QueueTokens.Snapshot();
        ConcertOf = _ => 1;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static Task RefuseAsync(HttpContext context, string code)
    {
        var status = code switch { "QUEUE_UNAVAILABLE" => 503, "QUEUE_TOKEN_NOT_ACTIVE" => 403, _ => 410 };
        context.Response.StatusCode = status;
        if (status == 503)
            context.Response.Headers.RetryAfter = "1";
        return context.Response.WriteAsJsonAsync(new { type = "urn:x", title = "x", status, detail = "x", code, traceId = "x" },
            (JsonSerializerOptions?)null, "application/problem+json");
    }

    private IResult AnswerSnapshot(HttpRequest request)
    {
        SnapshotReads++;
        return request.Headers["X-Gateway-Secret"] != GatewayHost.Secret ? Results.NotFound()
            : Snapshot is { } snapshot ? Results.Json(snapshot) : Results.StatusCode(503);
    }

    private IResult AnswerSchedule(int scheduleId, HttpRequest request) =>
        request.Headers["X-Gateway-Secret"] == GatewayHost.Secret && ConcertOf(scheduleId) is { } concertId
            ? Results.Json(new { scheduleId, concertId }) : Results.NotFound();

    private async Task RecordAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        _requests.Enqueue(new ReceivedRequest(
            context.Request.Method,
            context.Features.Get<IHttpRequestFeature>()!.RawTarget,
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.Select(value => value ?? "").ToArray(),
                StringComparer.OrdinalIgnoreCase),
            body));
        await Answer(context);
    }
}
