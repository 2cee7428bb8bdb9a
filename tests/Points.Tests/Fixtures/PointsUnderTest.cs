using System.Net.Http.Json;
using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Background;
using ConcertSaga.Points.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace ConcertSaga.Points.Tests.Fixtures;

/// <summary>The points service without any account.</summary>
internal sealed class PointsUnderTest(RunningService service, FakeTimeProvider clock) : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public RunningService Service { get; } = service;

    public FakeTimeProvider Clock { get; } = clock;

    public static async Task<PointsUnderTest> StartAsync(DatabaseProvider provider, PostgreSqlServer server,
        params (string Key, string Value)[] settings)
    {
        var clock = new FakeTimeProvider(Start);
        var database = await TestDatabase.CreateAsync(provider, server, "Points");
        var service = await RunningService.StartAsync(
            "Points", database, clock, builder => builder.AddPoints(), bus => bus.AddPointsConsumers(), app => app.MapPoints(), settings);
        return new PointsUnderTest(service, clock);
    }

    public Task<object> AskAsync(DeductPoints command) => Service.AskAsync(CommandQueues.DeductPoints, command);

    public Task<object> AskAsync(RefundPoints command) => Service.AskAsync(CommandQueues.RefundPoints, command);

    /// <summary>Runs one round of the cleaner.</summary>
    public Task CleanAsync() => Service.WithAsync<PointsCleaner, bool>(async cleaner =>
    {
        await cleaner.RunOnceAsync(CancellationToken.None);
        return true;
    });

    /// <summary>Charges over HTTP, as a customer does.</summary>
    public async Task<HttpResponseMessage> ChargeAsync(string userId, long amount, Guid? key = null)
    {
        using var client = Service.ClientOf(userId);
        client.DefaultRequestHeaders.Add("Idempotency-Key", (key ?? Guid.CreateVersion7()).ToString());
        return await client.PostAsJsonAsync("/api/points/charges", new { amount });
    }

    /// <summary>Returns the balance after checking it against the ledger.</summary>
    public async Task<long> BalanceAsync(string userId)
    {
        var (account, entries) = await Service.WithAsync<PointsDbContext, (Account, List<LedgerEntry>)>(async database => (
            await database.Accounts.AsNoTracking().SingleAsync(account => account.UserId == userId),
            await database.LedgerEntries.AsNoTracking().Where(entry => entry.UserId == userId).OrderBy(entry => entry.Sequence)
                .ToListAsync()));
        var sum = 0L;
        foreach (var (index, entry) in entries.Index())
        {
            sum += entry.Amount;
            Assert.Equal((index + 1, sum), (entry.Sequence, entry.BalanceAfter));
            Assert.True(sum >= 0);
        }
        Assert.Equal((sum, entries.Count), (account.Balance, account.EntryCount));
        return account.Balance;
    }

    public ValueTask DisposeAsync() => Service.DisposeAsync();
}
