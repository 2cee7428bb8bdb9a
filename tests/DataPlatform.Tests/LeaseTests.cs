using System.Collections.Concurrent;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>Nothing is lost wherever a replica ends, and nothing is sent by two at the same time.</summary>
public sealed class LeaseTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Replica_ThatEndsAfterTaking_LosesNothing(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        await relay.HearAsync(5);
        // Whoever has heard and was killed before taking has left the rows, and whoever has taken and was killed, the leases.
        Assert.Equal(5, (await LeaseAsync(relay)).Count);

        Assert.Equal(0, await relay.PumpAsync(1));
        relay.Clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(0, await relay.PumpAsync(1));
        relay.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(5, await relay.PumpAsync(1));

        Assert.All(await relay.RowsAsync(), row => Assert.Equal((DeliveryStatus.Delivered, 1), (row.Status, row.Attempts)));
        Assert.Equal(5, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Replica_ThatEndsAfterSending_LeavesARepeatUnderTheSameId(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, replicas: 2);
        var confirmed = (await relay.HearAsync())[0];
        var lease = Assert.Single(await LeaseAsync(relay));
        Assert.Equal(Verdict.Delivered, (await relay.WithAsync<Sender, Attempt>(sender => sender.SendAsync(lease.DeliveryId, lease.Payload))).Verdict);

        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        await relay.PumpAsync(1);

        Assert.Equal([lease.DeliveryId, lease.DeliveryId], relay.Platform.Arrivals.Select(arrival => arrival.Id));
        Assert.Single(relay.Platform.Arrivals.DistinctBy(arrival => arrival.Body));
        Assert.Equal(DeliveryStatus.Delivered, (await relay.RowAsync(confirmed.ReservationId)).Status);
        // Once it is written nothing is repeated.
        relay.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(0, await relay.PumpAsync() + await relay.PumpAsync(1));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Result_OfALeaseThatHasRunOut_DoesNotOverwriteTheNewerOne(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.HearAsync();
        var old = Assert.Single(await LeaseAsync(relay));
        relay.Clock.Advance(TimeSpan.FromMinutes(1));
        var newer = Assert.Single(await LeaseAsync(relay));

        Assert.Empty(await WriteAsync(relay, Of(old, DeliveryStatus.Dead, "late")));
        Assert.Equal(newer.LeaseId, (await relay.RowAsync()).LeaseId);
        Assert.Equal([old.DeliveryId], await WriteAsync(relay, Of(newer, DeliveryStatus.Delivered, null)));
        Assert.Empty(await WriteAsync(relay, Of(old, DeliveryStatus.Dead, "late")));

        Assert.Equal((DeliveryStatus.Delivered, 1, null), ((await relay.RowAsync()).Status, (await relay.RowAsync()).Attempts, (await relay.RowAsync()).LastError));
        Assert.Single(await relay.AttemptsAsync());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_WhoseLeaseIsNearlyOver_IsNotSent(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(
            provider, server, isLive: true, clock: new StoppedClock(RelayUnderTest.Now), settings: [("DataPlatform:PollInterval", "00:00:00.05"), ("DataPlatform:LeaseDuration", "00:00:20"), ("DataPlatform:Concurrency", "1")]);
        // Each takes so long that the next one, which is taken already, has too little time left for an answer.
        var left = new ConcurrentQueue<TimeSpan>();
        relay.Platform.Answer = async (arrival, _) =>
        {
            left.Enqueue((await relay.RowAsync(arrival.ReservationId)).LeasedUntil!.Value - relay.Clock.GetUtcNow());
            relay.Clock.Advance(TimeSpan.FromSeconds(4));
        };

        await relay.HearAsync(6);
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()).TrueForAll(row => row.Status == DeliveryStatus.Delivered), RelayUnderTest.Limit, "all are delivered");

        Assert.All(left, time => Assert.InRange(time, TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(20)));
        // Given back, taken again and sent, each once.
        Assert.All(await relay.RowsAsync(), row => Assert.Equal((DeliveryStatus.Delivered, 1), (row.Status, row.Attempts)));
        Assert.Equal(6, relay.Platform.Arrivals.Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Results_OfManyAtOnce_AreWrittenTogether(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.HearAsync(200);
        await relay.HearAsync(RelayUnderTest.Cancelled(confirmed[0]));
        var leases = (await LeaseAsync(relay, 1_000)).ToList();
        Assert.Equal(200, leases.Count);
        DeliveryStatus[] statuses = [DeliveryStatus.Delivered, DeliveryStatus.Pending, DeliveryStatus.Dead];

        var outcomes = leases.Select((lease, i) => Of(lease, statuses[i % 3], i % 3 == 0 ? null : $"'error' {i}")).ToList();
        var (written, _) = await relay.WithAsync<IServiceScopeFactory, (HashSet<Guid> Written, int Woken)>(scopes => scopes.WithTransactionAsync(
            database => database.WriteAsync(outcomes, relay.Clock.GetUtcNow(), CancellationToken.None)));

        Assert.Equal(200, written.Count);
        var rows = (await relay.RowsAsync()).ToDictionary(row => row.DeliveryId);
        foreach (var outcome in outcomes)
        {
            var row = rows[outcome.Lease.DeliveryId];
            Assert.Equal((outcome.Status, outcome.Attempt!.Error, outcome.NextAttemptAt, null), (row.Status, row.LastError, row.NextAttemptAt, row.LeaseId));
        }
        Assert.Equal(200, (await relay.AttemptsAsync()).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task TwoReplicas_WithOneTable_ShareTheWorkAndSendNothingTwice(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(
            provider, server, replicas: 2, isLive: true, settings: [("DataPlatform:PollInterval", "00:00:00.05"), ("DataPlatform:Concurrency", "8")]);
        var atOnce = new ConcurrentDictionary<Guid, int>();
        relay.Platform.Answer = async (arrival, _) =>
        {
            Assert.Equal(1, atOnce.AddOrUpdate(arrival.Id, 1, (_, count) => count + 1));
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        };

        for (var i = 0; i < 10; i++)
        {
            var confirmed = await relay.HearAsync(40, replica: i % 2);
            foreach (var one in confirmed.Take(5))
                await relay.HearAsync(RelayUnderTest.Cancelled(one));
        }
        await Eventually.TrueAsync(async () => (await relay.RowsAsync()) is { Count: 450 } rows && rows.TrueForAll(row => row.Status == DeliveryStatus.Delivered),
            RelayUnderTest.Limit, "everything is delivered");

        Assert.Equal((450, 450), (relay.Platform.Arrivals.Count, relay.Platform.Arrivals.DistinctBy(arrival => arrival.Id).Count()));
        Assert.All(await relay.RowsAsync(), row => Assert.Equal(1, row.Attempts));
        OrderTests.InOrder(relay.Platform);
    }

    private static async Task<List<Leased>> LeaseAsync(RelayUnderTest relay, int most = 10) =>
        (await relay.WithAsync<IServiceScopeFactory, (int Seen, List<Leased> Taken)>(scopes => scopes.WithTransactionAsync(
            database => database.LeaseAsync(most, relay.Clock.GetUtcNow(), TimeSpan.FromMinutes(1), CancellationToken.None)))).Taken;

    private static async Task<IEnumerable<Guid>> WriteAsync(RelayUnderTest relay, Outcome outcome) =>
        (await relay.WithAsync<IServiceScopeFactory, (HashSet<Guid> Written, int Woken)>(scopes => scopes.WithTransactionAsync(
            database => database.WriteAsync([outcome], relay.Clock.GetUtcNow(), CancellationToken.None)))).Written;

    private static Outcome Of(Leased lease, DeliveryStatus status, string? error) => new(
        lease, status, lease.LeasedUntil.AddSeconds(1),
        new DeliveryAttempt { DeliveryId = lease.DeliveryId, Number = lease.Attempts + 1, At = lease.LeasedUntil, StatusCode = error is null ? 200 : null, DurationMilliseconds = 3, Error = error });
}
