using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization;
using ConcertSaga.Orchestrator.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using ConcertSaga.Shared.Hosting.Operators;
using Microsoft.EntityFrameworkCore;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Operations;

/// <summary>The internal routes with which Operations changes many reservations.</summary>
public sealed class ReservationBulkEndpointsTests
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter() } };

    [Fact]
    public async Task Choice_OfAnAction_HasOnlyReservationsItAppliesTo()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var rows = await AddAsync(host, All.Select((state, minute) => Row(state, minute)));

        var retry = await ChooseAsync(host, new { action = "Retry", limit = 100, sampleSize = 3, filter = new { } });
        var cancel = await ChooseAsync(host, new { action = "Cancel", limit = 100, sampleSize = 3, filter = new { } });
        var schedule = await ChooseAsync(host, new { action = "CancelSchedule", limit = 100, sampleSize = 3, filter = new { } });
        var paying = await ChooseAsync(host, new { action = "Cancel", limit = 2, sampleSize = 3, filter = new { status = "Paying" } });
        var given = await ChooseAsync(host,
            new { action = "Retry", limit = 2, sampleSize = 3, ids = new[] { rows[^1].CorrelationId } });

        Assert.Equal(IdsOf(rows, state => !Finished.Contains(state) && state != AwaitingPayment), retry.Ids);
        Assert.Equal(IdsOf(rows, state => state == Confirmed || !Finished.Contains(state)), cancel.Ids);
        Assert.Equal(IdsOf(rows, state => state is Requested or HoldingSeats or AwaitingPayment or DeductingPoints or ConfirmingPayment
            or ConfirmingSeats or Confirmed), schedule.Ids);
        Assert.Equal(IdsOf(rows, state => state is DeductingPoints or ConfirmingPayment), paying.Ids);
        Assert.Equal(retry.Ids.Take(3), retry.Sample.Select(row => row.ReservationId));
        Assert.Equal(rows[^1].CorrelationId, Assert.Single(given.Sample).ReservationId);
    }

    [Theory]
    [InlineData("""{"action":"Erase","limit":1,"sampleSize":1,"filter":{}}""", "action")]
    [InlineData("""{"action":"Retry","limit":1,"sampleSize":1,"filter":{"state":"Paying"}}""", "filter.state")]
    [InlineData("""{"action":"Retry","limit":1,"sampleSize":1,"filter":{"status":"Paying,Failed"}}""", "filter.status")]
    [InlineData("""{"action":"Retry","limit":1,"sampleSize":1,"filter":{"seat":7}}""", "filter.seat")]
    public async Task Choice_ThatIsInvalid_NamesTheMember(string body, string member)
    {
        await using var host = await OrchestratorHost.StartAsync();

        using var answer = await PostAsync(host, "choice", JsonSerializer.Deserialize<JsonElement>(body));

        Assert.Equal(400, (int)answer.StatusCode);
        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(problem.GetProperty("errors").TryGetProperty(member, out _), $"{problem}");
    }

    /// <summary>
    /// A choice has ten thousand reservations at most. Each one that is sent is changed once, also if requests are repeated as after a
    /// kill, and no other one is. Requests are independent, so a tenth of the choice is sent, from all parts of it.
    /// </summary>
    [Fact]
    public async Task Changes_OfAChoiceOfTenThousand_ActOnceOnEach()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00",
            "--Reservation:StepTimeout=00:10:00");
        await host.DatabaseAsync(AddManyAsync);
        var chosen = await ChooseAsync(host, new { action = "Retry", limit = 10_000, sampleSize = 20, filter = new { scheduleId = 31 } });
        BulkItem[] items = [.. chosen.Ids.Where((_, index) => index % 10 == 0).Select(id => new BulkItem(Guid.CreateVersion7(), id))];
        // A later match is not part of the choice.
        await AddAsync(host, [Row(ConfirmingSeats, -1)]);

        foreach (var batch in items.Chunk(100))
            await ChangeAsync(host, "Retry", batch, starts: true);
        foreach (var batch in items.Chunk(100).Take(5))
            await ChangeAsync(host, "Retry", batch, starts: true);

        await Testing.Eventually.TrueAsync(
            () => host.DatabaseAsync(async database => await database.OperatorActions.CountAsync() == items.Length),
            TimeSpan.FromMinutes(5), "all are recorded");
        var actions = await host.DatabaseAsync(database => database.OperatorActions.AsNoTracking().ToListAsync());
        Assert.Equal(items.Select(item => (item.ActionId, $"reservations/{item.Id}", (string?)null)).Order(),
            actions.Select(action => (action.ActionId, action.Target, action.Refusal)).Order());
        var resent = await host.DatabaseAsync(database => database.Transitions.AsNoTracking().Select(row => row.ReservationId)
            .ToListAsync());
        Assert.Equal(items.Select(item => item.Id).Order(), resent.Order());
        Assert.Equal((10_000, 20, 1_000), (chosen.Ids.Distinct().Count(), chosen.Sample.Count, items.Length));
    }

    /// <summary>Requests that are repeated before and after the saga has handled the messages.</summary>
    [Fact]
    public async Task Changes_Repeated_ActOnceOnEach()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var rows = await AddAsync(host, [Row(ConfirmingSeats, 0), Row(Confirmed, 1), Row(AwaitingPayment, 2), Row(Failed, 3)]);
        BulkItem[] items =
        [
            .. rows.Select(row => new BulkItem(Guid.CreateVersion7(), row.CorrelationId)),
            new(Guid.CreateVersion7(), Guid.CreateVersion7())
        ];

        await ChangeAsync(host, "Cancel", items, starts: true);
        await ChangeAsync(host, "Cancel", items, starts: true);
        BulkResult[] results = [];
        await Testing.Eventually.TrueAsync(async () => (results = await ChangeAsync(host, "Cancel", items, starts: false))
            .All(result => result.Outcome is not null), TimeSpan.FromSeconds(60), "all are recorded");
        await ChangeAsync(host, "Cancel", items, starts: true);

        Assert.Equal([ItemOutcome.Succeeded, ItemOutcome.Succeeded, ItemOutcome.Succeeded, ItemOutcome.Skipped, ItemOutcome.Skipped],
            results.Select(result => result.Outcome!.Value));
        Assert.Equal([null, null, null, "The reservation is Failed and cannot be cancelled.", "The reservation does not exist."],
            results.Select(result => result.Reason));
        var actions = await host.DatabaseAsync(database => database.OperatorActions.AsNoTracking().ToListAsync());
        Assert.Equal(items[..4].Select(item => (item.ActionId, $"reservations/{item.Id}", "olga", "The venue is closed.")).Order(),
            actions.Select(action => (action.ActionId, action.Target, action.Operator, action.Reason)).Order());
    }

    [Theory]
    [InlineData("Cancel", "CANCELLED_BY_OPERATOR")]
    [InlineData("CancelSchedule", "SCHEDULE_CANCELLED")]
    public async Task Changes_ThatCancel_GiveTheCause(string action, string code)
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var row = (await AddAsync(host, [Row(AwaitingPayment, 0)]))[0];
        BulkItem[] items = [new(Guid.CreateVersion7(), row.CorrelationId)];

        await ChangeAsync(host, action, items, starts: true);
        await Testing.Eventually.TrueAsync(
            async () => (await ChangeAsync(host, action, items, starts: false))[0].Outcome == ItemOutcome.Succeeded,
            TimeSpan.FromSeconds(60), "the change is recorded");

        Assert.Equal(code, (await host.RowAsync(row.CorrelationId)).FailureCode);
    }

    [Fact]
    public async Task Changes_ThatOnlyRead_SendNothing()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var row = (await AddAsync(host, [Row(ConfirmingSeats, 0)]))[0];

        var result = Assert.Single(await ChangeAsync(host, "Retry", [new(Guid.CreateVersion7(), row.CorrelationId)], starts: false));
        await Task.Delay(TimeSpan.FromSeconds(1));

        Assert.Null(result.Outcome);
        Assert.Equal(0, await host.DatabaseAsync(database => database.OperatorActions.CountAsync()));
    }

    [Fact]
    public async Task Changes_WhileTheBusIsAway_AreRefusedAndRepeated()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var row = (await AddAsync(host, [Row(AwaitingPayment, 0)]))[0];
        BulkItem[] items = [new(Guid.CreateVersion7(), row.CorrelationId)];
        await host.Bus.StopAsync();

        using (var refused = await PostAsync(host, "changes", new BulkChange("Cancel", "olga", "The venue is closed.", items, true)))
            Assert.Equal(503, (int)refused.StatusCode);
        Assert.Null((await ChangeAsync(host, "Cancel", items, starts: false))[0].Outcome);

        await host.Bus.StartAsync();
        await ChangeAsync(host, "Cancel", items, starts: true);
        await Testing.Eventually.TrueAsync(
            async () => (await ChangeAsync(host, "Cancel", items, starts: false))[0].Outcome == ItemOutcome.Succeeded,
            TimeSpan.FromSeconds(60), "the change is recorded");
    }

    private static Reservation Row(string state, int minute)
    {
        var row = Given.In(state);
        row.UserId = $"{row.CorrelationId}";
        row.UnpaidUserId = null;
        row.IdempotencyKey = Guid.CreateVersion7();
        row.CreatedAt = Machine.Start.AddDays(-20).AddMinutes(minute);
        return row;
    }

    // One reservation in six is confirmed. Each was requested a minute after the one before it.
    private static async Task<bool> AddManyAsync(OrchestratorDbContext database)
    {
        await ManyReservations.AddAsync(database, 12_000, [Row(Confirmed, 0), Row(ConfirmingSeats, 0)],
            "CASE WHEN i % 6 = 0 THEN 'Confirmed' ELSE 'ConfirmingSeats' END", ("UserId", "'user-' || i"),
            ("CreatedAt", ManyReservations.At(database, Machine.Start.AddDays(-20), "i", "minutes")));
        return true;
    }

    private static IEnumerable<Guid> IdsOf(IEnumerable<Reservation> rows, Func<string, bool> isExpected) =>
        rows.Where(row => isExpected(row.CurrentState)).Select(row => row.CorrelationId);

    private static async Task<List<Reservation>> AddAsync(OrchestratorHost host, IEnumerable<Reservation> rows)
    {
        var list = rows.ToList();
        await host.DatabaseAsync(database =>
        {
            database.AddRange(list);
            return database.SaveChangesAsync();
        });
        return list;
    }

    private static async Task<BulkChosen<Guid, ReservationView>> ChooseAsync(OrchestratorHost host, object choice)
    {
        using var answer = await PostAsync(host, "choice", choice);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<BulkChosen<Guid, ReservationView>>(Json))!;
    }

    private static async Task<BulkResult[]> ChangeAsync(OrchestratorHost host, string action, BulkItem[] items, bool starts)
    {
        using var answer = await PostAsync(host, "changes", new BulkChange(action, "olga", "The venue is closed.", items, starts));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<BulkResult[]>())!;
    }

    private static async Task<HttpResponseMessage> PostAsync(OrchestratorHost host, string route, object body)
    {
        using var client = host.Client(null);
        return await client.PostAsJsonAsync($"/internal/reservations/{route}", body);
    }
}
