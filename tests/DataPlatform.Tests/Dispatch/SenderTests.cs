using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>Every kind of answer and connection failure leads to the right state.</summary>
public sealed class SenderTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public static TheoryData<int, string> Statuses => [.. new[]
    {
        (200, "Delivered"), (201, "Delivered"), (202, "Delivered"), (204, "Delivered"), (299, "Delivered"),
        (400, "Dead"), (409, "Dead"), (413, "Dead"), (415, "Dead"), (422, "Dead"), (451, "Dead"), (425, "Counted"), (410, "Pending"),
        (300, "Pending"), (301, "Pending"), (302, "Pending"), (303, "Pending"), (304, "Pending"), (307, "Pending"), (308, "Pending"),
        (401, "Pending"), (402, "Pending"), (403, "Pending"), (404, "Pending"), (405, "Pending"), (406, "Pending"), (407, "Pending"),
            (408, "Pending"),
        (411, "Pending"), (412, "Pending"), (414, "Pending"), (421, "Pending"), (423, "Pending"), (426, "Pending"), (428, "Pending"),
            (429, "Pending"),
        (431, "Pending"), (499, "Pending"), (500, "Pending"), (501, "Pending"), (502, "Pending"), (503, "Pending"), (504, "Pending"),
            (511, "Pending"), (599, "Pending")
    }];

    [Theory, MemberData(nameof(Statuses))]
    public async Task Answer_ByStatus_DecidesTheStateOfTheDelivery(int status, string expected)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.AnswerWith(status, response => response.Headers.Location = "/elsewhere");
        await relay.ReceiveAsync();

        Assert.Equal(1, await relay.SendDueAsync());

        var row = await relay.RowAsync();
        var isPending = expected is "Pending" or "Counted";
        Assert.Equal((isPending ? "Pending" : expected, 1, null, null),
            (row.Status.ToString(), row.Attempts, row.LeaseId, row.LeasedUntil));
        // A fault of the destination does not count against the delivery.
        Assert.Equal(expected == "Pending" ? 1 : 0, row.AttemptsBefore);
        // The relay does not follow redirects.
        Assert.Equal("/hook", Assert.Single(relay.Platform.Arrivals).Path);
        Assert.Equal(!isPending, row.CompletedAt == relay.Clock.GetUtcNow());
        Assert.InRange(row.NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.Zero,
            TimeSpan.FromSeconds(status == 429 ? 35 : isPending ? 5 : 0));
        Assert.Equal(expected == "Delivered", row.LastError is null);
        Assert.Equal(status == 410 ? "relay" : null, (await relay.DestinationAsync()).PausedBy);
        var attempt = Assert.Single(await relay.AttemptsAsync());
        Assert.Equal((1, status, relay.Clock.GetUtcNow()), (attempt.Number, attempt.StatusCode, attempt.At));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Gone_PausesTheDestination_UntilAnOperatorResumes(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        relay.Platform.AnswerWith(410);
        var first = await relay.ReceiveAsync();
        await relay.SendDueAsync();
        relay.Platform.AnswerWith(200);
        var later = await relay.ReceiveAsync();

        Assert.Equal((0, 0), (await relay.SendDueAsync(), await relay.SendDueAsync(1)));
        Assert.Equal(Now(relay), (await relay.DestinationAsync()).PausedAt);
        using var resumed = await relay.CallAsync(HttpMethod.Post, "/destination/resume", new { reason = "The platform has moved back." });
        Assert.Equal(HttpStatusCode.OK, resumed.StatusCode);
        Assert.Equal(2, await relay.SendDueAsync());

        Assert.Equal((DeliveryStatus.Delivered, 2),
            ((await relay.RowAsync(first[0].ReservationId)).Status, (await relay.RowAsync(first[0].ReservationId)).Attempts));
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(later[0].ReservationId)).Status);
    }

    [Theory]
    [InlineData(429, "120", 120)]
    [InlineData(503, "120", 120)]
    [InlineData(503, "Mon, 01 Jun 2026 12:03:00 GMT", 180)]
    [InlineData(429, "Mon, 01 Jun 2026 11:00:00 GMT", 30)]
    [InlineData(429, "Fri, 01 Jun 2029 11:00:00 GMT", 3_600)]
    [InlineData(429, "99999999", 3_600)]
    [InlineData(429, "soon", 30)]
    [InlineData(429, "0", 30)]
    [InlineData(429, null, 30)]
    public async Task RetryAfter_InBothForms_PausesWithinTheLimit(int status, string? header, int seconds)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.AnswerWith(status, response => response.Headers.RetryAfter = header);
        await relay.ReceiveAsync();
        await relay.SendDueAsync();
        // Another delivery waits too.
        await relay.ReceiveAsync();
        relay.Platform.AnswerWith(200);

        relay.Clock.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(0, await relay.SendDueAsync());
        // The other delivery is sent first. This one follows within five seconds.
        relay.Clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.InRange(await relay.SendDueAsync(), 1, 2);
        relay.Clock.Advance(TimeSpan.FromSeconds(5));
        await relay.SendDueAsync();
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(DeliveryStatus.Delivered, row.Status));
    }

    [Fact]
    public async Task MissingAnswer_AfterTheTimeout_IsRetried()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server,
            settings: ("DataPlatform:Timeout", "00:00:00.2"));
        relay.Platform.Answer = (_, context) => Task.Delay(Timeout.Infinite, context.RequestAborted);
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        await AssertRetriedAsync(relay, "No answer within 0.2 s.");
    }

    [Fact]
    public async Task Answer_WithAnEndlessBody_IsReadUpToALimit()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server,
            settings: ("DataPlatform:Timeout", "00:00:05"));
        relay.Platform.Answer = async (_, context) =>
        {
            context.Response.StatusCode = 500;
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.WriteAsync(new string('x', 1_000) + "\r\n\0", context.RequestAborted);
        };
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        var error = (await relay.RowAsync()).LastError!;
        Assert.StartsWith("500 Internal Server Error: xxx", error, StringComparison.Ordinal);
        Assert.InRange(error.Length, 100, DataPlatformDbContext.MaxErrorLength);
        Assert.DoesNotContain(error, char.IsControl);
    }

    [Fact]
    public async Task Connection_ThatIsReset_IsRetried()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.Answer = (_, context) =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        await AssertRetriedAsync(relay, null);
    }

    [Fact]
    public async Task Connection_ThatIsRefused_IsRetried()
    {
        var platform = await Platform.StartAsync();
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, platform: platform);
        await platform.DisposeAsync();
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        await AssertRetriedAsync(relay, null);
    }

    [Fact]
    public async Task Certificate_ThatIsUntrusted_ReceivesNoRequest()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = TimeProvider.System.GetUtcNow();
        using var created = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        using var certificate = X509CertificateLoader.LoadPkcs12(created.Export(X509ContentType.Pfx), null);
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server,
            platform: await Platform.StartAsync(certificate));
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        Assert.Empty(relay.Platform.Arrivals);
        await AssertRetriedAsync(relay, "certificate");
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("[::ffff:127.0.0.1]")]
    public async Task Address_ThatIsPrivate_ReceivesNoConnection(string host)
    {
        var platform = await Platform.StartAsync();
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, platform: platform,
            settings: [("DataPlatform:AllowedNetworks", "10.99.0.0/16"),
                ("DataPlatform:Destination", $"http://{host}:{platform.Address.Port}/hook")]);
        await relay.ReceiveAsync();

        await relay.SendDueAsync();

        Assert.Empty(relay.Platform.Arrivals);
        await AssertRetriedAsync(relay, "not public");
    }

    private static DateTimeOffset Now(RelayUnderTest relay) => relay.Clock.GetUtcNow();

    private static async Task AssertRetriedAsync(RelayUnderTest relay, string? error)
    {
        var row = await relay.RowAsync();
        Assert.Equal((DeliveryStatus.Pending, 1, 1), (row.Status, row.Attempts, row.AttemptsBefore));
        Assert.InRange(row.NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Contains(error ?? "", row.LastError, StringComparison.OrdinalIgnoreCase);
        Assert.Null(Assert.Single(await relay.AttemptsAsync()).StatusCode);
    }
}
