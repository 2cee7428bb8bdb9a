using System.Collections.Concurrent;
using System.Globalization;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests;

/// <summary>What no message has brought, the orchestrator's list does.</summary>
public sealed class ReconciliationTests(PostgreSqlServer server) : IAsyncLifetime
{
    private readonly ConcurrentQueue<(string? Since, string? After)> _asked = new();
    private readonly List<ReservationOutcome> _outcomes = [];
    private WebApplication _orchestrator = null!;
    private Func<bool> _isDown = () => false;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _orchestrator = builder.Build();
        _orchestrator.MapGet("/internal/outcomes", (HttpRequest request, string? since, string? after, int limit) =>
        {
            if (request.Headers[InnerWall.SecretHeader].ToString().Length == 0)
                return Results.NotFound();
            _asked.Enqueue((since, after));
            if (_isDown())
                return Results.StatusCode(503);
            var from = after is null ? 0 : int.Parse(after, CultureInfo.InvariantCulture);
            var rows = _outcomes.OrderBy(row => row.UpdatedAt).ThenBy(row => row.ReservationId)
                .Where(row => since is null || row.UpdatedAt >= DateTimeOffset.Parse(since, CultureInfo.InvariantCulture)).ToList();
            var page = rows.Skip(from).Take(limit).ToArray();
            return Results.Ok(new ReservationOutcomes(page, from + page.Length < rows.Count ? $"{from + page.Length}" : null));
        });
        await _orchestrator.StartAsync();
    }

    public ValueTask DisposeAsync() => _orchestrator.DisposeAsync();

    [Theory, MemberData(nameof(Providers))]
    public async Task Relay_WithAnEmptyDatabase_LearnsOfAllThereEverWas(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        for (var i = 0; i < 1_200; i++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(i - 5_000), isCancelled: i % 10 == 0));

        Assert.Equal(1_320, await ReconcileAsync(relay));
        Assert.Equal([null, "500", "1000"], _asked.Select(one => one.After));
        Assert.All(_asked, one => Assert.Null(one.Since));
        Assert.Equal(_outcomes.Max(one => one.UpdatedAt), (await relay.DestinationAsync()).ReconciledTo);
        Assert.Equal(0, await ReconcileAsync(relay));

        await relay.PumpAsync();
        Assert.Equal(1_320, relay.Platform.Arrivals.Count);
        OrderTests.InOrder(relay.Platform);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Relay_AwayForADay_IsCompleteAgain(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        var known = Outcome(RelayUnderTest.Now);
        _outcomes.Add(known);
        Assert.Equal(1, await ReconcileAsync(relay));
        // The messages of a day are lost, and it begins where it was and not ten minutes ago.
        for (var hour = 1; hour <= 24; hour++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(hour)));
        _outcomes[0] = known with { Status = "Cancelled", CancelledAt = RelayUnderTest.Now.AddHours(3), UpdatedAt = RelayUnderTest.Now.AddHours(3), Sequence = 2 };
        relay.Clock.Advance(TimeSpan.FromHours(24));

        Assert.Equal(25, await ReconcileAsync(relay));

        Assert.Equal("2026-06-01T11:50:00Z", _asked.Last().Since);
        Assert.Equal(26, (await relay.RowsAsync()).Count);
        Assert.NotNull(await relay.RowAsync(known.ReservationId, 2));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcome_CommittedLate_IsFoundBehindTheMark(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        _outcomes.Add(Outcome(RelayUnderTest.Now));
        await ReconcileAsync(relay);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(-9)));

        Assert.Equal(1, await ReconcileAsync(relay));
        Assert.Equal(RelayUnderTest.Now, (await relay.DestinationAsync()).ReconciledTo);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcome_OfAClockThatIsAhead_DoesNotHideTheOthers(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(2)));
        await ReconcileAsync(relay);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(1)));

        Assert.Equal(1, await ReconcileAsync(relay));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Messages_ThatArrived_AreNotMadeAgain(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        var confirmed = await relay.HearAsync(3);
        _outcomes.AddRange(confirmed.Select(one => Outcome(one.ConfirmedAt) with { ReservationId = one.ReservationId }));

        Assert.Equal(0, await ReconcileAsync(relay));
        Assert.Equal(3, (await relay.RowsAsync()).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Round_ThatBreaksOff_GoesOnWhereItWas(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        for (var i = 0; i < 900; i++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(i - 1_000)));
        _isDown = () => _asked.Count == 2;

        await Assert.ThrowsAsync<HttpRequestException>(() => ReconcileAsync(relay));
        Assert.Equal(500, (await relay.RowsAsync()).Count);
        Assert.Equal(400, await ReconcileAsync(relay));
        Assert.Equal(900, (await relay.RowsAsync()).Count);
        Assert.Equal(_outcomes[499].UpdatedAt.AddMinutes(-10), DateTimeOffset.Parse(_asked.Last().Since!, CultureInfo.InvariantCulture));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Clean_AfterTheRetention_DeletesWhatIsDoneAndNothingElse(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server, settings: [("DataPlatform:Retention", "1.00:00:00"), ("DataPlatform:CleaningBatch", "2")]);
        var confirmed = await relay.HearAsync(7);
        var (dead, waits) = (confirmed[0].ReservationId, confirmed[1].ReservationId);
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == dead ? 400 : arrival is { Type: "reservation.cancelled" } && arrival.ReservationId == waits ? 500 : 200;
            return Task.CompletedTask;
        };
        await relay.PumpAsync();
        await relay.HearAsync(RelayUnderTest.Cancelled(confirmed[1]));
        await relay.PumpAsync();

        relay.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal(0, await CleanAsync());
        relay.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(5, await CleanAsync());

        // The dead one, and a pair of which one is still to be sent; no attempts without their delivery.
        var rows = await relay.RowsAsync();
        Assert.Equal(new[] { (dead, 1), (waits, 1), (waits, 2) }.Order(), rows.Select(row => (row.ReservationId, row.Sequence)).Order());
        Assert.Equal(rows.Select(row => row.DeliveryId).Order(), (await relay.AttemptsAsync()).Select(attempt => attempt.DeliveryId).Distinct().Order());

        Task<int> CleanAsync() => relay.WithAsync<DeliveryCleaner, int>(cleaner => cleaner.CleanAsync(CancellationToken.None));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Metrics_AfterSomeDeliveries_SayHowItStands(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        var confirmed = await relay.HearAsync(3);
        relay.Platform.Answer = (arrival, context) =>
        {
            context.Response.StatusCode = arrival.ReservationId == confirmed[0].ReservationId ? 400 : arrival.ReservationId == confirmed[1].ReservationId ? 503 : 200;
            return Task.CompletedTask;
        };
        await relay.PumpAsync();
        relay.Clock.Advance(TimeSpan.FromSeconds(90));
        await relay.WithAsync<DeliveryCounts, int>(async counts =>
        {
            await counts.CountAsync(CancellationToken.None);
            return 0;
        });

        using var client = relay.Gateway();
        var text = await client.GetStringAsync("/metrics");
        foreach (var name in new[] { "deliveries_pending", "deliveries_oldest", "deliveries_dead", "deliveries_paused", "deliveries_breaker_state", "deliveries_sent", "deliveries_failed" })
            Assert.Contains(name, text, StringComparison.Ordinal);
        Assert.Contains("reason=\"503\"", text, StringComparison.Ordinal);
    }

    private Task<RelayUnderTest> StartAsync(DatabaseProvider provider) =>
        RelayUnderTest.StartAsync(provider, server, settings: ("DataPlatform:OrchestratorAddress", _orchestrator.Urls.Single()));

    private static Task<int> ReconcileAsync(RelayUnderTest relay) =>
        relay.WithAsync<Reconciliation, int>(reconciliation => reconciliation.ReconcileAsync(CancellationToken.None));

    private static ReservationOutcome Outcome(DateTimeOffset at, bool isCancelled = false) => new(
        Guid.CreateVersion7(at), "mina", 1, 2, [3], 4_000, null, isCancelled ? "Cancelled" : "Confirmed", at.AddMinutes(isCancelled ? -1 : 0), isCancelled ? at : null, at,
        isCancelled ? 2 : 1);
}
