using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Reservations;

/// <summary><c>GET /internal/outcomes</c>, on each database.</summary>
public sealed class OutcomeEndpointsTests(PostgreSqlServer server)
{
    private static readonly JsonSerializerOptions Json = JsonSerializerOptions.Web;

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory]
    [MemberData(nameof(Providers))]
    public async Task Outcomes_OfEveryState_ListPaidReservationsOnly(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        string[] states = [.. new Machine().States.Select(state => state.Name)];
        var rows = states.Select((state, minute) => Paid(Given.In(state), minute, state is Confirmed or CancellingPayment)).ToList();
        var cancelled = Paid(Given.In(Cancelled), 50, confirmed: true);
        await WriteAsync(service, [.. rows, cancelled]);

        var page = await ReadAsync(service, "");

        var confirmed = rows.Single(row => row.CurrentState == Confirmed);
        Assert.Null(page.Next);
        Assert.Equal([confirmed.CorrelationId, cancelled.CorrelationId], page.Items.Select(item => item.ReservationId));
        var (first, second) = (page.Items[0], page.Items[1]);
        Assert.Equal(("mina", 3, 31, Given.Price, confirmed.QueueTokenId, Confirmed, 1),
            (first.UserId, first.ConcertId, first.ScheduleId, first.TotalPrice, first.QueueTokenId, first.Status, first.Sequence));
        Assert.Equal([7, 8], first.SeatNumbers);
        Assert.Equal((confirmed.ConfirmedAt!.Value, null, confirmed.UpdatedAt), (first.ConfirmedAt, first.CancelledAt, first.UpdatedAt));
        Assert.Equal((Cancelled, 2, cancelled.ConfirmedAt!.Value, cancelled.UpdatedAt, cancelled.UpdatedAt),
            (second.Status, second.Sequence, second.ConfirmedAt, second.CancelledAt, second.UpdatedAt));
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public async Task Outcomes_InPages_ShowEachOnceInOrder(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        // Three rows per instant, and instants less than a millisecond apart.
        var rows = Enumerable.Range(0, 21).Select(number => Paid(Given.In(Confirmed), 0, confirmed: true, ticks: number / 3 * 10)).ToList();
        await WriteAsync(service, rows);

        foreach (var limit in new[] { 1, 2, 7, 20, 21, 1000 })
        {
            var seen = new List<ReservationOutcome>();
            var page = await ReadAsync(service, $"limit={limit}");
            for (; page.Next is not null; page = await ReadAsync(service, $"limit={limit}&after={page.Next}"))
            {
                Assert.Equal(limit, page.Items.Length);
                seen.AddRange(page.Items);
            }
            seen.AddRange(page.Items);
            Assert.Equal(rows.Select(row => row.CorrelationId).Order(), seen.Select(item => item.ReservationId).Order());
            Assert.Equal(seen.Select(item => item.UpdatedAt).Order(), seen.Select(item => item.UpdatedAt));
        }
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public async Task Outcomes_SinceAnInstant_IncludeIt(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var rows = Enumerable.Range(0, 5).Select(minute => Paid(Given.In(Confirmed), minute, confirmed: true)).ToList();
        await WriteAsync(service, rows);

        var since = Uri.EscapeDataString(rows[2].UpdatedAt.ToString("O"));
        Assert.Equal(rows[2..].Select(row => row.CorrelationId),
            (await ReadAsync(service, $"since={since}")).Items.Select(item => item.ReservationId));
        var page = await ReadAsync(service, $"since={rows[2].UpdatedAt.UtcDateTime:s}Z&limit=2");
        Assert.Equal(rows[2..4].Select(row => row.CorrelationId), page.Items.Select(item => item.ReservationId));
        Assert.Equal(rows[4..].Select(row => row.CorrelationId),
            (await ReadAsync(service, $"since={since}&after={page.Next}")).Items.Select(item => item.ReservationId));
        Assert.Empty((await ReadAsync(service, "since=2999-01-01T00:00:00Z")).Items);
    }

    /// <summary>
    /// A change that is committed after a later one was read lies behind the cursor. A reader finds it when it rereads the last minutes.
    /// </summary>
    [Theory]
    [MemberData(nameof(Providers))]
    public async Task Outcome_CommittedLate_IsFoundByRereading(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        var (early, late) = (Paid(Given.In(Confirmed), 5, confirmed: true), Paid(Given.In(Confirmed), 4, confirmed: true));
        await WriteAsync(service, [early]);
        Assert.Single((await ReadAsync(service, "")).Items);
        await WriteAsync(service, [late]);

        var again = await ReadAsync(service, $"since={early.UpdatedAt.AddMinutes(-10).UtcDateTime:s}Z");

        Assert.Equal([late.CorrelationId, early.CorrelationId], again.Items.Select(item => item.ReservationId));
    }

    [Theory]
    [InlineData("since=soon", "since")]
    [InlineData("since=", "since")]
    [InlineData("since=10:00", "since")]
    [InlineData("since=2026-11-23T10:00:00+01:00", "since")] // "+" decodes to a blank
    [InlineData("after=7", "after")]
    [InlineData("after=!", "after")]
    [InlineData("after=LTUvMDFhMjA4ZGYtODAzMC03ODVkLWEyYzQtNTQ3YjBlMTM5MmYz", "after")] // -5/01a208df-8030-785d-a2c4-547b0e1392f3
    // long.MaxValue as the instant
    [InlineData("after=OTIyMzM3MjAzNjg1NDc3NTgwNy8wMWEyMDhkZi04MDMwLTc4NWQtYTJjNC01NDdiMGUxMzkyZjM", "after")]
    [InlineData("after=NjM5MzEzMTY0MDAwMDAwMDAwL21pbmE", "after")] // 639313164000000000/mina
    [InlineData("limit=0", "limit")]
    [InlineData("limit=-1", "limit")]
    [InlineData("limit=1001", "limit")]
    [InlineData("limit=many", "limit")]
    public async Task Outcomes_WithAnInvalidValue_AreRefusedByItsName(string query, string parameter)
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite);
        using var client = service.ClientOf("relay");

        var answer = await client.GetAsync(new Uri($"/internal/outcomes?{query}", UriKind.Relative));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("BAD_REQUEST", problem.GetProperty("code").GetString());
        Assert.Contains(parameter, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Outcomes_WithoutTheSecret_AreNotFound()
    {
        await using var service = await StartAsync(DatabaseProvider.Sqlite);
        Assert.Equal(HttpStatusCode.NotFound,
            (await service.Stranger.GetAsync(new Uri("/internal/outcomes", UriKind.Relative))).StatusCode);
    }

    [Theory]
    [MemberData(nameof(Providers))]
    public async Task Query_AmongManyReservations_UsesTheIndex(DatabaseProvider provider)
    {
        await using var service = await StartAsync(provider);
        // Most reservations of a sale get no seats.
        await WriteAsync(service, [.. Enumerable.Range(0, 3_000)
            .Select(number => Paid(Given.In(number % 10 == 0 ? Confirmed : Rejected), number, number % 10 == 0))]);

        var plan = await service.WithAsync<OrchestratorDbContext, string>(async database =>
        {
            await database.Database.ExecuteSqlRawAsync("ANALYZE");
            await using var command = OutcomeEndpoints.Outcomes(database, Machine.Start.AddMinutes(300), new(Machine.Start.AddMinutes(300),
                Guid.Empty), 10).CreateDbCommand();
#pragma warning disable CA2100 // A statement of the product.
            command.CommandText = (provider == DatabaseProvider.Sqlite ? "EXPLAIN QUERY PLAN " : "EXPLAIN ") + command.CommandText;
#pragma warning restore CA2100
            await database.Database.OpenConnectionAsync();
            await using var reader = await command.ExecuteReaderAsync();
            var lines = new List<string>();
            while (await reader.ReadAsync())
                lines.Add(reader.GetString(provider == DatabaseProvider.Sqlite ? 3 : 0));
            return string.Join('\n', lines);
        });

        Assert.Contains("IX_Reservations_UpdatedAt_ReservationId", plan, StringComparison.Ordinal);
        // PostgreSQL may sort the few rows that it finds.
        Assert.DoesNotContain(provider == DatabaseProvider.Sqlite ? "TEMP B-TREE" : "Seq Scan", plan, StringComparison.Ordinal);
    }

    private async Task<RunningService> StartAsync(DatabaseProvider provider) => await RunningService.StartAsync(
        "Orchestrator", await TestDatabase.CreateAsync(provider, server, "Orchestrator"), new FakeTimeProvider(Machine.Start),
        // The sweeper must not touch the unfinished rows of these tests.
        builder => builder.AddOrchestrator(),
        bus => bus.AddOrchestratorConsumers(
            new Microsoft.Extensions.Configuration.ConfigurationManager { ["Messaging:Transport"] = "InMemory" }),
        app => app.MapOrchestrator(), ("Reservation:SweepInterval", "00:10:00"));

    private static Reservation Paid(Reservation row, int minute, bool confirmed, int ticks = 0)
    {
        row.UserId = "mina";
        row.UnpaidUserId = null;
        row.Deadline = null;
        row.QueueTokenId = Guid.CreateVersion7(Machine.Start);
        row.UpdatedAt = Machine.Start.AddMinutes(minute).AddTicks(ticks);
        row.ConfirmedAt = confirmed ? row.UpdatedAt.AddMinutes(-3) : null;
        return row;
    }

    private static Task<int> WriteAsync(RunningService service, IEnumerable<Reservation> rows) =>
        service.WithAsync<OrchestratorDbContext, int>(database =>
        {
            database.AddRange(rows);
            return database.SaveChangesAsync();
        });

    private static async Task<ReservationOutcomes> ReadAsync(RunningService service, string query)
    {
        using var client = service.ClientOf("relay");
        var answer = await client.GetAsync(new Uri($"/internal/outcomes?{query}", UriKind.Relative));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<ReservationOutcomes>(Json))!;
    }
}
