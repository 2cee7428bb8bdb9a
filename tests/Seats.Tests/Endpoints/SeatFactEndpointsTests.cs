using System.Net.Http.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Endpoints;

public sealed class SeatFactEndpointsTests(PostgreSqlServer server)
{
    private const string Route = "/internal/facts/seats";

    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfHolds_HaveTheRowsOfTheirSeats(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync();
        var (held, refused, early) = (Hold(scheduleId, 3, 1), Hold(scheduleId, 3, 9), Guid.CreateVersion7(Now));
        await seats.AskAsync(held);
        await seats.AskAsync(refused);
        await seats.ReleaseAsync(early);
        using var operations = seats.Service.ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync(Route,
            new FactRequest([held.ReservationId, refused.ReservationId, early, Guid.CreateVersion7()]));
        var facts = (await answer.Content.ReadFromJsonAsync<SeatFact[]>())!.ToDictionary(fact => fact.ReservationId);

        Assert.Equal(3, facts.Count);
        var hold = facts[held.ReservationId];
        Assert.Equal(("Held", scheduleId, 2_000L), (hold.Status, hold.ScheduleId, hold.TotalPrice));
        Assert.Equal([1, 3], hold.SeatNumbers);
        Assert.Equal([new SeatRowFact(1, "Held", held.ReservationId), new SeatRowFact(3, "Held", held.ReservationId)], hold.Seats);
        Assert.Equal([new SeatRowFact(3, "Held", held.ReservationId), new SeatRowFact(9, "Available", null)],
            facts[refused.ReservationId].Seats);
        Assert.Equal(("Released", null, 0), (facts[early].Status, facts[early].ScheduleId, facts[early].Seats.Length));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Keys_InPages_ShowEachHoldOnce(DatabaseProvider provider)
    {
        await using var seats = await StartAsync(provider, server);
        var scheduleId = await seats.AddScheduleAsync(seats: 7);
        var holds = Enumerable.Range(1, 7).Select(number => Hold(scheduleId, number)).ToList();
        foreach (var hold in holds)
            await seats.AskAsync(hold);
        await seats.ConfirmAsync(holds[0].ReservationId);
        await seats.ReleaseAsync(holds[1].ReservationId);
        using var operations = seats.Service.ClientOf("operations");

        var seen = new List<string>();
        string? after = null;
        do
        {
            var page = (await operations.GetFromJsonAsync<FactKeys>($"{Route}?limit=3{(after is null ? "" : $"&after={after}")}"))!;
            seen.AddRange(page.Keys);
            after = page.Next;
        }
        while (after is not null);

        Assert.Equal(holds.Select(hold => $"{hold.ReservationId}").Order(), seen.Order());
    }
}
