using System.ComponentModel.DataAnnotations;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Limits;

/// <summary>Section <c>Limits</c>: how much of anything one request may take.</summary>
public sealed class RequestLimitsOptions
{
    /// <summary>The largest request body, in bytes; 16 KB. The largest honest body, a reservation, has a few hundred.</summary>
    [Range(1024, 1024 * 1024)]
    public int MaxBodyBytes { get; set; } = 16 * 1024;

    /// <summary>All request headers together, in bytes; 16 KB, which leaves room for a large bearer token.</summary>
    [Range(4096, 128 * 1024)]
    public int MaxHeaderBytes { get; set; } = 16 * 1024;

    /// <summary>How many request headers; 64.</summary>
    [Range(16, 256)]
    public int MaxHeaderCount { get; set; } = 64;

    /// <summary>Open connections; 20,000. Further ones are closed at once.</summary>
    [Range(1, 1_000_000)]
    public int MaxConnections { get; set; } = 20_000;

    /// <summary>How long a client may take to send its headers; 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:02:00")]
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The slowest a client may send a body or read an answer, in bytes per second, after 5 s of grace; 240.</summary>
    [Range(1, 100_000)]
    public int MinBytesPerSecond { get; set; } = 240;

    /// <summary>How long a request may take altogether; 30 s. Longer than the longest <c>Prefer: wait</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a service may stay silent; 15 s. Longer than the longest <c>Prefer: wait</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan UpstreamTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Open event streams; 10,000. They end only when the client or the event they wait for ends them.</summary>
    [Range(1, 1_000_000)]
    public int MaxEventStreams { get; set; } = 10_000;

    /// <summary>Open event streams of one user; 4.</summary>
    [Range(1, 1000)]
    public int MaxEventStreamsPerUser { get; set; } = 4;
}

internal static class RequestLimits
{
    public static void AddRequestLimits(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<RequestLimitsOptions>("Limits");
        builder.Services.Configure<KestrelServerOptions>(server =>
        {
            var limits = server.Limits;
            limits.MaxRequestBodySize = options.MaxBodyBytes;
            limits.MaxRequestHeadersTotalSize = options.MaxHeaderBytes;
            limits.MaxRequestHeaderCount = options.MaxHeaderCount;
            limits.MaxConcurrentConnections = options.MaxConnections;
            limits.RequestHeadersTimeout = options.HeadersTimeout;
            limits.MinRequestBodyDataRate = new MinDataRate(options.MinBytesPerSecond, TimeSpan.FromSeconds(5));
            limits.MinResponseDataRate = new MinDataRate(options.MinBytesPerSecond, TimeSpan.FromSeconds(5));
        });
        builder.Services.AddRequestTimeouts(timeouts => timeouts.DefaultPolicy = new RequestTimeoutPolicy
        {
            Timeout = options.RequestTimeout,
            TimeoutStatusCode = StatusCodes.Status503ServiceUnavailable
        });
    }

    /// <summary>
    /// Refuses a body that announces itself as too large before anything else is done for it. One that does not is cut off by the server
    /// while it is read.
    /// </summary>
    public static void UseRequestLimits(this WebApplication app)
    {
        var maxBodyBytes = app.Services.GetRequiredService<IOptions<RequestLimitsOptions>>().Value.MaxBodyBytes;
        app.Use((context, next) =>
        {
            if (context.Request.ContentLength is not { } length || length <= maxBodyBytes)
                return next(context);
            context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
            context.Response.Headers.Connection = "close";
            return Task.CompletedTask;
        });
    }
}
