using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Line;

/// <summary>Purchases whose message was lost are found in the orchestrator's outcomes.</summary>
public sealed class PurchaseReconciliationTests(PostgreSqlServer server) : IAsyncLifetime
{
    private readonly ConcurrentQueue<DateTimeOffset> _since = new();
    private readonly List<ReservationOutcome> _outcomes = [];
    private WebApplication _orchestrator = null!;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _orchestrator = builder.Build();
        _orchestrator.MapGet("/internal/outcomes", (HttpRequest request, string since) =>
        {
            if (request.Headers[InnerWall.SecretHeader].ToString().Length == 0)
                return Results.NotFound();
            var from = DateTimeOffset.Parse(since, CultureInfo.InvariantCulture);
            _since.Enqueue(from);
            return Results.Ok(new ReservationOutcomes([.. _outcomes.Where(row => row.UpdatedAt >= from).OrderBy(row => row.UpdatedAt)],
                null));
        });
        await _orchestrator.StartAsync();
    }

    public ValueTask DisposeAsync() => _orchestrator.DisposeAsync();

    [Theory, MemberData(nameof(Providers))]
    public async Task Pass_WhosePurchaseMessageWasLost_EndsAndItsOwnerEntersAgain(DatabaseProvider provider)
    {
        await using var queue = await StartHereAsync(provider);
        var (first, second) = (await queue.EnterAsync("mina"), await queue.EnterAsync("noor"));
        await queue.TickAsync();
        await queue.ClaimAsync("mina", first);
        await queue.ClaimAsync("noor", second);
        // A purchase that was cancelled later has used its pass as well.
        _outcomes.Add(Outcome(first, Now.AddSeconds(1)));
        _outcomes.Add(Outcome(second, Now.AddSeconds(2)) with { Status = "Cancelled", CancelledAt = Now.AddSeconds(2), Sequence = 2 });
        // Their messages may still be on their way.
        queue.Clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0, await ReconcileAsync(queue));
        Assert.Equal("Active", (await queue.EnterAsync("mina", expected: HttpStatusCode.OK)).Status);
        queue.Clock.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(2, await ReconcileAsync(queue));
        Assert.Equal(0, await ReconcileAsync(queue));

        await RefusedAsync(await queue.PollAsync("mina", first), 410, "QUEUE_TOKEN_REVOKED");
        var next = await queue.EnterAsync("mina");
        Assert.NotEqual(first.TokenId, next.TokenId);
        Assert.Equal(new[] { first.TokenId, second.TokenId }.Order(),
            (await queue.SnapshotAsync()).Revocations.Select(revocation => revocation.TokenId).Order());
        Assert.Equal([null, null], (await queue.RowsAsync()).Take(2).Select(row => row.SlotUntil));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Reconciliation_AfterAPause_ContinuesAtItsMark(DatabaseProvider provider)
    {
        await using var queue = await StartHereAsync(provider, ("Queue:PassLifetime", "04:00:00"));
        var token = await queue.EnterAsync("mina");
        await queue.TickAsync();
        await queue.ClaimAsync("mina", token);
        await ReconcileAsync(queue);
        _outcomes.Add(Outcome(token with { TokenId = Guid.CreateVersion7() }, Now));
        await ReconcileAsync(queue);
        queue.Clock.Advance(TimeSpan.FromHours(3));
        _outcomes.Add(Outcome(token, Now.AddMinutes(1)));

        Assert.Equal(1, await ReconcileAsync(queue));
        Assert.Equal([Now.AddDays(-1).AddSeconds(-30), Now.AddDays(-1).AddSeconds(-30), Now.AddSeconds(-30)], _since);
    }

    /// <summary>An instant from a clock that was ahead does not move the mark past outcomes that are still to come.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Mark_FromAClockThatWasAhead_IsIgnored(DatabaseProvider provider)
    {
        await using var queue = await StartHereAsync(provider);
        var token = await queue.EnterAsync("mina");
        _outcomes.Add(Outcome(token with { TokenId = Guid.CreateVersion7() }, Now.AddHours(1)));
        await ReconcileAsync(queue);
        Assert.Equal(Now, await MarkAsync());
        await queue.ReadAsync(database => database.Marks.ExecuteUpdateAsync(set => set.SetProperty(mark => mark.At, Now.AddHours(2))));
        _outcomes.Add(Outcome(token, Now.AddSeconds(1)));
        queue.Clock.Advance(TimeSpan.FromSeconds(11));

        Assert.Equal(1, await ReconcileAsync(queue));
        Assert.Equal(queue.Clock.GetUtcNow(), await MarkAsync());

        Task<DateTimeOffset> MarkAsync() => queue.ReadAsync(database => database.Marks.Select(mark => mark.At).SingleAsync());
    }

    private Task<QueueUnderTest> StartHereAsync(DatabaseProvider provider, params (string, string)[] settings) =>
        StartAsync(provider, server, 1, [("Queue:OrchestratorAddress", _orchestrator.Urls.Single()), .. settings]);

    private static async Task<int> ReconcileAsync(QueueUnderTest queue)
    {
        var ended = 0;
        await queue.WithAsync<PurchaseReconciliation>(
            async reconciliation => ended = await reconciliation.ReconcileAsync(CancellationToken.None));
        return ended;
    }

    private static ReservationOutcome Outcome(QueueTokenView token, DateTimeOffset at) =>
        new(Guid.CreateVersion7(at), "mina", token.ConcertId, 2, [3], 4_000, token.TokenId, "Confirmed", at, null, at, 1);
}
