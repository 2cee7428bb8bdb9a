using System.Collections.Concurrent;
using ConcertSaga.Contracts.Queue;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>What reached a service.</summary>
public sealed record Seen(string Method, string Target, IReadOnlyDictionary<string, string[]> Headers, string Body);

/// <summary>Stands in for all services: writes down what reaches it and answers as it is told.</summary>
public sealed class Upstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Seen> _seen = new();

    private Upstream(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    public Seen[] Seen => [.. _seen];

    public Func<HttpContext, Task> Answer { get; set; } = Fine;

    /// <summary>What Queue tells gateways; null when it cannot.</summary>
    public QueueSnapshot? Snapshot { get; set; } = QueueTokens.Snapshot();

    /// <summary>How often it was asked for that.</summary>
    public int SnapshotReads { get; private set; }

    /// <summary>The concert of each date, as Seats tells gateways; null when it does not.</summary>
    public Func<int, int?> ConcertOf { get; set; } = _ => 1;

    public static Task Fine(HttpContext context) => context.Response.WriteAsJsonAsync(new { ok = true });

    public static async Task<Upstream> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var upstream = new Upstream(builder.Build());
        // What a gateway asks for itself is not written down.
        upstream._app.MapGet("/queue/internal/queue/snapshot", upstream.AnswerSnapshot);
        upstream._app.MapGet("/seats/internal/schedules/{scheduleId:int}", upstream.AnswerSchedule);
        upstream._app.MapFallback("{**path}", upstream.RecordAsync);
        await upstream._app.StartAsync();
        return upstream;
    }

    public void Forget()
    {
        _seen.Clear();
        Answer = Fine;
        Snapshot = QueueTokens.Snapshot();
        ConcertOf = _ => 1;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private IResult AnswerSnapshot(HttpRequest request)
    {
        SnapshotReads++;
        return request.Headers["X-Gateway-Secret"] != GatewayHost.Secret ? Results.NotFound()
            : Snapshot is { } snapshot ? Results.Json(snapshot) : Results.StatusCode(503);
    }

    private IResult AnswerSchedule(int scheduleId, HttpRequest request) =>
        request.Headers["X-Gateway-Secret"] == GatewayHost.Secret && ConcertOf(scheduleId) is { } concertId ? Results.Json(new { scheduleId, concertId }) : Results.NotFound();

    private async Task RecordAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        var body = await reader.ReadToEndAsync(context.RequestAborted);
        _seen.Enqueue(new Seen(
            context.Request.Method,
            context.Features.Get<IHttpRequestFeature>()!.RawTarget,
            context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.Select(value => value ?? "").ToArray(), StringComparer.OrdinalIgnoreCase),
            body));
        await Answer(context);
    }
}
