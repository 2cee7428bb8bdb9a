using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>Every kind of answer, and of none, with the state it leads to.</summary>
public sealed class AnswerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public static TheoryData<int, string> Statuses => [.. new[]
    {
        (200, "Delivered"), (201, "Delivered"), (202, "Delivered"), (204, "Delivered"), (299, "Delivered"),
        (300, "Dead"), (301, "Dead"), (302, "Dead"), (303, "Dead"), (304, "Dead"), (307, "Dead"), (308, "Dead"),
        (400, "Dead"), (401, "Dead"), (403, "Dead"), (404, "Dead"), (405, "Dead"), (409, "Dead"), (413, "Dead"), (422, "Dead"), (451, "Dead"), (410, "Dead"),
        (408, "Pending"), (425, "Pending"), (429, "Pending"), (500, "Pending"), (501, "Pending"), (502, "Pending"), (503, "Pending"), (504, "Pending"), (599, "Pending")
    }];

    [Theory, MemberData(nameof(Statuses))]
    public async Task Answer_ByStatus_DecidesWhatBecomesOfTheDelivery(int status, string expected)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.AnswerWith(status, response => response.Headers.Location = "/elsewhere");
        await relay.HearAsync();

        Assert.Equal(1, await relay.PumpAsync());

        var row = await relay.RowAsync();
        Assert.Equal((expected, 1, null, null), (row.Status.ToString(), row.Attempts, row.LeaseId, row.LeasedUntil));
        // A redirect is not followed.
        Assert.Equal("/hook", Assert.Single(relay.Platform.Arrivals).Path);
        Assert.Equal(expected != "Pending", row.CompletedAt == relay.Clock.GetUtcNow());
        Assert.InRange(row.NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.Zero, TimeSpan.FromSeconds(expected == "Pending" ? 5 : 0));
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
        var first = await relay.HearAsync();
        await relay.PumpAsync();
        relay.Platform.AnswerWith(200);
        var later = await relay.HearAsync();

        Assert.Equal((0, 0), (await relay.PumpAsync(), await relay.PumpAsync(1)));
        Assert.Equal(Now(relay), (await relay.DestinationAsync()).PausedAt);
        using var resumed = await relay.CallAsync(HttpMethod.Post, "/destination/resume", new { reason = "The platform has moved back." });
        Assert.Equal(HttpStatusCode.OK, resumed.StatusCode);
        Assert.Equal(1, await relay.PumpAsync());

        Assert.Equal(DeliveryStatus.Dead, (await relay.RowAsync(first[0].ReservationId)).Status);
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(later[0].ReservationId)).Status);
    }

    [Theory]
    [InlineData(429, "120", 120, 120)]
    [InlineData(503, "120", 120, 120)]
    [InlineData(503, "Mon, 01 Jun 2026 12:03:00 GMT", 180, 180)]
    [InlineData(429, "Mon, 01 Jun 2026 11:00:00 GMT", 0, 5)]
    [InlineData(429, "Fri, 01 Jun 2029 11:00:00 GMT", 36_000, 36_000)]
    [InlineData(429, "99999999", 36_000, 36_000)]
    [InlineData(429, "soon", 0, 5)]
    [InlineData(429, "0", 0, 5)]
    public async Task RetryAfter_InBothForms_IsWaitedForWithinReason(int status, string header, int least, int most)
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.AnswerWith(status, response => response.Headers.RetryAfter = header);
        await relay.HearAsync();

        await relay.PumpAsync();

        Assert.InRange((await relay.RowAsync()).NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.FromSeconds(least), TimeSpan.FromSeconds(most));
        if (least > 0)
        {
            relay.Clock.Advance(TimeSpan.FromSeconds(least) - TimeSpan.FromMilliseconds(1));
            Assert.Equal(0, await relay.PumpAsync());
            relay.Clock.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal(1, await relay.PumpAsync());
        }
    }

    [Fact]
    public async Task Answer_ThatDoesNotCome_IsATimeOut()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings: ("DataPlatform:Timeout", "00:00:00.2"));
        relay.Platform.Answer = (_, context) => Task.Delay(Timeout.Infinite, context.RequestAborted);
        await relay.HearAsync();

        await relay.PumpAsync();

        await TriedAgainAsync(relay, "No answer within 0.2 s.");
    }

    [Fact]
    public async Task Answer_WithABodyWithoutEnd_IsReadOnlyAsFarAsItHelps()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, settings: ("DataPlatform:Timeout", "00:00:05"));
        relay.Platform.Answer = async (_, context) =>
        {
            context.Response.StatusCode = 500;
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.WriteAsync(new string('x', 1_000) + "\r\n\0", context.RequestAborted);
        };
        await relay.HearAsync();

        await relay.PumpAsync();

        var error = (await relay.RowAsync()).LastError!;
        Assert.StartsWith("500 Internal Server Error: xxx", error, StringComparison.Ordinal);
        Assert.InRange(error.Length, 100, DataPlatformDbContext.MostError);
        Assert.DoesNotContain(error, char.IsControl);
    }

    [Fact]
    public async Task Connection_ThatIsReset_IsTriedAgain()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        relay.Platform.Answer = (_, context) =>
        {
            context.Abort();
            return Task.CompletedTask;
        };
        await relay.HearAsync();

        await relay.PumpAsync();

        await TriedAgainAsync(relay, null);
    }

    [Fact]
    public async Task Connection_ThatIsRefused_IsTriedAgain()
    {
        var platform = await Platform.StartAsync();
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, platform: platform);
        await platform.DisposeAsync();
        await relay.HearAsync();

        await relay.PumpAsync();

        await TriedAgainAsync(relay, null);
    }

    [Fact]
    public async Task Certificate_NobodyVouchesFor_IsNotSentTo()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var made = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        using var certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, platform: await Platform.StartAsync(certificate));
        await relay.HearAsync();

        await relay.PumpAsync();

        Assert.Empty(relay.Platform.Arrivals);
        await TriedAgainAsync(relay, "certificate");
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("[::ffff:127.0.0.1]")]
    public async Task Address_ThatIsPrivate_IsNotConnectedTo(string host)
    {
        var platform = await Platform.StartAsync();
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, platform: platform,
            settings: [("DataPlatform:AllowedNetworks", "10.99.0.0/16"), ("DataPlatform:Destination", $"http://{host}:{platform.Address.Port}/hook")]);
        await relay.HearAsync();

        await relay.PumpAsync();

        Assert.Empty(relay.Platform.Arrivals);
        await TriedAgainAsync(relay, "not public");
    }

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("172.15.255.255", true)]
    [InlineData("172.32.0.0", true)]
    [InlineData("100.63.255.255", true)]
    [InlineData("2606:4700::1111", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("10.0.0.1", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.1.1", false)]
    [InlineData("127.9.9.9", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("169.254.169.254", false)]
    [InlineData("168.63.129.16", false)]
    [InlineData("100.64.0.1", false)]
    [InlineData("100.127.255.255", false)]
    [InlineData("198.18.0.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::", false)]
    [InlineData("::1", false)]
    [InlineData("::127.0.0.1", false)]
    [InlineData("::ffff:10.0.0.1", false)]
    [InlineData("::ffff:169.254.169.254", false)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2002:a00:1::", false)]
    [InlineData("2001:0:1::1", false)]
    [InlineData("2001:db8::1", false)]
    [InlineData("fc00::1", false)]
    [InlineData("fd00:ec2::254", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fec0::1", false)]
    [InlineData("ff02::1", false)]
    public void Address_ByItsNetwork_IsAllowedOrNot(string address, bool expected)
    {
        Assert.Equal(expected, new AddressPolicy([]).Allows(IPAddress.Parse(address)));
        Assert.True(new AddressPolicy(["0.0.0.0/0", "::/0"]).Allows(IPAddress.Parse(address)));
    }

    private static DateTimeOffset Now(RelayUnderTest relay) => relay.Clock.GetUtcNow();

    private static async Task TriedAgainAsync(RelayUnderTest relay, string? error)
    {
        var row = await relay.RowAsync();
        Assert.Equal((DeliveryStatus.Pending, 1), (row.Status, row.Attempts));
        Assert.InRange(row.NextAttemptAt - relay.Clock.GetUtcNow(), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Contains(error ?? "", row.LastError, StringComparison.OrdinalIgnoreCase);
        Assert.Null(Assert.Single(await relay.AttemptsAsync()).StatusCode);
    }
}
