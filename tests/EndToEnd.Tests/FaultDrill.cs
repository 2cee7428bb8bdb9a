using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>
/// Runs a few reservations while one command is faulty. A test class starts each system once and changes the faults while it runs.
/// </summary>
public sealed class FaultDrill(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker)
{
    private const int CustomerCount = 3;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly HashSet<SystemKind> _warm = [];

    /// <summary>A time that no test takes: the saga resends no command on its own.</summary>
    public static readonly TimeSpan NoStepTimeout = TimeSpan.FromMinutes(10);

    /// <summary>The settings of a system whose saga waits this long for a reply before it resends a command.</summary>
    public static (string Key, string Value)[] SettingsFor(TimeSpan stepTimeout) =>
    [
        .. Settings.OfFaults, Settings.ShortHold, ("Reservation:StepAttempts", "2"), ("Reservation:SweepInterval", "00:00:00.1"),
        ("Reservation:StepTimeout", $"{stepTimeout:c}")
    ];

    /// <summary>
    /// Reserves and pays on both systems at once, and cancels if that is the expected outcome. Then it checks the books and each
    /// reservation.
    /// </summary>
    /// <param name="stepTimeout">How long the saga waits for a reply before it resends a command.</param>
    /// <param name="command">The faulty command.</param>
    /// <param name="fault">Its fault, such as <c>"DropRate": 1</c>.</param>
    /// <param name="isLifted">Whether the fault ends as soon as every reservation has resent the command.</param>
    /// <param name="outcome">The expected final status of each reservation.</param>
    /// <param name="code">The expected failure code.</param>
    /// <returns>The history of each reservation.</returns>
    public async Task<string[]> RunAsync(TimeSpan stepTimeout, string command, string fault, bool isLifted, string outcome,
        string? code)
    {
        var running = new List<(SystemKind Kind, ISystem System)>();
        foreach (var kind in Enum.GetValues<SystemKind>())
        {
            var system = await systems.GetAsync(kind, database, broker, SettingsFor(stepTimeout));
            if (_warm.Add(kind))
                await WarmUpAsync(system);
            running.Add((kind, system));
        }
        var histories = await Task.WhenAll(running.Select(async target =>
        {
            try
            {
                return await RunOnAsync(target.System, command, fault, isLifted, outcome, code);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"{target.Kind}: {exception.Message}", exception);
            }
        }));
        return [.. histories.SelectMany(lines => lines)];
    }

    private static async Task<string[]> RunOnAsync(ISystem system, string command, string fault, bool isLifted, string outcome,
        string? code)
    {
        await system.SetFaultsAsync($$"""{ "{{command}}": { {{fault}} } }""");
        var customers = await Task.WhenAll(Enumerable.Range(0, CustomerCount).Select(_ => BeginAsync(system, outcome)));
        if (isLifted)
        {
            await Eventually.TrueAsync(async () => (await Books.ReadResentAsync(system)).IsSupersetOf(customers.Select(entry => entry.Id)),
                Limit, "every command is resent", Eventually.LongPause);
            await system.SetFaultsAsync("{}");
        }
        await Task.WhenAll(customers.Select(entry => EndAsync(entry.Customer, entry.Id, outcome)));

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(30));
        foreach (var (_, id) in customers)
        {
            var row = books.Reservations[id];
            Assert.True(row.State == outcome && row.FailureCode == code,
                $"{row.State} {row.FailureCode} instead of {outcome} {code}: {books.HistoryOf(id)}");
        }
        return [.. customers.Select(entry => books.HistoryOf(entry.Id))];
    }

    // The first commands of a new process take longer than some of these tests wait.
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
        customer.WaitForAsync(id, Limit, outcome == "Cancelled" ? ["Cancelled"] : ["Confirmed", "Rejected", "Expired", "Failed"],
            Eventually.LongPause);
}
