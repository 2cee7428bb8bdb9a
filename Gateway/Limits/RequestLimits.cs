using System.ComponentModel.DataAnnotations;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Gateway.Limits;

/// <summary>Section <c>Limits</c>: the limits of a request and of a connection.</summary>
public sealed class RequestLimitsOptions
{
    /// <summary>The maximum size of a request body, in bytes; 16 KB. The largest valid body, a reservation, has a few hundred.</summary>
    [Range(1024, 1024 * 1024)]
    public int MaxBodyBytes { get; set; } = 16 * 1024;

    /// <summary>The maximum size of an address with its query, in bytes; 8 KB, enough for the tokens of event streams.</summary>
    [Range(1024, 64 * 1024)]
    public int MaxAddressBytes { get; set; } = 8 * 1024;

    /// <summary>The maximum size of all request headers, in bytes; 16 KB, enough for a large bearer token.</summary>
    [Range(4096, 128 * 1024)]
    public int MaxHeaderBytes { get; set; } = 16 * 1024;

    /// <summary>The maximum number of request headers; 64.</summary>
    [Range(16, 256)]
    public int MaxHeaderCount { get; set; } = 64;

    /// <summary>The maximum number of open connections; 20,000. The server closes further ones at once.</summary>
    [Range(1, 1_000_000)]
    public int MaxConnections { get; set; } = 20_000;

    /// <summary>The maximum time for a client to send its headers; 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:02:00")]
    public TimeSpan HeadersTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The minimum rate of a body or a response, in bytes per second, after 5 s of grace; 240.</summary>
    [Range(1, 100_000)]
    public int MinBytesPerSecond { get; set; } = 240;

    /// <summary>The maximum time of a whole request; 30 s. Longer than the longest <c>Prefer: wait</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The maximum time that a service may stay silent; 15 s. Longer than the longest <c>Prefer: wait</c>.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan UpstreamTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>The maximum number of open event streams; 10,000. A stream stays open until the client or its last event ends it.</summary>
    [Range(1, 1_000_000)]
    public int MaxEventStreams { get; set; } = 10_000;

    /// <summary>The maximum number of open event streams of a user; 4.</summary>
    [Range(1, 1000)]
    public int MaxEventStreamsPerUser { get; set; } = 4;
}

/// <summary>Limits the size and the duration of requests.</summary>
internal static class RequestLimits
{
    public static void AddRequestLimits(this WebApplicationBuilder builder)
    {
        var options = builder.AddOptionsSection<RequestLimitsOptions>("Limits");
        builder.Services.Configure<KestrelServerOptions>(server =>
        {
            var limits = server.Limits;
            limits.MaxRequestBodySize = options.MaxBodyBytes;
            // Up to twice the limits, UseRequestLimits refuses the request, so that a page of another origin can read the refusal.
            limits.MaxRequestLineSize = 2 * options.MaxAddressBytes;
            limits.MaxRequestHeadersTotalSize = 2 * options.MaxHeaderBytes;
            limits.MaxRequestHeaderCount = 2 * options.MaxHeaderCount;
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
    /// Refuses an address, headers or an announced body above the limits before any other work. The server enforces the limit of an
    /// unannounced body while it reads it.
    /// </summary>
    public static void UseRequestLimits(this WebApplication app)
    {
        var limits = app.Services.GetRequiredService<IOptions<RequestLimitsOptions>>().Value;
        app.Use((context, next) =>
        {
            if (Check(context, limits) is not { } status)
                return next(context);
            context.Response.StatusCode = status;
            // The unread body may follow on the connection.
            context.Response.Headers.Connection = "close";
            return Task.CompletedTask;
        });
    }

    private static int? Check(HttpContext context, RequestLimitsOptions limits)
    {
        var request = context.Request;
        if (context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.Length > limits.MaxAddressBytes)
            return StatusCodes.Status414UriTooLong;
        var bytes = 0;
        var count = 0;
        foreach (var (name, values) in request.Headers)
        {
            foreach (var value in values)
            {
                count++;
                // The colon, the space and the line break take four bytes.
                bytes += name.Length + (value?.Length ?? 0) + 4;
            }
        }
        return bytes > limits.MaxHeaderBytes || count > limits.MaxHeaderCount ? StatusCodes.Status431RequestHeaderFieldsTooLarge
            : request.ContentLength > limits.MaxBodyBytes ? StatusCodes.Status413PayloadTooLarge
            : null;
    }
}
