using System.Collections.Concurrent;
using ConcertSaga.Contracts.Reservations;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Testing.Servers;
using CsCheck;
using Xunit;
using static ConcertSaga.Queue.Tests.QueueUnderTest;

namespace ConcertSaga.Queue.Tests;

/// <summary>Whatever happens in whatever order, at two replicas: nobody loses their place, and no more are inside than may be.</summary>
public sealed class AnySequenceTests(PostgreSqlServer server)
{
    private const int People = 8;

    private static int _lastConcertId = 1_000;

    private enum Kind
    {
        Enter,
        Tick,
        Claim,
        Leave,
        Complete,
        Wait,
        Capacity,
        Pause,
        Suspend,
        Replace
    }

    // Entering, letting in and waiting more often than the rest, or the line would be empty most of the time.
    private static readonly Gen<Kind> Kinds = Gen.Frequency(
        (6, Gen.Const(Kind.Enter)), (6, Gen.Const(Kind.Tick)), (5, Gen.Const(Kind.Claim)), (1, Gen.Const(Kind.Leave)), (2, Gen.Const(Kind.Complete)),
        (4, Gen.Const(Kind.Wait)), (1, Gen.Const(Kind.Capacity)), (1, Gen.Const(Kind.Pause)), (1, Gen.Const(Kind.Suspend)),
        (1, Gen.Const(Kind.Replace)));

    // Up to three steps at the same time, at either replica.
    private static readonly Gen<(Kind Kind, int Person, int Replica)[][]> Sequences =
        Gen.Select(Kinds, Gen.Int[0, People - 1], Gen.Int[0, 1]).Array[1, 3].Array[5, 40];

    // A pass that was given up may be let through for so long by a gateway that was cut off; the clocks differ as much.
    private static readonly TimeSpan Skew = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1), ClaimWindow = TimeSpan.FromSeconds(4), PassLifetime = TimeSpan.FromSeconds(9);

    private static readonly int[] Waits = [1, 1, 2, 3, 4, 5, 8, 15];

    public static IEnumerable<object[]> Runs => [[DatabaseProvider.Sqlite, 20], [DatabaseProvider.PostgreSql, 20]];

    [Theory, MemberData(nameof(Runs)), Trait("Category", "RunOnce")]
    public async Task Steps_InAnySequence_KeepPlacesOrderAndCapacity(DatabaseProvider provider, int sequences)
    {
        await using var queue = await StartAsync(provider, server, replicas: 2, ("Queue:Interval", $"{Interval}"), ("Queue:ClaimWindow", $"{ClaimWindow}"), ("Queue:PassLifetime", $"{PassLifetime}"));

        await Sequences.SampleAsync(sequence => RunAsync(queue, sequence), iter: sequences, threads: 1,
            print: sequence => string.Join("; ", sequence.Select(together => string.Join('+', together.Select(step => $"{step.Kind} {step.Person}@{step.Replica}")))));
    }

    private static async Task RunAsync(QueueUnderTest queue, (Kind Kind, int Person, int Replica)[][] sequence)
    {
        var concertId = Interlocked.Increment(ref _lastConcertId);
        await queue.AddConcertAsync(concertId);
        var seen = new State(await queue.RoomAsync(concertId), [], 0);
        var left = new Dictionary<Guid, DateTimeOffset>();
        var suspended = false;
        var capacities = new ConcurrentBag<int>();
        foreach (var together in sequence)
        {
            var (rows, began) = (seen.Rows, queue.Clock.GetUtcNow());
            capacities.Clear();
            capacities.Add(seen.Room.Capacity ?? 3);
            await Task.WhenAll(together.Select(step => StepAsync(step.Kind, $"user-{step.Person}", step.Person, step.Replica)));
            seen = await CheckAsync(seen, began);

            async Task StepAsync(Kind kind, string user, int number, int replica)
            {
                switch (kind)
                {
                    // Half of them somebody whose pass is over and whose slot may not be free yet.
                    case Kind.Enter:
                        var entering = Pick(token => number % 2 == 0 && token.Status is QueueTokenStatus.Offered or QueueTokenStatus.Active && (token.BookUntil ?? token.ClaimUntil) <= began);
                        await queue.WithAsync<Entries>(entries => entries.EnterAsync(concertId, entering?.UserId ?? user), replica);
                        break;
                    case Kind.Tick:
                        if (suspended)
                            await queue.LookAsync(replica);
                        else
                            await queue.TickAsync(replica);
                        break;
                    case Kind.Claim when Pick(token => token.Status == QueueTokenStatus.Offered) is { } offered:
                        await queue.WithAsync<Places>(places => places.ClaimAsync(offered.TokenId, concertId, offered.UserId, CancellationToken.None), replica);
                        break;
                    case Kind.Leave when Pick(token => number % 2 == 0 && token.Status is QueueTokenStatus.Offered or QueueTokenStatus.Active) is { } leaving:
                        await queue.WithAsync<Places>(places => places.LeaveAsync(leaving.TokenId, concertId, leaving.UserId, CancellationToken.None), replica);
                        break;
                    // Also again, and when the pass has expired meanwhile: a message may come late and several times.
                    case Kind.Complete when rows.LastOrDefault(token => token.UserId == user && token.ClaimedAt is not null) is { } bought:
                        await queue.WithAsync<Places>(places => places.CompleteAsync(bought.TokenId, concertId, CancellationToken.None), replica);
                        break;
                    case Kind.Wait:
                        queue.Clock.Advance(TimeSpan.FromSeconds(Waits[number]));
                        break;
                    case Kind.Capacity or Kind.Pause:
                        await ChangeAsync(kind, number);
                        break;
                    case Kind.Replace:
                        await queue.ReplaceAsync(replica);
                        break;
                    case Kind.Suspend:
                        suspended = !suspended;
                        for (var other = 0; other < 2; other++)
                            queue.Hear(new BookingReported(!suspended, suspended ? 1_001 : 0, queue.Clock.GetUtcNow()), other);
                        break;
                }

                // Somebody it can happen to, or else this person, whose token may be of any kind.
                QueueToken? Pick(Func<QueueToken, bool> wanted) => rows.FindAll(token => wanted(token)) is { Count: > 0 } some
                    ? some[number % some.Count] : rows.LastOrDefault(token => token.UserId == user);
            }
        }

        async Task ChangeAsync(Kind kind, int number)
        {
            var room = await queue.RoomAsync(concertId);
            var (capacity, paused) = kind == Kind.Capacity ? (1 + (number % 5), room.Paused) : (room.Capacity, !room.Paused);
            capacities.Add(capacity ?? 3);
            using var answer = await queue.SendAsync(HttpMethod.Put, $"/ops/api/queue/concerts/{concertId}", "olga", body: new { capacity, paused }, roles: "ops");
            Assert.True(answer.IsSuccessStatusCode);
        }

        async Task<State> CheckAsync(State before, DateTimeOffset began)
        {
            var (room, rows, now) = (await queue.RoomAsync(concertId), await queue.RowsAsync(concertId), queue.Clock.GetUtcNow());
            var old = before.Rows.ToDictionary(row => row.TokenId);

            // Numbers in order, each once, none left out; and what was given stays.
            Assert.Equal(Enumerable.Range(1, rows.Count).Select(number => (long)number), rows.Select(row => row.Number));
            Assert.Equal(rows.Count + 1, room.NextNumber);
            Assert.All(before.Rows, row => Assert.Equal((row.Number, row.UserId), rows.Where(other => other.TokenId == row.TokenId).Select(other => (other.Number, other.UserId)).Single()));

            // A place never gets worse, and nobody is passed over.
            Assert.InRange(room.Serving, before.Room.Serving, room.NextNumber - 1);
            Assert.All(rows.Where(row => row.Status == QueueTokenStatus.Waiting), row => Assert.True(row.Number > room.Serving));
            Assert.All(rows.Where(row => row.ClaimUntil is not null), row => Assert.True(row.Number <= room.Serving));
            var offered = rows.Where(row => row.ClaimUntil is not null && old.GetValueOrDefault(row.TokenId)?.ClaimUntil is null).ToList();
            Assert.All(offered, row => Assert.True(row.Number > before.Room.Serving));

            // One place per person.
            Assert.All(rows.AsQueryable().Live().GroupBy(row => row.UserId), person => Assert.Single(person));

            // An offer is taken in time and once, and what has ended has ended.
            Assert.All(offered, row => Assert.InRange(row.ClaimUntil!.Value, began + ClaimWindow, now + ClaimWindow));
            Assert.All(rows.Where(row => row.ClaimedAt is not null), row =>
            {
                Assert.True(row.ClaimedAt < row.ClaimUntil && row.BookUntil <= row.ClaimedAt + PassLifetime);
                if (old.GetValueOrDefault(row.TokenId) is { ClaimedAt: not null } was)
                    Assert.Equal((was.ClaimedAt, was.BookUntil), (row.ClaimedAt, row.BookUntil));
            });
            Assert.All(rows.Where(row => old.GetValueOrDefault(row.TokenId)?.Status is QueueTokenStatus.Completed or QueueTokenStatus.Left), row =>
                Assert.Equal(Ended(old[row.TokenId]), Ended(row)));
            Assert.All(rows.Where(row => row.Status is QueueTokenStatus.Waiting or QueueTokenStatus.Offered), row =>
                Assert.True(old.GetValueOrDefault(row.TokenId)?.Status is null or QueueTokenStatus.Waiting or QueueTokenStatus.Offered));

            // How many may be inside, by this test's own account and not by the column the product counts. With a smaller capacity nobody is
            // sent away, and nobody let in. What it was during these steps counts.
            foreach (var row in rows.Where(row => row.Status == QueueTokenStatus.Left))
                left.TryAdd(row.TokenId, began);
            var capacity = capacities.Max();
            var inside = rows.Count(row => EndOf(row) > now);
            Assert.True(inside <= Math.Max(capacity, before.Inside), $"{inside} of {capacity} are inside, {before.Inside} were");
            if (offered.Count > 0)
                Assert.True(inside <= capacity, $"{inside} of {capacity} are inside after an admission");
            if (room.Paused && before.Room.Paused)
                Assert.Empty(offered);

            // Revocations have sequences of their own, and never the last.
            var revoked = rows.Where(row => row.RevokedSequence is not null).Select(row => row.RevokedSequence!.Value).ToList();
            Assert.Equal(revoked.Count, revoked.Distinct().Count());
            Assert.All(revoked, sequence => Assert.InRange(sequence, 1, room.Sequence - 1));
            Assert.True(room.Sequence >= before.Room.Sequence);
            return new State(room, rows, inside);
        }

        // Until when somebody may be inside with it.
        DateTimeOffset EndOf(QueueToken row)
        {
            if (row.ClaimUntil is null || row.Status == QueueTokenStatus.Completed)
                return DateTimeOffset.MinValue;
            var end = row.BookUntil ?? row.ClaimUntil.Value;
            return (left.TryGetValue(row.TokenId, out var since) && since < end ? since : end) + Skew;
        }

        static object Ended(QueueToken row) => (row.Status, row.RevokedSequence, row.CompletedAt, row.Exp);
    }

    private sealed record State(QueueCounter Room, List<QueueToken> Rows, int Inside);
}
