using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>How a few people fare while one command is faulty. A class of tests starts each system once; the faults change while it runs.</summary>
public sealed class FaultySystems(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const int People = 3;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly HashSet<SystemKind> _warm = [];

    /// <summary>
    /// On both systems at once, because most of it is waiting: everybody reserves and pays, and cancels where that is the outcome; the books
    /// are right, and so is each reservation.
    /// </summary>
    /// <param name="stepTimeout">How long a command may go unanswered before it is sent again.</param>
    /// <param name="command">The faulty command.</param>
    /// <param name="fault">Its fault, such as <c>"DropRate": 1</c>.</param>
    /// <param name="isLifted">Whether the fault ends as soon as the command of everybody was sent again.</param>
    /// <param name="outcome">The status each reservation ends in.</param>
    /// <param name="code">Its failure.</param>
    /// <returns>The history of each reservation.</returns>
    public async Task<string[]> StoriesAsync(TimeSpan stepTimeout, string command, string fault, bool isLifted, string outcome, string? code)
    {
        var running = new List<(SystemKind Kind, ISystem System)>();
        foreach (var kind in Enum.GetValues<SystemKind>())
        {
            var system = await systems.GetAsync(kind, database, broker, ("Faults:Enabled", "true"), ("Reservation:HoldDuration", "00:00:04"),
                ("Reservation:StepAttempts", "2"), ("Reservation:SweepInterval", "00:00:00.1"), ("Reservation:StepTimeout", $"{stepTimeout:c}"));
            if (_warm.Add(kind))
                await WarmUpAsync(system);
            running.Add((kind, system));
        }
        var stories = await Task.WhenAll(running.Select(async one =>
        {
            try
            {
                return await StoriesOnAsync(one.System, command, fault, isLifted, outcome, code);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{one.Kind}: {exception.Message}", exception);
            }
        }));
        return [.. stories.SelectMany(some => some)];
    }

    private static async Task<string[]> StoriesOnAsync(ISystem system, string command, string fault, bool isLifted, string outcome, string? code)
    {
        await system.SetFaultsAsync($$"""{ "{{command}}": { {{fault}} } }""");
        var people = await Task.WhenAll(Enumerable.Range(0, People).Select(_ => BeginAsync(system, outcome)));
        if (isLifted)
        {
            await Eventually.TrueAsync(async () => (await Books.ReadSentAgainAsync(system)).IsSupersetOf(people.Select(one => one.Id)), Limit, "all commands are sent again");
            await system.SetFaultsAsync("{}");
        }
        await Task.WhenAll(people.Select(one => EndAsync(one.Customer, one.Id, outcome)));

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(30));
        foreach (var (_, id) in people)
        {
            var row = books.Reservations[id];
            Assert.True(row.State == outcome && row.FailureCode == code, $"{row.State} {row.FailureCode} instead of {outcome} {code}: {books.StoryOf(id)}");
        }
        return [.. people.Select(one => books.StoryOf(one.Id))];
    }

    // A process that has just started takes longer for its first commands than some of these tests have patience.
    private static async Task WarmUpAsync(ISystem system)
    {
        await system.SetFaultsAsync("{}");
        Answer end;
        do
        {
            var (customer, id) = await BeginAsync(system, "Confirmed");
            end = await EndAsync(customer, id, "Confirmed");
            if (end.ReservationStatus == "Confirmed" && (await customer.CancelAsync(id, prefer: "respond-async")).Status is 200 or 202)
                await EndAsync(customer, id, "Cancelled");
        }
        while (end.ReservationStatus != "Confirmed");
    }

    private static async Task<(Customer Customer, Guid Id)> BeginAsync(ISystem system, string outcome)
    {
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var id = (await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "respond-async")).ReservationId;
        if (outcome == "Cancelled")
        {
            await customer.WaitForAsync(id, Limit, ["Confirmed"]);
            var cancelled = await customer.CancelAsync(id, prefer: "respond-async");
            Assert.True(cancelled.Status is 200 or 202, cancelled.ToString());
        }
        return (customer, id);
    }

    private static Task<Answer> EndAsync(Customer customer, Guid id, string outcome) =>
        customer.WaitForAsync(id, Limit, outcome == "Cancelled" ? ["Cancelled"] : ["Confirmed", "Rejected", "Expired", "Failed"]);
}
