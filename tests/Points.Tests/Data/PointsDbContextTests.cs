using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Points.Tests.Data;

public sealed class PointsDbContextTests(PostgreSqlServer server)
{
    /// <summary>Every instant in the model, with the reason why a wrong clock does no lasting harm to it.</summary>
    [Fact]
    public async Task Instants_OfTheModel_AreAllBounded()
    {
        var bounds = new Dictionary<string, string>
        {
            ["OperatorAction.At"] = "Only a record.",
            ["ChargeKey.CreatedAt"] = "A key is kept longer by the error of the clock. Deleted early, it would allow a second charge.",
            ["LedgerEntry.At"] = "Only a record; the sequence orders the entries.",
            ["PointDeduction.CreatedAt"] = "A refusal is kept longer by the error of the clock.",
            ["PointRefund.CreatedAt"] = "Only a record."
        };
        await using var points = await PointsUnderTest.StartAsync(DatabaseProvider.Sqlite, server);
        var instants = await points.Service.WithAsync<PointsDbContext, List<string>>(database => Task.FromResult(
            database.Model.GetEntityTypes().SelectMany(type => type.GetProperties()
                .Where(property => (Nullable.GetUnderlyingType(property.ClrType) ?? property.ClrType) == typeof(DateTimeOffset))
                .Select(property => $"{type.ClrType.Name}.{property.Name}")).Order().ToList()));
        Assert.Equal(bounds.Keys.Order(), instants);
    }
}
