using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Sends competing requests at the same instant. Points stay exact, and each reservation has one outcome.</summary>
[Trait("Part", "Sale")]
public sealed class RaceTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private const int CrowdSize = 20;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Charges_AtTheSameInstant_CountOnceEach(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system);
        Guid[] keys = [.. Enumerable.Range(0, 10).Select(_ => Guid.CreateVersion7())];

        // Ten charges, each sent three times.
        var answers = await Task.WhenAll(keys.Concat(keys).Concat(keys).Select(key => Task.Run(() => customer.ChargeAsync(100, key))));

        Assert.All(answers, answer => Assert.Equal(201, answer.Status));
        Assert.Equal(10, answers.Select(answer => answer.Text("entryId")).Distinct().Count());
        Assert.Equal(20, answers.Count(answer => answer.Headers.Contains("Idempotent-Replayed")));
        Assert.Equal(1000, await customer.BalanceAsync());
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Payments_AtTheSameInstant_AreOne(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1_000_000);
        var reserved = await customer.ReserveAsync(system.Seats.Take(2), prefer: "wait=10");
        Assert.True(reserved.Status == 201, reserved.ToString());

        var answers = await Task.WhenAll(Enumerable.Range(0, 8)
            .Select(_ => Task.Run(() => customer.PayAsync(reserved.ReservationId, prefer: "wait=10"))));

        Assert.All(answers, answer => Assert.True(answer.Status == 200 && answer.ReservationStatus == "Confirmed", answer.ToString()));
        Assert.Equal(1_000_000 - reserved.Number("totalPrice"), await customer.BalanceAsync());
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task PaymentAndCancellation_AtTheSameInstant_HaveOneOutcome(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var outcomes = await ForEachAsync(system, async (customer, reserved) =>
        {
            var id = reserved.ReservationId;
            var pay = Task.Run(() => customer.PayAsync(id, prefer: "wait=10"));
            var cancel = Task.Run(() => customer.CancelAsync(id, prefer: "wait=10"));
            var paid = await pay;
            var cancelled = await cancel;
            var final = await customer.WaitForAsync(id, Limit, ["Confirmed", "Cancelled"]);

            var history = $"pay: {paid}, cancel: {cancelled}, final: {final}";
            // A payment before the cancellation is fine. A confirmed cancellation must not leave the reservation confirmed.
            Assert.True(paid is { Status: 200 or 202 } or { Status: 409, Code: "RESERVATION_NOT_PAYABLE" }, history);
            Assert.True(cancelled is { Status: 200 or 202 } or { Status: 409, Code: "RESERVATION_NOT_CANCELLABLE" }, history);
            Assert.True(cancelled.Status != 200 || final.ReservationStatus == "Cancelled", history);
            Assert.True(cancelled.Status != 409 || final.ReservationStatus == "Confirmed", history);
            return final.ReservationStatus!;
        });
        output.WriteLine(SummaryOf(kind, outcomes));
        await Auditor.CheckAsync(system, Limit);
    }

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task Payment_AfterOneWithoutPointsAndACharge_DeductsOnce(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker);
        var customer = await Customer.SignInAsync(system, points: 1);
        var reserved = await customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "wait=10");
        Assert.Equal((402, "INSUFFICIENT_POINTS", "AwaitingPayment"), (reserved.Status, reserved.Code, reserved.ReservationStatus));
        var id = reserved.ReservationId;
        var refused = await customer.PayAsync(id, prefer: "wait=10");
        Assert.Equal((402, "INSUFFICIENT_POINTS"), (refused.Status, refused.Code));
        await customer.ChargeAsync(999_999);

        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => customer.PayAsync(id, prefer: "wait=10"))));

        Assert.All(answers, answer => Assert.True(answer.Status == 200, answer.ToString()));
        Assert.Equal(1_000_000 - answers[0].Number("totalPrice"), await customer.BalanceAsync());
        await Auditor.CheckAsync(system, Limit);
    }

    /// <summary>Lets each customer of a crowd hold a seat, and runs a race for each of them. Returns the outcomes.</summary>
    internal static async Task<string[]> ForEachAsync(ISystem system, Func<Customer, Answer, Task<string>> race)
    {
        var crowd = await Customer.SignInAsync(system, CrowdSize, points: 1_000_000);
        return await Task.WhenAll(crowd.Select(async customer =>
        {
            var reserved = await customer.ReserveAsync(system.Seats.Take(1), prefer: "wait=10");
            Assert.True(reserved.Status == 201, reserved.ToString());
            return await race(customer, reserved);
        }));
    }

    /// <summary>How often each outcome occurred.</summary>
    internal static string SummaryOf(SystemKind kind, string[] outcomes) =>
        $"{kind}: {string.Join(", ", outcomes.GroupBy(outcome => outcome).Select(group => $"{group.Count()} {group.Key}"))}";
}
