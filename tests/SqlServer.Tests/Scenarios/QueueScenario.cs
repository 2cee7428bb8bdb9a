using System.Text.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Catalogue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Tokens;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests.Scenarios;

/// <summary>Takes queue entries through every status, and calls the routes of operators and gateways.</summary>
internal sealed class QueueScenario(ProductHost host, ShiftedClock clock)
{
    private const string Current = "/api/queue/tokens/current", Rooms = "/ops/api/waiting-rooms";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly List<Guid> _tokens = [];

    public async Task RunAsync()
    {
        await EnterAndBuyAsync();
        await ExpireAsync();
        await SaveConcertsAsync();
        await RepairAsync();
        await CleanAsync();
    }

    private async Task EnterAndBuyAsync()
    {
        foreach (var user in new[] { "sven", "tara", "ugo", "vera" })
        {
            var (status, body) = await EnterAsync(user);
            Assert.Equal(201, status);
            _tokens.Add(body.GetProperty("tokenId").GetGuid());
        }
        await Expect.StatusAsync(200, EnterAsync("sven"));
        await Expect.StatusAsync(404, host.CallAsync("sven", HttpMethod.Post, "/api/queue/tokens", new { concertId = 999 }));
        await Expect.StatusAsync(204, host.CallAsync("vera", HttpMethod.Delete, Current, queueToken: _tokens[3]));
        await Eventually.TrueAsync(async () => (await host.CallAsync("sven", HttpMethod.Get, Current, queueToken: _tokens[0]))
            .Body.GetProperty("status").GetString() == "Active", Limit, "customers are admitted");
        await Expect.StatusAsync(200, host.CallAsync("ugo", HttpMethod.Get, Current, queueToken: _tokens[2]));
        await host.Services.GetRequiredService<IBus>()
            .Publish(new ReservationConfirmed(Guid.CreateVersion7(), "sven", 1, 1, [1], 1, _tokens[0], clock.GetUtcNow(), 1));
        await Eventually.TrueAsync(
            async () => (await host.CallAsync("sven", HttpMethod.Get, Current, queueToken: _tokens[0])).Status == 410, Limit,
            "the pass is used up");
    }

    // One customer misses an offer and enters again before its slot is free. Another never uses a pass, and the tick ends it later.
    private async Task ExpireAsync()
    {
        await Eventually.TrueAsync(MissOfferAsync, Limit, "tara misses an offer");
        await Expect.StatusAsync(201, EnterAsync("tara"));
        clock.Advance(TimeSpan.FromMinutes(72));
        await Eventually.TrueAsync(async () => (await host.CallAsync("ugo", HttpMethod.Get, Rooms + "/1")).Body.GetProperty("slotsTaken")
            .GetInt64() <= 1, Limit, "slots become free");
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Get, Rooms + "?limit=1"));
        await Expect.StatusAsync(200, host.CallAsync("olga", HttpMethod.Patch, Rooms + "/1",
            new { paused = true, reason = "Enough." }));
        await Expect.StatusAsync(200, host.CallAsync("operations", HttpMethod.Get, "/internal/operator-actions/queue?limit=1"));
        await Expect.StatusAsync(201, EnterAsync("wim"));
        clock.Advance(TimeSpan.FromHours(13));
        await Expect.StatusAsync(200, EnterAsync("wim"));
        await Expect.StatusAsync(200, host.CallAsync("gateway", HttpMethod.Get, "/internal/queue/snapshot"));
    }

    // Ends the time of tara's offer and keeps its slot taken, so that no tick ends the offer first.
    private async Task<bool> MissOfferAsync()
    {
        await using var scope = host.Services.CreateAsyncScope();
        var (missed, taken) = (clock.GetUtcNow().AddSeconds(-1), clock.GetUtcNow().AddHours(1));
        return await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Entries
            .Where(entry => entry.TokenId == _tokens[1] && entry.Status == QueueEntryStatus.Offered)
            .ExecuteUpdateAsync(set => set.SetProperty(entry => entry.ClaimUntil, missed)
                .SetProperty(entry => entry.SlotUntil, taken)) == 1;
    }

    // Inserts an unknown concert, changes its times, and recreates a deleted waiting room.
    private async Task SaveConcertsAsync()
    {
        await host.Services.GetRequiredService<ConcertCatalogue>()
            .SaveAsync([new ConcertPublished(501, clock.GetUtcNow(), clock.GetUtcNow().AddDays(1))], CancellationToken.None);
        await host.Services.GetRequiredService<ConcertCatalogue>()
            .SaveAsync([new ConcertPublished(501, clock.GetUtcNow(), clock.GetUtcNow().AddDays(2))], CancellationToken.None);
        await using (var scope = host.Services.CreateAsyncScope())
            await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Rooms.Where(room => room.ConcertId == 2)
                .ExecuteDeleteAsync();
        await Expect.StatusAsync(201, host.CallAsync("sven", HttpMethod.Post, "/api/queue/tokens", new { concertId = 2 }));
    }

    // Repairs a time written by a clock that was ahead, and looks up an ended entry.
    private async Task RepairAsync()
    {
        await using var scope = host.Services.CreateAsyncScope();
        var ahead = clock.GetUtcNow().AddHours(2);
        await scope.ServiceProvider.GetRequiredService<QueueDbContext>().Rooms.Where(room => room.ConcertId == 1)
            .ExecuteUpdateAsync(set => set.SetProperty(room => room.NextTickAt, ahead));
        await host.Services.GetRequiredService<ClockRepair>().RunOnceAsync(CancellationToken.None);
        Assert.NotNull(await scope.ServiceProvider.GetRequiredService<EntryUpdater>()
            .FindAsync(_tokens[3], 1, "vera", CancellationToken.None));
    }

    // Replaces expired keys, and deletes ended entries after the last token of each has expired.
    private async Task CleanAsync()
    {
        await using (var scope = host.Services.CreateAsyncScope())
        {
            var database = scope.ServiceProvider.GetRequiredService<QueueDbContext>();
            var old = clock.GetUtcNow().AddDays(-40);
            database.Keys.Add(new SigningKey
            {
                Kid = "old",
                Kind = QueueTokenKind.Waiting,
                Key = new byte[32],
                CreatedAt = old,
                SignsFrom = old,
                SignsUntil = old,
                ValidUntil = old
            });
            await database.SaveChangesAsync();
        }
        clock.Advance(TimeSpan.FromHours(50));
        await host.Services.GetRequiredService<KeyRing>().RefreshAsync(CancellationToken.None);
        Assert.NotEqual(0, await host.Services.GetRequiredService<EntryCleaner>().CleanAsync(CancellationToken.None));
    }

    private Task<(int Status, JsonElement Body)> EnterAsync(string user) =>
        host.CallAsync(user, HttpMethod.Post, "/api/queue/tokens", new { concertId = 1 });
}
