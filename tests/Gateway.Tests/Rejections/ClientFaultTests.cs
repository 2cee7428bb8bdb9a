using System.Diagnostics.Metrics;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Gateway.Rejections;
using ConcertSaga.Gateway.Tests.Hosts;
using ConcertSaga.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Rejections;

/// <summary>Clients that disconnect, send too slowly or violate HTTP are counted, and the log stays short.</summary>
[Collection(nameof(AloneCollection))]
public sealed class ClientFaultTests : IAsyncLifetime
{
    private readonly LogRecorder _log = new();
    private UpstreamStub _upstream = null!;
    private GatewayHost _gateway = null!;

    public static TheoryData<string, string> Waiting => new()
    {
        { "a proxied answer", "GET /api/points HTTP/1.1\r\n$H\r\n" },
        { "a proxied answer to a body", "POST /api/points/charges HTTP/1.1\r\n$HContent-Length: 2\r\n\r\n{}" },
        { "a seat map", "GET /api/schedules/1/seats HTTP/1.1\r\n$H\r\n" },
        { "a seat stream", "GET /api/schedules/1/seats/events HTTP/1.1\r\n$H\r\n" },
        { "the rest of its own body", "POST /api/points/charges HTTP/1.1\r\n$HContent-Length: 100\r\n\r\n{" },
        { "the rest of its own chunks", "POST /api/points/charges HTTP/1.1\r\n$HTransfer-Encoding: chunked\r\n\r\n5\r\n{" },
        { "the rest of its sign-in", "POST /auth/demo HTTP/1.1\r\n$HContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{" }
    };

    public async ValueTask InitializeAsync()
    {
        _upstream = await UpstreamStub.StartAsync();
        _gateway = await GatewayHost.StartWithAsync(_upstream.Address, builder => builder.Logging.AddProvider(_log),
            "--Limits:MinBytesPerSecond=100000");
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _upstream.DisposeAsync();
        _log.Dispose();
    }

    [Theory, MemberData(nameof(Waiting))]
    public async Task Client_ThatDisconnects_IsNotCountedAsARefusal(string what, string request)
    {
        using var refusals = new RefusalRecorder();
        using var statuses = new StatusRecorder();
        var asked = new SemaphoreSlim(0);
        _upstream.Answer = async context =>
        {
            asked.Release();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };

        using (var client = await SendAsync(request))
        {
            if (!what.StartsWith("the rest", StringComparison.Ordinal))
                Assert.True(await asked.WaitAsync(TimeSpan.FromSeconds(60)));
        }

        await Eventually.TrueAsync(() => statuses.Seen.Contains(499), TimeSpan.FromSeconds(60),
            $"waiting for {what}, the request ends with 499 and not {string.Join(", ", statuses.Seen)}");
        Assert.Empty(refusals.Seen);
        Assert.Empty(_log.Warnings);
    }

    [Fact]
    public async Task Bodies_BelowTheMinimumRate_AreLoggedInOneLine()
    {
        using var refusals = new RefusalRecorder();
        var clients = await Task.WhenAll(Enumerable.Range(0, 50)
            .Select(_ => SendAsync("POST /api/points/charges HTTP/1.1\r\n$HContent-Length: 1000\r\n\r\n{")));

        await Eventually.TrueAsync(() => refusals.Seen.Count(refusal => refusal.Code == "REQUEST_TIMEOUT") >= 50, TimeSpan.FromSeconds(60),
            "all are refused");
        foreach (var client in clients)
            client.Dispose();

        Assert.Empty(_log.Warnings);
        await _gateway.Services.GetRequiredService<ClientFaultCounter>().RunOnceAsync(CancellationToken.None);
        await _gateway.Services.GetRequiredService<ClientFaultCounter>().RunOnceAsync(CancellationToken.None);
        var line = Assert.Single(_log.All, line => line.Category.EndsWith(nameof(ClientFaultCounter), StringComparison.Ordinal)).Text;
        Assert.StartsWith("Errors of clients ", line, StringComparison.Ordinal);
        Assert.Contains(": 50 REQUEST_TIMEOUT. They sent ", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /api/points HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")]
    [InlineData("nonsense\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001")]
    [InlineData("POST /api/points/charges HTTP/1.1\r\n$HTransfer-Encoding: chunked\r\n\r\nzz\r\n")]
    [InlineData("POST /auth/demo HTTP/1.1\r\n$HContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{x}")]
    [InlineData("GET /api/points HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\nConnection: close\r\n\r\n")]
    [InlineData("GET /api/points?%zz=%00 HTTP/1.1\r\n$HCookie: a=b; c\r\nX-Forwarded-For: nonsense\r\nConnection: close\r\n\r\n")]
    public async Task Request_ThatIsMalformed_LogsNoWarning(string request)
    {
        for (var i = 0; i < 5; i++)
        {
            using var client = await SendAsync(request);
            client.Shutdown(SocketShutdown.Send);
            await ReadToEndAsync(client);
        }

        Assert.Empty(_log.Warnings);
    }

    [Fact]
    public async Task Service_Unreachable_IsLoggedOnceForAllRequests()
    {
        var log = new LogRecorder();
        await using var gateway = await GatewayHost.StartWithAsync("http://127.0.0.1:1", builder => builder.Logging.AddProvider(log));

        for (var i = 0; i < 20; i++)
        {
            using var response = await gateway.SendAsync("GET", "/api/points", Tokens.For("mina"));
            Assert.Equal(503, (int)response.StatusCode);
        }

        var line = Assert.Single(log.Warnings, line => line.Text.Contains("points", StringComparison.Ordinal));
        Assert.Null(line.Exception);
        Assert.DoesNotContain('\n', line.Text);
    }

    // The server resets a connection whose request it has not read completely.
    private static async Task ReadToEndAsync(Socket client)
    {
        var buffer = new byte[4096];
        try
        {
            while (await client.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(60)) > 0)
            {
            }
        }
        catch (SocketException reset) when (reset.SocketErrorCode == SocketError.ConnectionReset)
        {
        }
    }

    private async Task<Socket> SendAsync(string request)
    {
        var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(_gateway.Address.Host, _gateway.Address.Port);
        await client.SendAsync(Encoding.Latin1.GetBytes(request.Replace("$H",
            $"Host: x\r\nAuthorization: Bearer {Tokens.For("mina")}\r\nX-Queue-Token: {QueueTokens.Pass("mina")}\r\n",
                StringComparison.Ordinal)));
        return client;
    }

    /// <summary>Records the statuses from the server's metric.</summary>
    private sealed class StatusRecorder : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly List<int> _seen = [];

        public StatusRecorder()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "http.server.request.duration")
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
            {
                foreach (var tag in tags)
                {
                    if (tag is { Key: "http.response.status_code", Value: int status })
                    {
                        lock (_seen)
                            _seen.Add(status);
                    }
                }
            });
            _listener.Start();
        }

        public int[] Seen
        {
            get
            {
                lock (_seen)
                    return [.. _seen];
            }
        }

        public void Dispose() => _listener.Dispose();
    }
}
