using System.Net.Http.Json;
using ConcertSaga.Contracts.Operations;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Queue.Tests.Line;

public sealed class QueueEntryErasureTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>The entry keeps its place, so those behind it do not move. The customer can enter again.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Erasure_OfAWaitingCustomer_KeepsTheLine(DatabaseProvider provider)
    {
        await using var queue = await QueueUnderTest.StartAsync(provider, server);
        await queue.EnterAsync("mina");
        await queue.EnterAsync("noah");
        using var operations = queue[0].ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync("/internal/customers/queue/erase", new EraseCustomer(
            Guid.CreateVersion7(), "olga", "A request of May 3.", "mina", "erased-1", [], null));
        var again = await queue.EnterAsync("mina");

        Assert.Equal(new CustomerErasure(true, null), await answer.Content.ReadFromJsonAsync<CustomerErasure>());
        Assert.Equal([("erased-1", 1L), ("noah", 2L), ("mina", 3L)], (await queue.ReadAsync(database =>
            database.Entries.AsNoTracking().OrderBy(entry => entry.Number).ToListAsync())).Select(entry => (entry.UserId, entry.Number)));
        Assert.Equal(3, again.Position);
    }
}
