using System.Collections.Concurrent;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Dispatch;

/// <summary>A crash of a replica loses nothing, and no two replicas send the same delivery concurrently.</summary>
public sealed class DeliveryStoreTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Replica_KilledAfterLeasing_LosesNothing(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        await relay.ReceiveAsync(5);
        // A killed replica leaves rows, or leases if it was killed after leasing.
        Assert.Equal(5, (await LeaseAsync(relay)).Count);

        Assert.Equal(0, await relay.SendDueAsync(1));
        relay.Clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(0, await relay.SendDueAsync(1));
        relay.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(5, await relay.SendDueAsync(1));

        Assert.All(await relay.RowsAsync(), row => Assert.Equal((DeliveryStatus.Delivered, 1), (row.Status, row.Attempts)));
        Assert.Equal(5, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Replica_KilledAfterSending_CausesARepeatUnderTheSameId(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        var confirmed = (await relay.ReceiveAsync())[0];
        var lease = Assert.Single(await LeaseAsync(relay));
        Assert.Equal(Verdict.Delivered,
            (await relay.WithAsync<Sender, AttemptResult>(sender => sender.SendAsync(lease.DeliveryId, lease.Payload))).Verdict);

        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        await relay.SendDueAsync(1);

        Assert.Equal([lease.DeliveryId, lease.DeliveryId], relay.Platform.Arrivals.Select(arrival => arrival.Id));
        Assert.Single(relay.Platform.Arrivals.DistinctBy(arrival => arrival.Body));
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(confirmed.ReservationId)).Status);
        // Once the outcome is written, nothing is repeated.
        relay.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(0, await relay.SendDueAsync() + await relay.SendDueAsync(1));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcomes_OfTwoLeasesWrittenTogether_CountOnce(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.ReceiveAsync();
        var old = Assert.Single(await LeaseAsync(relay));
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        var newer = Assert.Single(await LeaseAsync(relay));

        Assert.Equal([old.DeliveryId],
            await WriteAsync(relay, Of(old, DeliveryStatus.Dead, "late"), Of(newer, DeliveryStatus.Delivered, null)));

        Assert.Equal((DeliveryStatus.Delivered, 1), ((await relay.RowAsync()).Status, (await relay.RowAsync()).Attempts));
        Assert.Single(await relay.AttemptsAsync());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcome_OfAnExpiredLease_DoesNotOverwriteTheNewerOne(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.ReceiveAsync();
        var old = Assert.Single(await LeaseAsync(relay));
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        var newer = Assert.Single(await LeaseAsync(relay));

        Assert.Empty(await WriteAsync(relay, Of(old, DeliveryStatus.Dead, "late")));
        Assert.Equal(newer.LeaseId, (await relay.RowAsync()).LeaseId);
        Assert.Equal([old.DeliveryId], await WriteAsync(relay, Of(newer, DeliveryStatus.Delivered, null)));
        Assert.Empty(await WriteAsync(relay, Of(old, DeliveryStatus.Dead, "late")));

        Assert.Equal((DeliveryStatus.Delivered, 1, null),
            ((await relay.RowAsync()).Status, (await relay.RowAsync()).Attempts, (await relay.RowAsync()).LastError));
        Assert.Single(await relay.AttemptsAsync());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_WhoseLeaseEndsSoon_IsNotSent(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(
            provider, server, isLive: true, clock: new StoppedClock(RelayUnderTest.Now),
            settings: [("DataPlatform:PollInterval", "00:00:00.05"), ("DataPlatform:LeaseDuration", "00:00:20"),
                ("DataPlatform:Concurrency", "1")]);
        // Each answer takes so long that the next lease has too little time left.
        var left = new ConcurrentQueue<TimeSpan>();
        relay.Platform.Answer = async (arrival, _) =>
        {
            left.Enqueue((await relay.RowAsync(arrival.ReservationId)).LeasedUntil!.Value - relay.Clock.GetUtcNow());
            relay.Clock.Advance(TimeSpan.FromSeconds(4));
        };

        await relay.ReceiveAsync(6);
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).TrueForAll(row => row.Status == DeliveryStatus.Delivered),
            RelayUnderTest.Limit, "all are delivered");

        Assert.All(left, time => Assert.InRange(time, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(20)));
        // Each was returned, leased again and sent once.
        Assert.All(await relay.RowsAsync(), row => Assert.Equal((DeliveryStatus.Delivered, 1), (row.Status, row.Attempts)));
        Assert.Equal(6, relay.Platform.Arrivals.Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcomes_OfManyDeliveries_AreWrittenTogether(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.ReceiveAsync(200);
        await relay.ReceiveAsync(RelayUnderTest.Cancelled(confirmed[0]));
        var leases = (await LeaseAsync(relay, 1_000)).ToList();
        Assert.Equal(200, leases.Count);
        DeliveryStatus[] statuses = [DeliveryStatus.Delivered, DeliveryStatus.Pending, DeliveryStatus.Dead];

        var outcomes = leases.Select((lease, i) => Of(lease, statuses[i % 3], i % 3 == 0 ? null : $"'error' {i}")).ToList();
        var (written, _) = await relay.WithAsync<IServiceScopeFactory, (HashSet<Guid> Written, int Woken)>(
            scopes => scopes.WithTransactionAsync(
                database => database.WriteAsync(outcomes, relay.Clock.GetUtcNow(), CancellationToken.None)));

        Assert.Equal(200, written.Count);
        var rows = (await relay.RowsAsync()).ToDictionary(row => row.DeliveryId);
        foreach (var outcome in outcomes)
        {
            var row = rows[outcome.Lease.DeliveryId];
            Assert.Equal((outcome.Status, outcome.Attempt!.Error, outcome.NextAttemptAt, null),
                (row.Status, row.LastError, row.NextAttemptAt, row.LeaseId));
        }
        Assert.Equal(200, (await relay.AttemptsAsync()).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task TwoReplicas_OnOneTable_ShareTheWorkAndSendNothingTwice(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(
            provider, server, replicas: 2, isLive: true,
            settings: [("DataPlatform:PollInterval", "00:00:00.05"), ("DataPlatform:Concurrency", "8")]);
        var requests = new ConcurrentDictionary<Guid, int>();
        relay.Platform.Answer = async (arrival, _) =>
        {
            Assert.Equal(1, requests.AddOrUpdate(arrival.Id, 1, (_, count) => count + 1));
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        };

        for (var i = 0; i < 10; i++)
        {
            var confirmed = await relay.ReceiveAsync(40, replica: i % 2);
            foreach (var reservation in confirmed.Take(5))
                await relay.ReceiveAsync(RelayUnderTest.Cancelled(reservation));
        }
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()) is { Count: 450 } rows
            && rows.TrueForAll(row => row.Status == DeliveryStatus.Delivered),
            RelayUnderTest.Limit, "everything is delivered");

        Assert.Equal((450, 450), (relay.Platform.Arrivals.Count, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count()));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(1, row.Attempts));
        relay.Platform.AssertInOrder();
    }

    private static async Task<List<DeliveryLease>> LeaseAsync(RelayUnderTest relay, int maxCount = 10) =>
        (await relay.WithAsync<IServiceScopeFactory, (int Seen, List<DeliveryLease> Leases)>(scopes => scopes.WithTransactionAsync(
            database => database.LeaseAsync(maxCount, relay.Clock.GetUtcNow(), TimeSpan.FromMinutes(1), CancellationToken.None)))).Leases;

    private static async Task<IEnumerable<Guid>> WriteAsync(RelayUnderTest relay, params DeliveryOutcome[] outcomes) =>
        (await relay.WithAsync<IServiceScopeFactory, (HashSet<Guid> Written, int Woken)>(scopes => scopes.WithTransactionAsync(
            database => database.WriteAsync(outcomes, relay.Clock.GetUtcNow(), CancellationToken.None)))).Written;

    private static DeliveryOutcome Of(DeliveryLease lease, DeliveryStatus status, string? error) => new(
        lease, status, lease.LeasedUntil.AddSeconds(1), lease.AttemptsBefore, lease.Since,
        new DeliveryAttempt
        {
            DeliveryId = lease.DeliveryId,
            Number = lease.Attempts + 1,
            At = lease.LeasedUntil,
            StatusCode = error is null ? 200 : null,
            DurationMilliseconds = 3,
            Error = error
        });
}
