using System.Text.Json;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Operators end reservations whose last step gets no reply, long before the saga would resend it.</summary>
[Trait("Part", "Faults")]
public sealed class OperatorTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const string Route = "/ops/api/reservations";
    private const long Points = 1_000_000;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservation_WhoseLastCommandIsLost_EndsByRetryOrCancellation(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker, FaultDrill.SettingsFor(FaultDrill.NoStepTimeout));
        var ops = await Customer.SignInAsync(system, 0, "ops");
        await system.SetFaultsAsync("""{ "ConfirmSeats": { "DropRate": 1 } }""");
        var (retrying, retried) = await LoseConfirmationAsync(system, ops);
        var (cancelling, cancelled) = await LoseConfirmationAsync(system, ops);

        Assert.Equal(403, (await retrying.SendAsync(HttpMethod.Post, $"{Route}/{retried}/retry", new { reason = "Mine." })).Status);
        Assert.Equal(409, (await cancelling.CancelAsync(cancelled)).Status);
        await ActAsync(ops, cancelled, "cancel");
        await system.SetFaultsAsync("{}");
        await ActAsync(ops, retried, "retry");

        await retrying.WaitForAsync(retried, Limit, ["Confirmed"]);
        Assert.Equal("Cancelled", (await cancelling.GetAsync(cancelled)).ReservationStatus);
        Assert.Equal(Points, await cancelling.BalanceAsync());
        Assert.True(await retrying.BalanceAsync() < Points);
        var details = await ops.GetAsync($"{Route}/{cancelled}");
        Assert.Equal([ops.UserId],
            details.Body.GetProperty("actions").EnumerateArray().Select(row => row.GetProperty("operator").GetString()));
        Assert.Equal(409, (await ops.SendAsync(HttpMethod.Post, $"{Route}/{retried}/retry", new { reason = "Again." })).Status);
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Reservations_StuckByAFault_EndByOneOperation(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker, FaultDrill.SettingsFor(FaultDrill.NoStepTimeout));
        var ops = await Customer.SignInAsync(system, 0, "ops");
        await system.SetFaultsAsync("""{ "ConfirmSeats": { "DropRate": 1 } }""");
        var stuck = new List<(Customer Customer, Guid Id)>();
        for (var i = 0; i < 3; i++)
            stuck.Add(await LoseConfirmationAsync(system, ops));
        var overview = (await ops.GetAsync("/ops/api/overview")).Body;
        Assert.Equal(3, overview.GetProperty("reservations").GetProperty("byState").GetProperty("ConfirmingSeats").GetInt32());
        Assert.Empty(overview.GetProperty("unavailable").EnumerateArray());
        await system.SetFaultsAsync("{}");

        var dryRun = await ops.SendAsync(HttpMethod.Post, $"{Route}/retry",
            new { filter = new { state = "ConfirmingSeats" }, dryRun = true });
        Assert.Equal(3, dryRun.Body.GetProperty("matched").GetInt32());
        var started = await ops.SendAsync(HttpMethod.Post, $"{Route}/retry",
            new { selection = dryRun.Body.GetProperty("selection").GetGuid(), reason = "Seats is repaired." });
        Assert.True(started.Status == 202, started.ToString());

        foreach (var (customer, id) in stuck)
            await customer.WaitForAsync(id, Limit, ["Confirmed"]);
        await Eventually.TrueAsync(async () => (await ops.GetAsync(
            $"/ops/api/operations/{started.Body.GetProperty("operationId").GetGuid()}")).Body is var operation
            && operation.GetProperty("status").GetString() == "Completed" && operation.GetProperty("succeeded").GetInt32() == 3, Limit,
            "the operation is completed");
        await Auditor.CheckAsync(system, Limit);
    }

    private static async Task<(Customer Customer, Guid Id)> LoseConfirmationAsync(ISystem system, Customer ops)
    {
        var customer = await Customer.SignInAsync(system, Points);
        var id = (await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "respond-async")).ReservationId;
        await Eventually.TrueAsync(async () => (await ops.GetAsync($"{Route}?state=ConfirmingSeats&userId={customer.UserId}")).Body
            .GetProperty("items").EnumerateArray().Any(IsLast), Limit, "only the last command is left", Eventually.LongPause);
        // Until the command was received and dropped.
        await Task.Delay(TimeSpan.FromSeconds(1));
        return (customer, id);
    }

    private static bool IsLast(JsonElement row) =>
        row.GetProperty("remainingSteps").EnumerateArray().Select(step => step.GetString()).SequenceEqual(["ConfirmSeats"]);

    private static async Task ActAsync(Customer ops, Guid id, string action)
    {
        var answer = await ops.SendAsync(HttpMethod.Post, $"{Route}/{id}/{action}", new { reason = "The command was lost." },
            prefer: "wait=10");
        Assert.True(answer.Status == 200, answer.ToString());
    }
}
