using System.Net.Http.Json;
using ConcertSaga.Contracts.Facts;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;

namespace ConcertSaga.Queue.Tests.Line;

public sealed class QueueFactEndpointsTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Facts_OfPasses_HaveTheirEntries(DatabaseProvider provider)
    {
        await using var queue = await QueueUnderTest.StartAsync(provider, server);
        var mina = await queue.EnterAsync("mina");
        await queue.EnterAsync("noah");
        using var operations = queue[0].ClientOf("operations");

        using var answer = await operations.PostAsJsonAsync("/internal/facts/queue",
            new FactRequest([mina.TokenId, Guid.CreateVersion7()]));

        Assert.Equal([new QueueEntryFact(mina.TokenId, 1, "mina", 1, "Waiting", null, null)],
            (await answer.Content.ReadFromJsonAsync<QueueEntryFact[]>())!);
    }
}
