using System.Net;
using System.Net.Http.Json;
using ConcertSaga.Contracts.Queue;
using ConcertSaga.Queue.Data;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Xunit;
using static ConcertSaga.Queue.Tests.QueueUnderTest;

namespace ConcertSaga.Queue.Tests;

public sealed class EntryTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_OneAfterTheOther_GivesPlacesInOrder(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2);

        for (var place = 1; place <= 3; place++)
        {
            var token = await queue.EnterAsync($"user-{place}");
            Assert.Equal((1, "Waiting", place, place - 1), (token.ConcertId, token.Status, token.Position, token.PeopleAhead));
            Assert.Equal(QueueAdmission.Suspended, token.Admission);
            Assert.Equal(Now.AddDays(1), token.ExpiresAt);
            Assert.InRange(token.PollAfterSeconds, 1, 45);
        }
        // Each concert counts for itself.
        Assert.Equal(1, (await queue.EnterAsync("user-3", 2)).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_AgainOrFromAnotherDevice_KeepsThePlace(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        await queue.EnterAsync("first");
        var token = await queue.EnterAsync("mina");
        await queue.EnterAsync("last");

        var again = await queue.EnterAsync("mina", expected: HttpStatusCode.OK);
        var elsewhere = await queue.EnterAsync("mina", expected: HttpStatusCode.OK, replica: 1);

        Assert.Equal((token.TokenId, token.Position), (again.TokenId, again.Position));
        Assert.Equal((token.TokenId, token.Position), (elsewhere.TokenId, elsewhere.Position));
        // Two users whose ids differ in case only are two.
        Assert.Equal(4, (await queue.EnterAsync("Mina")).Position);
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_HundredsAtOnceAtTwoReplicas_GivesEachPersonOnePlaceWithoutGaps(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2);
        await queue.AddConcertAsync(2);

        // Five hundred people at two concerts, some of them twice, at both replicas.
        var entered = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
        {
            var (user, concertId) = ($"user-{i % 500}", 1 + (i % 2));
            using var answer = await queue.TryEnterAsync(user, concertId, replica: i / 2 % 2);
            return (answer.StatusCode, Token: (await answer.Content.ReadFromJsonAsync<QueueTokenView>())!, user, concertId);
        }));

        foreach (var concert in entered.GroupBy(one => one.concertId))
        {
            Assert.Equal(Enumerable.Range(1, 250).Select(number => (long)number), (await queue.RowsAsync(concert.Key)).Select(row => row.Number));
            Assert.Equal(250, concert.Count(one => one.StatusCode == HttpStatusCode.Created));
            Assert.All(concert.GroupBy(one => one.user), person => Assert.Single(person.Select(one => (one.Token.TokenId, one.Token.Position)).Distinct()));
        }
        Assert.Equal(251, (await queue.RoomAsync()).NextNumber);
    }

    [Fact]
    public async Task Enter_InOrderOfArrival_IsTheOrderOfPlaces()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server);

        var entered = new List<Task<Domain.Entered?>>();
        await queue.WithAsync<Domain.Entries>(entries =>
        {
            entered.AddRange(Enumerable.Range(0, 2_500).Select(i => entries.EnterAsync(1, $"user-{i}")));
            return Task.WhenAll(entered);
        });

        var numbers = await Task.WhenAll(entered);
        Assert.Equal(Enumerable.Range(1, 2_500).Select(number => (long)number), numbers.Select(one => one!.Token!.Number));
    }

    [Fact]
    public async Task Enter_MoreThanMayWait_IsRefused()
    {
        await using var queue = await StartAsync(DatabaseProvider.Sqlite, server, settings: ("Queue:MaxWaitingEntries", "1"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => queue.TryEnterAsync($"user-{i}")));

        Assert.Contains(answers, answer => answer.StatusCode == HttpStatusCode.Created);
        var refused = answers.First(answer => answer.StatusCode != HttpStatusCode.Created);
        Assert.NotNull(refused.Headers.RetryAfter);
        await RefusedAsync(refused, 503, "UNAVAILABLE");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_ConcertOrSaleThatIsNot_IsRefused(DatabaseProvider provider)
    {
        await using var queue = await StartAsync(provider, server);
        await queue.AddConcertAsync(2, closesIn: TimeSpan.FromHours(1));
        // Without an address of Seats nobody can be asked; that is not the caller's fault.
        await RefusedAsync(await queue.TryEnterAsync("mina", 99), 503, "UNAVAILABLE");

        var token = await queue.EnterAsync("mina", 2);
        Assert.Equal(Now.AddHours(1), token.ExpiresAt);
        queue.Clock.Advance(TimeSpan.FromHours(1));

        await RefusedAsync(await queue.TryEnterAsync("mina", 2), 409, "SALE_CLOSED");
        await RefusedAsync(await queue.TryEnterAsync("noor", 2), 409, "SALE_CLOSED");
        await RefusedAsync(await queue.SendAsync(HttpMethod.Post, "/api/queue/tokens", null, body: new { concertId = 1 }), 401, "UNAUTHENTICATED");
        await RefusedAsync(await queue.TryEnterAsync(new string('u', 201)), 400, "BAD_REQUEST");
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Enter_WhenTheOldTokenHasNotLongToGo_RenewsItAndKeepsThePlace(DatabaseProvider provider)
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
    public async Task Restart_OfTheService_KeepsEveryPlace(DatabaseProvider provider)
    {
        var database = await TestDatabase.CreateAsync(provider, server);
        await using var after = await StartOnAsync(database, new StoppedClock(Now), 1);
        // The one that is replaced; the database goes with the other.
        var before = await StartOnAsync(database, after.Clock, 1);
        await before.AddConcertAsync(1);
        await before.EnterAsync("first");
        var token = await before.EnterAsync("mina");
        await before.TickAsync();
        var pass = await before.ClaimAsync("mina", token);
        await before[0].StopAsync();

        Assert.Equal(pass.ExpiresAt, (await after.ClaimAsync("mina", token)).ExpiresAt);
        Assert.Equal(1, (await after.EnterAsync("third")).Position);
        Assert.Equal([QueueTokenStatus.Offered, QueueTokenStatus.Active, QueueTokenStatus.Waiting], (await after.RowsAsync()).Select(row => row.Status));
    }
}
