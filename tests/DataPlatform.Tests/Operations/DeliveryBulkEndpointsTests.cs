using System.Net.Http.Json;
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.DataPlatform.Dispatch;
using ConcertSaga.DataPlatform.Operations;
using ConcertSaga.DataPlatform.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Operators;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.DataPlatform.Tests.Operations;

/// <summary>The internal routes with which Operations redrives many deliveries.</summary>
public sealed class DeliveryBulkEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Choice_ByFilter_HasTheOldestMatches(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.AnswerWith(400);
        await relay.ReceiveAsync(3);
        await relay.SendDueAsync();
        relay.Clock.Advance(TimeSpan.FromHours(1));
        var from = relay.Clock.GetUtcNow();
        await relay.ReceiveAsync(4);
        await relay.SendDueAsync();
        relay.Platform.AnswerWith(200);
        await relay.ReceiveAsync(2);
        await relay.SendDueAsync();
        var rows = await relay.RowsAsync();

        foreach (var (filter, expected) in new (object, int)[]
        {
            (new { }, 7), (new { from }, 4), (new { to = from }, 3), (new { from = from.ToOffset(TimeSpan.FromHours(9)) }, 4),
            (new { eventType = "reservation.cancelled" }, 0), (new { status = "Delivered" }, 2),
            (new { reservationId = rows[0].ReservationId }, 1)
        })
        {
            var chosen = await ChooseAsync(relay, new { action = "SendAgain", limit = 100, sampleSize = 2, filter });
            Assert.Equal((expected, Math.Min(2, expected)), (chosen.Ids.Count, chosen.Sample.Count));
        }
        var oldest = await ChooseAsync(relay, new { action = "SendAgain", limit = 3, sampleSize = 2, filter = new { } });
        Assert.Equal(rows.Where(row => row.CreatedAt < from).Select(row => row.DeliveryId).Order(), oldest.Ids.Order());
        var given = await ChooseAsync(relay, new { action = "SendAgain", limit = 3, sampleSize = 2, ids = new[] { rows[8].DeliveryId } });
        Assert.Equal(rows[8].DeliveryId, Assert.Single(given.Sample).DeliveryId);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Changes_Repeated_RedriveEachOnce(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        relay.Platform.AnswerWith(400);
        await relay.ReceiveAsync(3);
        await relay.SendDueAsync();
        var items = (await relay.RowsAsync()).Select(row => new BulkItem(Guid.CreateVersion7(), row.DeliveryId))
            .Append(new BulkItem(Guid.CreateVersion7(), Guid.CreateVersion7())).ToArray();

        var first = await ChangeAsync(relay, items[..2]);
        await relay.SendDueAsync();
        var second = await ChangeAsync(relay, items);

        Assert.Equal([ItemOutcome.Succeeded, ItemOutcome.Succeeded], first.Select(result => result.Outcome!.Value));
        Assert.Equal([ItemOutcome.Succeeded, ItemOutcome.Succeeded, ItemOutcome.Succeeded, ItemOutcome.Skipped],
            second.Select(result => result.Outcome!.Value));
        Assert.Equal("The delivery does not exist.", second[3].Reason);
        Assert.Equal(items.Select(item => item.ActionId), second.Select(result => result.ActionId));
        // Those of the first request have failed again, and the repetition has not made them due.
        Assert.Equal([DeliveryStatus.Dead, DeliveryStatus.Dead, DeliveryStatus.Pending],
            (await relay.RowsAsync()).OrderBy(row => Array.FindIndex(items, item => item.Id == row.DeliveryId)).Select(row => row.Status));
        var actions = await relay.WithAsync<DataPlatformDbContext, List<OperatorAction>>(database => database.Actions.ToListAsync());
        Assert.Equal(items[..3].Select(item => (item.ActionId, "SendAgain", "olga", "Repaired.")).Order(),
            actions.Select(action => (action.ActionId, action.Action, action.Operator, action.Reason)).Order());
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Delivery_BeingSent_IsSkipped(DatabaseProvider provider)
    {
        await using var relay = await RelayUnderTest.StartAsync(provider, server);
        await relay.ReceiveAsync();
        var item = new BulkItem(Guid.CreateVersion7(), (await relay.RowAsync()).DeliveryId);
        await relay.WithAsync<IServiceScopeFactory, (int Seen, List<DeliveryLease> Leases)>(scopes => scopes.WithTransactionAsync(
            database => database.LeaseAsync(1, relay.Clock.GetUtcNow(), TimeSpan.FromMinutes(1), CancellationToken.None)));

        var result = Assert.Single(await ChangeAsync(relay, item));

        Assert.Equal((ItemOutcome.Skipped, "The relay is sending this delivery."), (result.Outcome!.Value, result.Reason));
    }

    private static async Task<BulkChosen<Guid, DeliveryView>> ChooseAsync(RelayUnderTest relay, object choice)
    {
        using var answer = await relay.AskAsync("choice", choice);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<BulkChosen<Guid, DeliveryView>>())!;
    }

    private static async Task<BulkResult[]> ChangeAsync(RelayUnderTest relay, params BulkItem[] items)
    {
        using var answer = await relay.AskAsync("changes", new BulkChange("SendAgain", "olga", "Repaired.", items, Starts: true));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<BulkResult[]>())!;
    }
}
