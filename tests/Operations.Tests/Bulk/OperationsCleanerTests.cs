using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Operations.Tests.Bulk;

public sealed class OperationsCleanerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Cleaner_AfterTheRetention_DeletesAllButWaitingMessages(DatabaseProvider provider)
    {
        await using var operations = await OperationsUnderTest.StartAsync(provider, server, null, ("Operations:CleaningBatch", "1"));
        await operations.FailAsync(4);
        await operations.ActAsync("requeue", new { ids = new[] { 1 }, reason = "Good." });
        await operations.ActAsync("discard", new { ids = new[] { 2, 3 }, reason = "Bad." });
        await operations.CallAsync(HttpMethod.Post, "failed-messages/discard", new { filter = new { }, dryRun = true });

        operations.Clock.Advance(TimeSpan.FromDays(29));
        await CleanAsync();
        Assert.Equal((4, 2), await CountAsync());
        operations.Clock.Advance(TimeSpan.FromDays(2));
        await CleanAsync();

        Assert.Equal((1, 0), await CountAsync());
        Assert.Equal(FailedMessageStatus.Waiting, await operations.ReadAsync(database =>
            database.FailedMessages.Select(message => message.Status).SingleAsync()));
        Assert.Equal(0, await operations.ReadAsync(database => database.OperationItems.CountAsync()));
        Assert.Equal(3, (await operations.ActionsAsync()).Count);

        Task<bool> CleanAsync() => operations.WithAsync<OperationsCleaner, bool>(async cleaner =>
        {
            await cleaner.RunOnceAsync(CancellationToken.None);
            return true;
        });

        Task<(int Messages, int Operations)> CountAsync() => operations.ReadAsync(async database =>
            (await database.FailedMessages.CountAsync(), await database.Operations.CountAsync()));
    }
}
