using ConcertSaga.Points.Data;
using ConcertSaga.Points.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Points.Tests.Background;

public sealed class PointsCleanerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Cleaner_AfterTheRetention_DeletesOnlyOldKeys(DatabaseProvider provider)
    {
        // The cleaner's own first round is a day away, so only this test deletes rows.
        await using var points = await PointsUnderTest.StartAsync(
            provider, server, ("Points:CleaningBatch", "2"), ("Points:CleaningInterval", "1.00:00:00"),
            ("Points:ChargeKeyRetention", "01:00:00"));
        for (var i = 0; i < 5; i++)
            await points.ChargeAsync("mina", 1);
        points.Clock.Advance(TimeSpan.FromMinutes(59));
        var kept = Guid.CreateVersion7();
        await points.ChargeAsync("mina", 1, kept);

        await points.CleanAsync();
        Assert.Equal(6, await points.Service.WithAsync<PointsDbContext, int>(database => database.ChargeKeys.CountAsync()));
        points.Clock.Advance(TimeSpan.FromMinutes(2));
        await points.CleanAsync();

        Assert.Equal(kept,
            (await points.Service.WithAsync<PointsDbContext, ChargeKey>(database => database.ChargeKeys.SingleAsync())).IdempotencyKey);
        Assert.Equal(6, await points.BalanceAsync("mina"));
    }
}
