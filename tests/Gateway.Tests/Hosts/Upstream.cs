using System.Collections.Concurrent;
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

    public static Task Fine(HttpContext context) => context.Response.WriteAsJsonAsync(new { ok = true });

    public static async Task<Upstream> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var upstream = new Upstream(builder.Build());
        upstream._app.Run(upstream.RecordAsync);
        await upstream._app.StartAsync();
        return upstream;
    }

    public void Forget()
    {
        _seen.Clear();
        Answer = Fine;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

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
