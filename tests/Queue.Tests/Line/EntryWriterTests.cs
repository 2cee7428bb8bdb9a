using System.Net;
using System.Net.Http.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Line;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.Fixtures.QueueUnderTest;

namespace ConcertSaga.Queue.Tests.Line;

public sealed class EntryWriterTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_InSequence_GivesNumbersInOrder(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);

        for (var number = 1; number <= 3; number++)
        {
            var token = await queue.EnterAsync($"user-{number}");
            Assert.Equal((1, "Waiting", number, number - 1), (token.ConcertId, token.Status, token.Position, token.PeopleAhead));
            Assert.Equal(QueueAdmission.Suspended, token.Admission);
            Assert.Equal(Now.AddDays(1), token.ExpiresAt);
            Assert.InRange(token.PollAfterSeconds, 1, 45);
        }
        // Each concert has its own numbers.
        Assert.Equal(1, (await queue.EnterAsync("user-3", 2)).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_AgainOrFromAnotherDevice_KeepsTheEntry(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        await queue.EnterAsync("first");
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("last");

        var again = await queue.EnterAsync("mina", expected: HttpStatusCode.OK);
        var elsewhere = await queue.EnterAsync("mina", expected: HttpStatusCode.OK, replica: 1);

        Assert.Equal((token.TokenId, token.Position), (again.TokenId, again.Position));
        Assert.Equal((token.TokenId, token.Position), (elsewhere.TokenId, elsewhere.Position));
        // User ids are case-sensitive.
        Assert.Equal(4, (await queue.EnterAsync("Mina")).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_ConcurrentlyAtTwoReplicas_GivesEachCustomerOneNumberWithoutGaps(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        await queue.AddConcertAsync(2);

        // Five hundred customers enter two concerts at both replicas, some of them twice.
        var entered = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
        {
            var (user, concertId) = ($"user-{i % 500}", 1 + (i % 2));
            using var answer = await queue.TryEnterAsync(user, concertId, replica: i / 2 % 2);
            return (answer.StatusCode, Token: (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!, user, concertId);
        }));

        foreach (var concert in entered.GroupBy(entry => entry.concertId))
        {
            Assert.Equal(Enumerable.Range(1, 250).Select(number => (long)number),
                (await queue.RowsAsync(concert.Key)).Select(row => row.Number));
            Assert.Equal(250, concert.Count(entry => entry.StatusCode == HttpStatusCode.Created));
            Assert.All(concert.GroupBy(entry => entry.user),
                customer => Assert.Single(customer.Select(entry => (entry.Token.TokenId, entry.Token.Position)).Distinct()));
        }
        Assert.Equal(251, (await queue.RoomAsync()).NextNumber);
    }

    [Fact]
    public async Task Enter_ManyInOneBatch_KeepsTheOrderOfArrival()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);

        var entered = new List<Task<EntryResult?>>();
        await queue.WithAsync<EntryWriter>(entries =>
        {
            entered.AddRange(Enumerable.Range(0, 2_500).Select(i => entries.EnterAsync(1, $"user-{i}")));
            return Task.WhenAll(entered);
        });

        var results = await Task.WhenAll(entered);
        Assert.Equal(Enumerable.Range(1, 2_500).Select(number => (long)number), results.Select(result => result!.Entry!.Number));
    }

    [Fact]
    public async Task Enter_MoreThanTheLimit_IsRefused()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server, settings: ("Queue:MaxWaitingEntries", "1"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => queue.TryEnterAsync($"user-{i}")));

        Assert.Contains(answers, answer => answer.StatusCode == HttpStatusCode.Created);
        var refused = answers.First(answer => answer.StatusCode != HttpStatusCode.Created);
        Assert.NotNull(refused.Headers.RetryAfter);
        await RefusedAsync(refused, 503, "UNAVAILABLE");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_WithoutConcertOrSale_IsRefused(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2, closesIn: TimeSpan.FromHours(1));
        // Without the address of Seats, Queue cannot look the concert up. That is not the caller's fault.
        await RefusedAsync(await queue.TryEnterAsync("mina", 99), 503, "UNAVAILABLE");

        var token = await queue.EnterAsync("mina", 2);
        Assert.Equal(Now.AddHours(1), token.ExpiresAt);
        queue.Clock.Advance(TimeSpan.FromHours(1));

        await RefusedAsync(await queue.TryEnterAsync("mina", 2), 409, "SALE_CLOSED");
        await RefusedAsync(await queue.TryEnterAsync("noor", 2), 409, "SALE_CLOSED");
        await RefusedAsync(await queue.SendAsync(HttpMethod.Post, "/api/queue/tokens", null, body: new { concertId = 1 }), 401,
            "UNAUTHENTICATED");
        await RefusedAsync(await queue.TryEnterAsync(new string('u', 201)), 400, "BAD_REQUEST");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_ShortlyBeforeExpiry_RenewsTheTokenAndKeepsTheEntry(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("noor");

        queue.Clock.Advance(TimeSpan.FromHours(30));
        var again = await queue.EnterAsync("mina", expected: HttpStatusCode.OK);

        Assert.Equal((token.TokenId, 1, Now.AddHours(54)), (again.TokenId, again.Position, again.ExpiresAt));
        Assert.Equal(Now.AddHours(54), (await queue.RowAsync(token)).Exp);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Restart_OfTheService_KeepsEveryEntry(DatabaseProvider provider)
    {
        var database = await TestDatabase.CreateAsync(provider, server, "Queue");
        await using var after = await StartOnAsync(database, new StoppedClock(Now), 1);
        // Not disposed, because disposing it would delete the database that the second one uses.
        var before = await StartOnAsync(database, after.Clock, 1);
        await before.AddConcertAsync(1);
        await before.EnterAsync("first");
        var token = await before.EnterAsync("mina");
        await before.TickAsync();
        var pass = await before.ClaimAsync("mina", token);
        await before[0].StopAsync();

        Assert.Equal(pass.ExpiresAt, (await after.ClaimAsync("mina", token)).ExpiresAt);
        Assert.Equal(1, (await after.EnterAsync("third")).Position);
        Assert.Equal([QueueEntryStatus.Offered, QueueEntryStatus.Active, QueueEntryStatus.Waiting],
            (await after.RowsAsync()).Select(row => row.Status));
    }
}
