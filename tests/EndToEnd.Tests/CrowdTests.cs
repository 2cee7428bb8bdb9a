using System.Diagnostics;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Books with a thousand customers at the same instant.</summary>
[Trait("Part", "Sale")]
public sealed class CrowdTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private const int CrowdSize = 1000;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>All request one seat, and then pairs of five hundred seats.</summary>
    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Seats_RequestedByAThousand_AreHeldOnceEach(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var seat = system.Seats.Take(1);
        SeatSelection[] schedules = [.. Enumerable.Range(0, 10).Select(_ => system.Seats.TakeSchedule())];
        var crowd = await Customer.SignInAsync(system, CrowdSize, points: 0);
        await WarmUpAsync(system);

        var (answers, statuses) = await ReserveAtOnceAsync(kind, system, crowd, _ => seat);

        Assert.Single(statuses, "AwaitingPayment");
        Assert.Equal(CrowdSize - 1, statuses.Count(status => status == "Rejected"));
        Assert.All(answers.Where(answer => answer.Status == 409), answer => Assert.Equal("SEAT_UNAVAILABLE", answer.Code));
        await Auditor.CheckAsync(system, Limit);

        // A customer can have only one unpaid reservation.
        var winner = Array.IndexOf(statuses, "AwaitingPayment");
        var cancelled = await crowd[winner].CancelAsync(answers[winner].ReservationId, prefer: "wait=10");
        Assert.True(cancelled.Status == 200, cancelled.ToString());

        // Customer i requests the seats i and i + 1. Two customers request each pair, the second in reverse order.
        (_, statuses) = await ReserveAtOnceAsync(kind, system, crowd, index =>
        {
            var schedule = schedules[index % 10];
            var first = index / 10 % SeatPool.SeatsPerSchedule;
            int[] pair = [first + 1, (first + 1) % SeatPool.SeatsPerSchedule + 1];
            return schedule with { Numbers = index / 10 % 2 == 0 ? pair : [pair[1], pair[0]] };
        });

        Assert.All(statuses, status => Assert.True(status is "AwaitingPayment" or "Rejected", status));
        var books = await Auditor.CheckAsync(system, Limit);
        var held = books.Seats.Count(row => row.Status == "Held" && schedules.Any(schedule => schedule.ScheduleId == row.ScheduleId));
        Assert.Equal(2 * statuses.Count(status => status == "AwaitingPayment"), held);
        // Whichever pairs succeed, no two adjacent seats stay free.
        Assert.True(held >= 500 * 2 / 3, $"Only {held} seats are held.");
    }

    private async Task<(Answer[] Answers, string[] Statuses)> ReserveAtOnceAsync(SystemKind kind, ISystem system, Customer[] crowd,
        Func<int, SeatSelection> seats)
    {
        // The rush is for seats, so every customer gets a pass first.
        await Parallel.ForAsync(0, crowd.Length, new ParallelOptions { MaxDegreeOfParallelism = 32 },
            async (index, _) => await crowd[index].PassAsync(SeatSelection.ConcertOf(seats(index).ScheduleId)));
        var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var (watch, unavailable) = (Stopwatch.StartNew(), 0);
        var requests = crowd.Select(async (customer, index) =>
        {
            await start.Task;
            // A machine that has other work may refuse some for a moment. They repeat their request, as the answer tells them.
            for (var key = Guid.CreateVersion7(); ; await Task.Delay(1_000 + Random.Shared.Next(1_000)))
            {
                if (await customer.ReserveAsync(seats(index), key: key) is var answer && (answer.Status != 503 || watch.Elapsed > Limit))
                    return answer;
                Interlocked.Increment(ref unavailable);
            }
        }).ToArray();
        start.SetResult();
        var answers = await Task.WhenAll(requests);
        var answered = watch.Elapsed;
        output.WriteLine($"{kind}: all answered after {answered.TotalSeconds:0.0} s, {unavailable} repetitions: "
            + string.Join(", ", answers.GroupBy(answer => (answer.Status, answer.Code)).Select(group => $"{group.Count()} x {group.Key}")));
        Assert.Empty(answers.Where(answer => answer.Status is not (201 or 202 or 409)).Take(3));

        // Reads the database, because polls of a thousand customers would be a second crowd.
        Guid[] ids = [.. answers.Select(answer => answer.ReservationId)];
        await Eventually.TrueAsync(async () => (await Books.ReadStatesAsync(system)) is var states
            && ids.All(id => states[id] is "AwaitingPayment" or "Rejected"),
            Limit, "all are final", TimeSpan.FromMilliseconds(250));
        var final = watch.Elapsed;
        var books = await Books.ReadAsync(system);
        var overdue = ids.Sum(id => books.Transitions[id].Count(step => step.Trigger == "DeadlineReached"));
        output.WriteLine($"{kind}: all final after {final.TotalSeconds:0.0} s, {overdue} steps were overdue on the way.");
        Assert.True(final < Limit, $"It took {final.TotalSeconds:0.0} s.");
        var statuses = new string[crowd.Length];
        await Parallel.ForAsync(0, crowd.Length, new ParallelOptions { MaxDegreeOfParallelism = 32 },
            async (index, _) => statuses[index] = (await crowd[index].GetAsync(ids[index])).ReservationStatus!);
        return (answers, statuses);
    }

    // A sale opens on warm processes with compiled code and open connections.
    private static async Task WarmUpAsync(ISystem system)
    {
        var crowd = await Customer.SignInAsync(system, 200, points: 0);
        var seat = system.Seats.Take(1);
        await Parallel.ForEachAsync(crowd, new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (customer, _) => await customer.ReserveAsync(seat));
    }
}
