using System.Collections.Concurrent;
using System.Globalization;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.DataPlatform.Intake;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Intake;

/// <summary>Reconciliation creates the deliveries that no message has announced.</summary>
public sealed class ReconciliationTests(PostgreSqlServer server) : IAsyncLifetime
{
    private readonly ConcurrentQueue<(string? Since, string? After)> _requests = new();
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
            _requests.Enqueue((since, after));
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
    public async Task Relay_WithAnEmptyDatabase_CreatesAllDeliveries(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        for (var i = 0; i < 1_200; i++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(i - 5_000), isCancelled: i % 10 == 0));

        Assert.Equal(1_320, await ReconcileAsync(relay));
        Assert.Equal([null, "500", "1000"], _requests.Select(request => request.After));
        Assert.All(_requests, request => Assert.Null(request.Since));
        Assert.Equal(_outcomes.Max(outcome => outcome.UpdatedAt), (await relay.DestinationAsync()).ReconciledTo);
        Assert.Equal(0, await ReconcileAsync(relay));

        await relay.SendDueAsync();
        Assert.Equal(1_320, relay.Platform.Arrivals.Count);
        relay.Platform.AssertInOrder();
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Relay_DownForADay_CatchesUp(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        var known = Outcome(RelayUnderTest.Now);
        _outcomes.Add(known);
        Assert.Equal(1, await ReconcileAsync(relay));
        // A day of messages is lost. Reconciliation begins at its cursor, not ten minutes ago.
        for (var hour = 1; hour <= 24; hour++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(hour)));
        _outcomes[0] = known with
        {
            Status = "Cancelled",
            CancelledAt = RelayUnderTest.Now.AddHours(3),
            UpdatedAt = RelayUnderTest.Now.AddHours(3),
            Sequence = 2
        };
        relay.Clock.Advance(TimeSpan.FromHours(24));

        Assert.Equal(25, await ReconcileAsync(relay));

        Assert.Equal("2026-06-01T11:50:00Z", _requests.Last().Since);
        Assert.Equal(26, (await relay.RowsAsync()).Count);
        Assert.NotNull(await relay.RowAsync(known.ReservationId, 2));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcome_CommittedLate_IsFoundBehindTheCursor(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        _outcomes.Add(Outcome(RelayUnderTest.Now));
        await ReconcileAsync(relay);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(-9)));

        Assert.Equal(1, await ReconcileAsync(relay));
        Assert.Equal(RelayUnderTest.Now, (await relay.DestinationAsync()).ReconciledTo);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Outcome_FromTheFuture_HidesNoOther(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(2)));
        await ReconcileAsync(relay);
        _outcomes.Add(Outcome(RelayUnderTest.Now.AddMinutes(1)));

        Assert.Equal(1, await ReconcileAsync(relay));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Deliveries_ThatExist_AreNotCreatedAgain(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        var confirmed = await relay.ReceiveAsync(3);
        _outcomes.AddRange(confirmed.Select(message => Outcome(message.ConfirmedAt) with { ReservationId = message.ReservationId }));

        Assert.Equal(0, await ReconcileAsync(relay));
        Assert.Equal(3, (await relay.RowsAsync()).Count);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Round_ThatIsInterrupted_ContinuesAtItsCursor(DatabaseProvider provider)
    {
        await using var relay = await StartAsync(provider);
        for (var i = 0; i < 900; i++)
            _outcomes.Add(Outcome(RelayUnderTest.Now.AddHours(i - 1_000)));
        _isDown = () => _requests.Count == 2;

        await Assert.ThrowsAsync<HttpRequestException>(() => ReconcileAsync(relay));
        Assert.Equal(500, (await relay.RowsAsync()).Count);
        Assert.Equal(400, await ReconcileAsync(relay));
        Assert.Equal(900, (await relay.RowsAsync()).Count);
        Assert.Equal(_outcomes[499].UpdatedAt.AddMinutes(-10), DateTimeOffset.Parse(_requests.Last().Since!, CultureInfo.InvariantCulture));
    }

    private Task<RelayUnderTest> StartAsync(DatabaseProvider provider) =>
        RelayUnderTest.StartAsync(provider, server, settings: ("DataPlatform:OrchestratorAddress", _orchestrator.Urls.Single()));

    private static Task<int> ReconcileAsync(RelayUnderTest relay) =>
        relay.WithAsync<Reconciliation, int>(reconciliation => reconciliation.ReconcileAsync(CancellationToken.None));

    private static ReservationOutcome Outcome(DateTimeOffset at, bool isCancelled = false) => new(
        Guid.CreateVersion7(at), "mina", 1, 2, [3], 4_000, null, isCancelled ? "Cancelled" : "Confirmed",
        at.AddMinutes(isCancelled ? -1 : 0), isCancelled ? at : null, at, isCancelled ? 2 : 1);
}
