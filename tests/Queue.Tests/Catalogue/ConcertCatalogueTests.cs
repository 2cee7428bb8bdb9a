using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Catalogue;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Catalogue;

public sealed class ConcertCatalogueTests(PostgreSqlServer server) : IAsyncLifetime
{
    private readonly List<string> _lookUps = [];
    private readonly Dictionary<int, ConcertPublished> _concerts = [];
    private WebApplication? _seats;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    // Stands in for Seats.
    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        _seats = builder.Build();
        _seats.MapGet("/internal/concerts", (int limit, int? after) =>
            _concerts.Values.Where(concert => after is null || concert.ConcertId > after)
            .OrderBy(concert => concert.ConcertId).Take(limit));
        _seats.MapGet("/internal/concerts/{id:int}", (int id, HttpRequest request) =>
        {
            lock (_lookUps)
                _lookUps.Add($"{id} {request.Headers["X-Gateway-Secret"].ToString().Length > 0}");
            return _concerts.TryGetValue(id, out var concert) ? Results.Ok(concert) : Results.NotFound();
        });
        await _seats.StartAsync();
    }

    public ValueTask DisposeAsync() => _seats!.DisposeAsync();

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_AtAnUnannouncedConcert_LooksItUpOnce(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:SeatsAddress", _seats!.Urls.Single()));
        Add(7, -1, 60);
        Add(8, -60, -1);

        var entered = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => queue.TryEnterAsync($"user-{i}", 7)));
        Assert.All(entered, answer => Assert.Equal(HttpStatusCode.Created, answer.StatusCode));
        Assert.Equal(["7 True"], _lookUps);

        await RefusedAsync(await queue.TryEnterAsync("mina", 8), 409, "SALE_CLOSED");
        await RefusedAsync(await queue.TryEnterAsync("mina", 9), 404, "CONCERT_NOT_FOUND");
        await RefusedAsync(await queue.TryEnterAsync("noor", 9), 404, "CONCERT_NOT_FOUND");
        Assert.Equal(["7 True", "8 True", "9 True"], _lookUps);
        // The concert may appear later.
        Add(9, -1, 60);
        queue.Clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(HttpStatusCode.Created, (await queue.TryEnterAsync("noor", 9)).StatusCode);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Reconcile_OfManyConcerts_SavesNewOnesAndNewTimes(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:SeatsAddress", _seats!.Urls.Single()));
        for (var id = 1; id <= 1_001; id++)
            Add(id, 1, 60);

        await queue.WithAsync<ConcertCatalogue>(concerts => concerts.ReconcileAsync(CancellationToken.None));
        await queue.WithAsync<ConcertCatalogue>(concerts => concerts.ReconcileAsync(CancellationToken.None));

        Assert.Equal(1_001, (await queue.SnapshotAsync()).Concerts.Length);
        Assert.Equal((Now.AddDays(1), 1L), ((await queue.RoomAsync()).SaleOpensAt, (await queue.RoomAsync()).Sequence));
    }

    /// <summary>Gateways learn it from each description of the room, and customers from their polls.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Concert_SoldOut_IsAnnouncedUntilASeatIsAvailable(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:SeatsAddress", _seats!.Urls.Single()));
        Assert.False((await queue.EnterAsync("mina")).SoldOut);
        foreach (var (stated, expected) in new (bool?, bool)[] { (true, true), (null, true), (false, false) })
        {
            _concerts[1] = new ConcertPublished(1, Now.AddDays(-1), Now.AddDays(1), stated);
            await queue.WithAsync<ConcertCatalogue>(concerts => concerts.ReconcileAsync(CancellationToken.None));

            Assert.Equal(expected, (await queue.EnterAsync("mina", expected: HttpStatusCode.OK)).SoldOut);
            Assert.Equal(expected, Assert.Single((await queue.SnapshotAsync()).Concerts).SoldOut);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Published_NewTimes_ApplyAndKeepTheLine(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        Assert.Equal(1, (await queue.EnterAsync("mina")).Position);

        await queue.WithAsync<IBus>(bus => bus.Publish(new ConcertPublished(1, Now.AddDays(1), Now.AddDays(2))));
        await Eventually.TrueAsync(async () => (await queue.RoomAsync()).SaleOpensAt == Now.AddDays(1), TimeSpan.FromSeconds(60),
            "the new times are known");

        await queue.TickAsync();
        Assert.Equal(0, (await queue.RoomAsync()).Serving);
        Assert.Equal(QueueAdmission.NotOpenYet, (await queue.EnterAsync("mina", expected: HttpStatusCode.OK)).Admission);
    }

    /// <summary>Messages can overtake each other: a retry comes up to 15 seconds later.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Published_OldTimesAfterNewOnes_ChangeNothing(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, settings: ("Queue:SeatsAddress", _seats!.Urls.Single()));
        await queue.EnterAsync("mina");
        Add(1, 3, 60);
        Task HearAsync(int opensInDays) => queue.WithAsync<ConcertCatalogue>(concerts =>
            concerts.HearAsync(new ConcertPublished(1, Now.AddDays(opensInDays), Now.AddDays(60)), CancellationToken.None));

        await HearAsync(3);
        Assert.Equal(Now.AddDays(3), (await queue.RoomAsync()).SaleOpensAt);
        await HearAsync(1);
        Assert.Equal(Now.AddDays(3), (await queue.RoomAsync()).SaleOpensAt);

        await _seats!.StopAsync();
        await HearAsync(1);
        Assert.Equal(Now.AddDays(1), (await queue.RoomAsync()).SaleOpensAt);
    }

    private void Add(int concertId, int opensInDays, int closesInDays) =>
        _concerts[concertId] = new ConcertPublished(concertId, Now.AddDays(opensInDays), Now.AddDays(closesInDays));
}
