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

namespace ConcertSaga.DataPlatform.Tests.Fixtures;

/// <summary>A request that arrived at the platform.</summary>
internal sealed record Arrival(Guid Id, long Timestamp, string Signature, string Body, string Path)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public string Type => Json.GetProperty("type").GetString()!;

    public Guid ReservationId => Json.GetProperty("data").GetProperty("reservationId").GetGuid();
}

/// <summary>Plays the external platform and answers as the test specifies.</summary>
internal sealed class Platform : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Arrival> _arrivals = new();

    private Platform(WebApplication app) => _app = app;

    /// <summary>Answers a request; with 200 by default.</summary>
    public Func<Arrival, HttpContext, Task> Answer { get; set; } = (_, _) => Task.CompletedTask;

    public Uri Address => new($"{_app.Urls.Single()}/hook");

    /// <summary>All requests, in order of arrival.</summary>
    public IReadOnlyList<Arrival> Arrivals => [.. _arrivals];

    /// <param name="certificate">Enables TLS.</param>
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
                Guid.Parse(headers["webhook-id"].Single()!),
                long.Parse(headers["webhook-timestamp"].Single()!, CultureInfo.InvariantCulture),
                headers["webhook-signature"].Single()!, await reader.ReadToEndAsync(), context.Request.Path);
            platform._arrivals.Enqueue(arrival);
            await platform.Answer(arrival, context);
        });
        await platform._app.StartAsync();
        return platform;
    }

    /// <summary>Answers all further requests with this status.</summary>
    public void AnswerWith(int status, Action<HttpResponse>? with = null) => Answer = (_, context) =>
    {
        context.Response.StatusCode = status;
        with?.Invoke(context.Response);
        return Task.CompletedTask;
    };

    /// <summary>
    /// Checks the rules of Standard Webhooks from the receiver's side: one of the signatures is the HMAC of id, time and body under the
    /// secret.
    /// </summary>
    public static void AssertSigned(Arrival arrival, string secret, DateTimeOffset now)
    {
        using var hmac = new HMACSHA256(Convert.FromBase64String(secret.Split('_', 2)[1]));
        var expected =
            Convert.ToBase64String(hmac.ComputeHash(Encoding.UTF8.GetBytes($"{arrival.Id:D}.{arrival.Timestamp}.{arrival.Body}")));
        Assert.Contains(arrival.Signature.Split(' '), signature => signature.Split(',') is ["v1", var given] && given == expected);
        Assert.InRange(DateTimeOffset.FromUnixTimeSeconds(arrival.Timestamp), now - TimeSpan.FromMinutes(5), now + TimeSpan.FromMinutes(5));
    }

    /// <summary>Checks that no event of a reservation arrived before the earlier one.</summary>
    public void AssertInOrder()
    {
        foreach (var reservation in Arrivals.GroupBy(arrival => arrival.ReservationId))
        {
            var types = reservation.Select(arrival => arrival.Type).ToList();
            Assert.Equal(types.OrderByDescending(type => type, StringComparer.Ordinal), types);
        }
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
