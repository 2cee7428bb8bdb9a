using System.Globalization;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Pays at the instant at which a hold ends. Such holds are short, so these races have settings of their own.</summary>
[Trait("Part", "Sale")]
public sealed class HoldRaceTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(SystemKind.Embedded)]
    [InlineData(SystemKind.Cluster)]
    public async Task PaymentAndEndOfHold_AtTheSameInstant_HaveOneOutcome(SystemKind kind)
    {
        var system = await systems.GetAsync(kind, database, broker, ("Reservation:HoldDuration", "00:00:04"),
            ("Reservation:SweepInterval", "00:00:00.05"));
        var outcomes = await RaceTests.ForEachAsync(system, async (customer, reserved) =>
        {
            var ends = DateTimeOffset.Parse(reserved.Text("holdExpiresAt")!, CultureInfo.InvariantCulture);
            // Payments race with the end of the hold, so some come a little early and some a little late.
            var wait = ends - TimeProvider.System.GetUtcNow() + TimeSpan.FromMilliseconds(Random.Shared.Next(-400, 50));
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            var paid = await customer.PayAsync(reserved.ReservationId, prefer: "wait=10");
            var final = await customer.WaitForAsync(reserved.ReservationId, Limit, ["Confirmed", "Expired"]);

            var history = $"pay: {paid}, final: {final}";
            Assert.True(paid.Status is 200 or 202 or 410, history);
            Assert.True(paid.Status != 200 || final.ReservationStatus == "Confirmed", history);
            Assert.True(paid.Status != 410 || final.ReservationStatus == "Expired", history);
            return final.ReservationStatus!;
        });
        output.WriteLine(RaceTests.SummaryOf(kind, outcomes));
        await Auditor.CheckAsync(system, Limit);
    }
}
