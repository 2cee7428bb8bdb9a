using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

public sealed class HoldErasureTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Erasure_OfACustomer_ChangesTheirHoldsOnly(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var (erased, other) = (Hold(scheduleId, 1), Hold(scheduleId, 2));
        await seats.AskAsync(erased);
        await seats.AskAsync(other);
        using var operations = seats.Service.ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync("/internal/customers/seats/erase", new EraseCustomer(
            Guid.CreateVersion7(), "olga", "A request of May 3.", erased.UserId, "erased-1", [erased.ReservationId], null));

        Assert.Equal(new CustomerErasure(true, null), await answer.Content.ReadFromJsonAsync<CustomerErasure>());
        Assert.Equal(new[] { (erased.ReservationId, "erased-1"), (other.ReservationId, other.UserId) }.Order(),
            (await seats.Service.WithAsync<SeatsDbContext, List<SeatHold>>(database => database.SeatHolds.AsNoTracking().ToListAsync()))
            .Select(hold => (hold.ReservationId, hold.UserId)).Order());
    }
}
