using ConcertSaga.Seats.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;
using static ConcertSaga.Seats.Tests.Fixtures.SeatsUnderTest;

namespace ConcertSaga.Seats.Tests.Data;

public sealed class SeatsDbContextTests(PostgreSqlServer server)
{
    /// <summary>Every instant in the model, with the reason why a wrong clock does no lasting harm to it.</summary>
    [Fact]
    public async Task Instants_OfTheModel_AreAllBounded()
    {
        var bounds = new Dictionary<string, string>
        {
            ["OperatorAction.At"] = "Only a record.",
            ["Concert.SaleOpensAt"] = "The operator chooses it.",
            ["Concert.SaleClosesAt"] = "The operator chooses it.",
            ["Schedule.StartsAt"] = "The operator chooses it; every decision reads it again.",
            ["Schedule.CancelledAt"] = "Only a record; it decides by being there.",
            ["SeatHold.StartsAt"] = "The start at the time of the hold, for a repeated reply; the orchestrator reads the current one.",
            ["SeatHold.CreatedAt"] = "Only a record.",
            ["SeatHold.UpdatedAt"] = "A decision without seats is kept longer by the error of the clock."
        };
        await using var seats = await StartAsync(DatabaseProvider.Sqlite, server);
        var instants = await seats.Service.WithAsync<SeatsDbContext, List<string>>(database => Task.FromResult(
            database.Model.GetEntityTypes().SelectMany(type => type.GetProperties()
                .Where(property => (Nullable.GetUnderlyingType(property.ClrType) ?? property.ClrType) == typeof(DateTimeOffset))
                .Select(property => $"{type.ClrType.Name}.{property.Name}")).Order().ToList()));
        Assert.Equal(bounds.Keys.Order(), instants);
    }
}
