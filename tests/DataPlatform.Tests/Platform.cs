using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>What arrived at the platform.</summary>
internal sealed record Arrival(Guid Id, long Timestamp, string Signature, string Body, string Path)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public string Type => Json.GetProperty("type").GetString()!;

    public Guid ReservationId => Json.GetProperty("data").GetProperty("reservationId").GetGuid();
}

/// <summary>The outside platform, which answers as the test wants.</summary>
internal sealed class Platform : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Arrival> _arrivals = new();

    private Platform(WebApplication app) => _app = app;

    /// <summary>Answers with 200 until a test says otherwise.</summary>
    public Func<Arrival, HttpContext, Task> Answer { get; set; } = (_, _) => Task.CompletedTask;

    public Uri Address => new($"{_app.Urls.Single()}/hook");

    /// <summary>All that arrived, in the order in which it did.</summary>
    public IReadOnlyList<Arrival> Arrivals => [.. _arrivals];

    /// <param name="certificate">With one it speaks TLS.</param>
    public static async Task<Platform> StartAsync(X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            if (certificate is not null)
                listen.UseHttps(certificate);
        }));
        var platform = new Platform(builder.Build());
        platform._app.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
            var headers = context.Request.Headers;
            var arrival = new Arrival(
                Guid.Parse(headers["webhook-id"].Single()!), long.Parse(headers["webhook-timestamp"].Single()!, CultureInfo.InvariantCulture),
                headers["webhook-signature"].Single()!, await reader.ReadToEndAsync(), context.Request.Path);
            platform._arrivals.Enqueue(arrival);
            await platform.Answer(arrival, context);
        });
        await platform._app.StartAsync();
        return platform;
    }

    /// <summary>From now on this status.</summary>
    public void AnswerWith(int status, Action<HttpResponse>? with = null) => Answer = (_, context) =>
    {
        context.Response.StatusCode = status;
        with?.Invoke(context.Response);
        return Task.CompletedTask;
    };

    /// <summary>
    /// The rules of Standard Webhooks, written from the receiver's side: one of the signatures must be the HMAC of id, time and body under the
    /// secret.
    /// </summary>
    public static void IsSigned(Arrival arrival, string secret, DateTimeOffset now)
    {
        using var hmac = new HMACSHA256(Convert.FromBase64String(secret.Split('_', 2)[1]));
        var expected = Convert.ToBase64String(hmac.ComputeHash(Encoding.UTF8.GetBytes($"{arrival.Id:D}.{arrival.Timestamp}.{arrival.Body}")));
        Assert.Contains(arrival.Signature.Split(' '), one => one.Split(',') is ["v1", var given] && given == expected);
        Assert.InRange(DateTimeOffset.FromUnixTimeSeconds(arrival.Timestamp), now - TimeSpan.FromMinutes(5), now + TimeSpan.FromMinutes(5));
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
