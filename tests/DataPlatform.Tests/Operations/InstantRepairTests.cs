using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>Instants written by a clock that was briefly ahead do not delay deliveries for that long.</summary>
public sealed class InstantRepairTests(PostgreSqlServer server)
{
    private static readonly TimeSpan Ahead = TimeSpan.FromHours(1);

    // For each instant of the model: how it is bounded, or why it needs no bound.
    private static readonly Dictionary<string, string> Bounds = new()
    {
        ["Delivery.NextAttemptAt"] = "repaired",
        ["Delivery.LeasedUntil"] = "repaired",
        ["Delivery.CreatedAt"] = "repaired",
        ["Destination.ReconciledTo"] = "repaired",
        ["Delivery.Since"] = "replaced by the next counted failure",
        ["Delivery.CompletedAt"] = "only the cleaner compares it, and keeps the delivery longer",
        ["DeliveryAttempt.At"] = "only compared with the last success; failures do not count meanwhile, and the delivery lives longer",
        ["OperatorAction.At"] = "history, never compared",
        ["Destination.PausedAt"] = "history; only null or not null matters"
    };

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Fact]
    public async Task Instants_OfTheModel_AreBoundedOrHaveAReason()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var instants =
            await relay.WithAsync<DataPlatformDbContext, List<string>>(database => Task.FromResult(database.Model.GetEntityTypes()
            .SelectMany(type => type.GetProperties().Where(property => Nullable.GetUnderlyingType(property.ClrType) is var inner
                && (inner ?? property.ClrType) == typeof(DateTimeOffset))
                .Select(property => $"{type.ClrType.Name}.{property.Name}")).ToList()));

        Assert.Equal(Bounds.Keys.Order(), instants.Order());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Deliveries_FromTheFuture_AreDueNow(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        // A failed delivery, a new one, and a leased one whose replica has crashed.
        relay.Clock.Advance(Ahead);
        await relay.ReceiveAsync();
        relay.Platform.AnswerWith(425);
        await relay.SendDueAsync();
        var failed = await relay.RowAsync();
        var confirmed = await relay.ReceiveAsync(2);
        await relay.WithAsync<DataPlatformDbContext, int>(database =>
            database.Deliveries.Where(row => row.ReservationId == confirmed[0].ReservationId)
            .ExecuteUpdateAsync(set => set.SetProperty(row => row.LeaseId, Guid.CreateVersion7())
                .SetProperty(row => row.LeasedUntil, relay.Clock.GetUtcNow().AddMinutes(1))
                .SetProperty(row => row.NextAttemptAt, relay.Clock.GetUtcNow().AddMinutes(1))));
        relay.Clock.Advance(-Ahead);
        relay.Platform.AnswerWith(200);
        Assert.Equal(0, await relay.SendDueAsync());

        Assert.NotEqual(0, await RepairAsync(relay));
        Assert.Equal(2, await relay.SendDueAsync());
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(failed.ReservationId)).Status);
        // The lease has exactly its full duration again.
        Assert.Equal(relay.Clock.GetUtcNow().AddMinutes(1), (await relay.RowAsync(confirmed[0].ReservationId)).LeasedUntil);
        Assert.Equal(0, await RepairAsync(relay));
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, await relay.SendDueAsync());
        Assert.All(await relay.RowsAsync(), row => Assert.True(row.CreatedAt <= relay.Clock.GetUtcNow()));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Waits_WithinTheirBounds_StayUnchanged(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(10);
        // A delivery behind an earlier event, and the maximum wait after each number of failures.
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed[9]));
        await relay.WithAsync<DataPlatformDbContext, int>(async database =>
        {
            var rows = await database.Deliveries.OrderBy(row => row.DeliveryId).ToListAsync();
            for (var i = 0; i < rows.Count; i++)
            {
                var id = rows[i].DeliveryId;
                var attempts = Math.Min(i, 9);
                var wait = i == 0 ? TimeSpan.FromSeconds(10) : RetrySchedule.MaxWait(attempts);
                await database.Deliveries.Where(row => row.DeliveryId == id).ExecuteUpdateAsync(set => set
                    .SetProperty(row => row.Attempts, attempts).SetProperty(row => row.NextAttemptAt, RelayUnderTest.Now + wait));
            }
            return 0;
        });

        Assert.Equal(0, await RepairAsync(relay));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Cursor_FromTheFuture_IsReset(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        foreach (var (ahead, expected) in new[] { (TimeSpan.FromMinutes(9), 0), (Ahead, 1) })
        {
            await relay.WithAsync<DataPlatformDbContext, int>(database => database.Destinations.ExecuteUpdateAsync(
                set => set.SetProperty(row => row.ReconciledTo, relay.Clock.GetUtcNow() + ahead)));
            Assert.Equal(expected, await RepairAsync(relay));
            Assert.Equal(expected == 1, (await relay.DestinationAsync()).ReconciledTo is null);
        }
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Age_FromTheFuture_CountsFromNow(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.AnswerWith(425);
        await relay.ReceiveAsync();
        await relay.SendDueAsync();
        await relay.WithAsync<DataPlatformDbContext, int>(database => database.Deliveries.ExecuteUpdateAsync(
            set => set.SetProperty(row => row.Since, relay.Clock.GetUtcNow() + Ahead)
                .SetProperty(row => row.NextAttemptAt, relay.Clock.GetUtcNow())));

        await relay.SendDueAsync();
        Assert.Equal(relay.Clock.GetUtcNow(), (await relay.RowAsync()).Since);
    }

    [Fact]
    public async Task Breaker_OpenedWhileTheClockWasAhead_AllowsATrialAfterItsPause()
    {
        await using var relay = await RelayUnderTest.StartAsync(DatabaseProvider.Sqlite, server, isLive: true,
            clock: new Testing.ShiftedClock(),
            settings: [("DataPlatform:PollInterval", "00:00:00.1")]);
        var clock = (Testing.ShiftedClock)relay.Time;
        clock.Advance(Ahead);
        relay.Platform.AnswerWith(429, response => response.Headers.RetryAfter = "1");
        await relay.ReceiveAsync();
        await Testing.Eventually.TrueAsync(async () => (await relay.RowAsync()).Attempts > 0, RelayUnderTest.Limit, "it was refused");
        clock.Advance(-Ahead);
        relay.Platform.AnswerWith(200);
        await RepairAsync(relay);

        await Testing.Eventually.TrueAsync(async () => (await relay.RowAsync()).Status == DeliveryStatus.Delivered, RelayUnderTest.Limit,
            "it is delivered");
    }

    private static Task<int> RepairAsync(RelayUnderTest relay) =>
        relay.WithAsync<InstantRepair, int>(repair => repair.RepairAsync(CancellationToken.None));
}
