using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Orchestrator.Tests.Hosts;
using ConcertSaga.Orchestrator.Tests.Reservations;
using Microsoft.EntityFrameworkCore;
using static ConcertSaga.Orchestrator.Reservations.ReservationStates;

namespace ConcertSaga.Orchestrator.Tests.Operations;

public sealed class ReservationErasureTests
{
    private const string New = "erased-1";

    [Fact]
    public async Task Erasure_WithAnUnfinishedReservation_IsRefusedAndChangesNothing()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        await AddAsync(host, Row(Confirmed, "mina"), Row(AwaitingPayment, "mina"));
        var command = Command();

        var first = await EraseAsync(host, command);
        await host.DatabaseAsync(database => database.Reservations.Where(row => row.CurrentState == AwaitingPayment)
            .ExecuteDeleteAsync());
        // A refusal is final for its action.
        var second = await EraseAsync(host, command);

        Assert.Equal([new CustomerErasure(true, "RESERVATION_IN_PROGRESS"), new CustomerErasure(true, "RESERVATION_IN_PROGRESS")],
            [first, second]);
        Assert.Equal(["mina"], await host.DatabaseAsync(database => database.Reservations.Select(row => row.UserId).ToListAsync()));
        var action = await host.DatabaseAsync(database => database.OperatorActions.AsNoTracking().SingleAsync());
        Assert.Equal((command.ActionId, $"customers/{New}", "RESERVATION_IN_PROGRESS"), (action.ActionId, action.Target, action.Refusal));
    }

    [Fact]
    public async Task Erasure_OfACustomer_ChangesTheirReservationsOnce()
    {
        await using var host = await OrchestratorHost.StartAsync("--Reservation:SweepInterval=00:10:00");
        var (bought, failed, other) = (Row(Confirmed, "mina"), Row(Failed, "mina"), Row(AwaitingPayment, "noah"));
        await AddAsync(host, bought, failed, other);
        var command = Command();

        Assert.Equal(new CustomerErasure(true, null), await EraseAsync(host, command));
        // The customer has come back.
        await AddAsync(host, Row(Expired, "mina"));
        Assert.Equal(new CustomerErasure(true, null), await EraseAsync(host, command));

        Assert.Equal([New, New, "mina", "noah"], await host.DatabaseAsync(database => database.Reservations.Select(row => row.UserId)
            .OrderBy(user => user).ToListAsync()));
        // A saga that has read the old id must read again.
        Assert.Equal(bought.Version + 1, (await host.RowAsync(bought.CorrelationId)).Version);
        using var client = host.Client(null);
        var known = (await client.GetFromJsonAsync<CustomerReservations>($"/internal/customers/reservations?userId={New}"))!;
        Assert.Equal(new[] { bought.CorrelationId, failed.CorrelationId }.Order(), known.ReservationIds.Order());
        Assert.Equal((false, bought.UpdatedAt), (known.HasUnfinished, known.LastOutcomeAt));
        Assert.True((await client.GetFromJsonAsync<CustomerReservations>("/internal/customers/reservations?userId=noah"))!.HasUnfinished);
    }

    private static EraseCustomer Command() => new(Guid.CreateVersion7(), "olga", "A request of May 3.", "mina", New, [], null);

    private static Reservation Row(string state, string userId)
    {
        var row = Given.In(state);
        (row.UserId, row.UnpaidUserId, row.IdempotencyKey) = (userId, null, Guid.CreateVersion7());
        return row;
    }

    private static Task<int> AddAsync(OrchestratorHost host, params Reservation[] rows) => host.DatabaseAsync(database =>
    {
        database.AddRange(rows);
        return database.SaveChangesAsync();
    });

    private static async Task<CustomerErasure> EraseAsync(OrchestratorHost host, EraseCustomer command)
    {
        using var client = host.Client(null);
        using var answer = await client.PostAsJsonAsync("/internal/customers/orchestrator/erase", command);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<CustomerErasure>())!;
    }
}
