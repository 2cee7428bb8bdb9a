using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>A name resolves to several addresses; some of them are dead or not allowed.</summary>
public sealed class AddressPolicyTests : IDisposable
{
    private static readonly IPAddress Dead = IPAddress.Parse("127.0.0.2"), OtherDead = IPAddress.Parse("127.0.0.3"),
        Alive = IPAddress.Loopback;

    private readonly List<Socket> _sockets = [];
    private readonly int _port;

    public AddressPolicyTests()
    {
        var alive = Listen(Alive, 0, backlog: 10);
        _port = ((IPEndPoint)alive.LocalEndPoint!).Port;
        foreach (var address in new[] { Dead, OtherDead })
        {
            // The kernel drops packets to a listener whose queue is full.
            Listen(address, _port, backlog: 0);
            for (var i = 0; i < 2; i++)
            {
                var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                _sockets.Add(filler);
                _ = filler.ConnectAsync(address, _port);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task DeadAddress_BeforeALiveOne_CostsAQuarterOfASecond(int dead)
    {
        var watch = Stopwatch.StartNew();
        using var socket = await ConnectionRace.ConnectAsync([.. new[] { Dead, OtherDead }.Take(dead), Alive], _port,
            TestContext.Current.CancellationToken);

        Assert.Equal(Alive, ((IPEndPoint)socket.RemoteEndPoint!).Address);
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(240 * dead), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task RefusingAddress_BeforeALiveOne_CostsNoTime()
    {
        var watch = Stopwatch.StartNew();
        using var socket =
            await ConnectionRace.ConnectAsync([.. Enumerable.Range(10, 20).Select(last => IPAddress.Parse($"127.0.0.{last}")), Alive],
            _port, TestContext.Current.CancellationToken);

        Assert.Equal(Alive, ((IPEndPoint)socket.RemoteEndPoint!).Address);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(4));
    }

    [Fact]
    public async Task Addresses_ThatAllRefuse_FailImmediately()
    {
        var error = await Assert.ThrowsAsync<SocketException>(() => ConnectionRace.ConnectAsync(
            [IPAddress.Parse("127.0.0.11"), IPAddress.Parse("127.0.0.12")], _port, TestContext.Current.CancellationToken));
        Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
    }

    [Fact]
    public async Task Addresses_ThatAreAllDead_FailAtTheTimeout()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(700));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ConnectionRace.ConnectAsync([Dead, OtherDead], _port, limit.Token));
    }

    [Fact]
    public async Task Destination_WithADeadFirstAddress_ReceivesRequests()
    {
        await using var platform = await Platform.StartAsync();
        Listen(Dead, platform.Address.Port, backlog: 0);
        for (var i = 0; i < 2; i++)
        {
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _sockets.Add(filler);
            _ = filler.ConnectAsync(Dead, platform.Address.Port);
        }
        var resolved = new List<string>();
        var policy = new AddressPolicy(["127.0.0.0/30"], (host, _) =>
        {
            resolved.Add(host);
            return Task.FromResult<IPAddress[]>([IPAddress.Parse("10.0.0.1"), Dead, Alive]);
        });
        using var http =
            new HttpClient(new SocketsHttpHandler { ConnectCallback = policy.ConnectAsync, ConnectTimeout = TimeSpan.FromSeconds(5) });
        using var request = new HttpRequestMessage(HttpMethod.Post,
            $"http://platform.example:{platform.Address.Port}/hook");
        request.Content = new StringContent("{}");
        request.Headers.Add("webhook-id", Guid.CreateVersion7().ToString());
        request.Headers.Add("webhook-timestamp", "0");
        request.Headers.Add("webhook-signature", "v1,none");
        using var answer = await http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(["platform.example"], resolved);
    }

    [Fact]
    public void Addresses_OfTwoFamilies_Alternate()
    {
        IPAddress[] given = [IPAddress.Parse("2001:db8::1"), IPAddress.Parse("2001:db8::2"), IPAddress.Parse("192.0.2.1"),
            IPAddress.Parse("2001:db8::3")];
        Assert.Equal([given[0], given[2], given[1], given[3]], ConnectionRace.Alternate(given));
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

    [Fact]
    public void Network_ThatIsInvalid_StopsTheStart() =>
        Assert.Contains("DataPlatform:AllowedNetworks is '10.0.0.1/40'",
            Assert.Throws<StartupException>(() => new AddressPolicy(["10.0.0.1/40"])).Message, StringComparison.Ordinal);

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    private Socket Listen(IPAddress address, int port, int backlog)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(socket);
        socket.Bind(new IPEndPoint(address, port));
        socket.Listen(backlog);
        return socket;
    }
}
