using System.Net.Http.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;

namespace ConcertSaga.Orchestrator.Tests.Operations;

/// <summary><c>/internal/facts/…</c>, on each database.</summary>
public sealed class ReservationFactEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Keys_InPages_ShowEachReservationOnce(DatabaseProvider provider)
    {
        await using var service = await RunningService.StartAsync(
            "Orchestrator", await TestDatabase.CreateAsync(provider, server, "Orchestrator"), new FakeTimeProvider(Machine.Start),
            builder => builder.AddOrchestrator(),
            bus => bus.AddOrchestratorConsumers(new ConfigurationManager { ["Messaging:Transport"] = "InMemory" }),
            app => app.MapOrchestrator(), ("Reservation:SweepInterval", "00:10:00"));
        var rows = ReservationStates.All.Select(Given.In).ToList();
        foreach (var row in rows)
            (row.UnpaidUserId, row.IdempotencyKey) = (null, Guid.CreateVersion7());
        await service.WithAsync<OrchestratorDbContext, int>(database =>
        {
            database.AddRange(rows);
            return database.SaveChangesAsync();
        });
        using var operations = service.ClientOf("operations");

        Assert.Equal(rows.Select(row => $"{row.CorrelationId}").Order(), (await ReadAsync("reservations")).Order());
        Assert.Equal(rows.Where(row => row.Deadline is not null).Select(row => $"{row.CorrelationId}").Order(),
            (await ReadAsync("unfinished")).Order());
        using var answer = await operations.PostAsJsonAsync("/internal/facts/reservations",
            new FactRequest([rows[2].CorrelationId, Guid.CreateVersion7()]));
        var facts = (await answer.Content.ReadFromJsonAsync<SagaFacts>())!;
        Assert.Equal(Machine.Start.AddDays(-400), facts.KeptSince);
        var fact = Assert.Single(facts.Items);
        Assert.Equal((rows[2].CorrelationId, "AwaitingPayment", rows[2].UserId, rows[2].ScheduleId, rows[2].Deadline, rows[2].Version),
            (fact.ReservationId, fact.State, fact.UserId, fact.ScheduleId, fact.Deadline, fact.Version));
        Assert.Equal(rows[2].SeatNumbers, fact.SeatNumbers);

        async Task<List<string>> ReadAsync(string list)
        {
            var seen = new List<string>();
            string? after = null;
            do
            {
                var page = (await operations.GetFromJsonAsync<FactKeys>(
                    $"/internal/facts/{list}?limit=3{(after is null ? "" : $"&after={after}")}"))!;
                seen.AddRange(page.Keys);
                after = page.Next;
            }
            while (after is not null);
            return seen;
        }
    }
}
