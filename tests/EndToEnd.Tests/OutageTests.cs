using System.Diagnostics;
using System.Globalization;
using ConcertSaga.EndToEnd.Tests.Client;
using ConcertSaga.EndToEnd.Tests.Invariants;
using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.EndToEnd.Tests;

/// <summary>Stops the broker for 15 s, or for the seconds in <c>CONCERT_TEST_OUTAGE</c>.</summary>
[Trait("Part", "Sale")]
public sealed class OutageTests(SystemFixture systems, PostgreSqlServer database, RabbitMqServer broker, ITestOutputHelper output)
{
    private const int CrowdSize = 20;

    [Fact]
    public async Task Broker_Unavailable_ServesReadsAndLosesNothing()
    {
        var seconds = int.Parse(Environment.GetEnvironmentVariable("CONCERT_TEST_OUTAGE") is { Length: > 0 } text ? text
            : "15", CultureInfo.InvariantCulture);
        var system = (ClusterSystem)await systems.GetAsync(SystemKind.Cluster, database, broker, ("Reservation:StepTimeout", "00:00:03"));
        var reader = await Customer.SignInAsync(system, points: 1_000_000);
        var held = await reader.ReserveAsync(system.Seats.Take(1), prefer: "wait=10");
        Assert.True(held.Status == 201, held.ToString());

        // These reservations are in progress when the broker stops.
        var crowd = await Customer.SignInAsync(system, CrowdSize, points: 1_000_000);
        var accepted =
            await Task.WhenAll(crowd.Select(customer => customer.ReserveAsync(system.Seats.Take(1), pay: true, prefer: "respond-async")));
        Assert.All(accepted, answer => Assert.True(answer.Status is 202 or 201, answer.ToString()));
        await system.KillAsync(ClusterSystem.Broker);
        var watch = Stopwatch.StartNew();
        try
        {
            await Eventually.TrueAsync(async () => await system.HealthAsync(ClusterSystem.Orchestrator) == "Degraded",
                TimeSpan.FromSeconds(60), "the orchestrator is degraded");
            var seat = system.Seats.Take(1);
            var rounds = 0;
            while (watch.Elapsed < TimeSpan.FromSeconds(seconds))
            {
                await CheckReadsAsync(system, reader, held.ReservationId);
                await CheckBookingsAsync(crowd[rounds++ % CrowdSize], seat);
                await CheckRefusedAsync(reader.PayAsync(held.ReservationId));
                await CheckRefusedAsync(reader.CancelAsync(held.ReservationId));
                Assert.Equal("Degraded", await system.HealthAsync(ClusterSystem.Orchestrator));
                await Task.Delay(500);
            }
            output.WriteLine($"{rounds} rounds in {watch.Elapsed.TotalSeconds:0} s without a broker");
        }
        finally
        {
            await system.StartAsync(ClusterSystem.Broker);
        }
        var back = watch.Elapsed;
        await Eventually.TrueAsync(async () => await system.HealthAsync(ClusterSystem.Orchestrator) == "Healthy", TimeSpan.FromSeconds(60),
            "the orchestrator is healthy");

        foreach (var (customer, answer) in crowd.Zip(accepted))
            await customer.WaitForAsync(answer.ReservationId, TimeSpan.FromSeconds(60), ["Confirmed"]);
        output.WriteLine($"All confirmed {(watch.Elapsed - back).TotalSeconds:0.0} s after the broker answered again");
        var paid = await reader.PayAsync(held.ReservationId, prefer: "wait=10");
        Assert.True(paid.Status == 200, paid.ToString());

        var books = await Auditor.CheckAsync(system, TimeSpan.FromSeconds(30));
        var resent = accepted.Sum(answer => books.Transitions[answer.ReservationId].Count(row => row.From == row.To));
        output.WriteLine($"{resent} commands of {CrowdSize} reservations were resent");
        // Services reconnect up to half a minute after the broker. The back-off allows three attempts in that time, not one per second.
        Assert.True(resent <= 3 * CrowdSize, $"{resent} commands were resent.");
    }

    private static async Task CheckReadsAsync(ClusterSystem system, Customer reader, Guid id)
    {
        Assert.Equal(200, (await Customer.SendAsync(system.Address, HttpMethod.Get, "/api/concerts", null, null)).Status);
        foreach (var path in new[] { "/api/concerts/1/schedules", "/api/schedules/1/seats", $"/api/reservations/{id}", "/api/reservations",
            "/api/points", "/api/points/entries" })
            Assert.Equal((path, 200), (path, (await reader.GetAsync(path)).Status));
    }

    private static async Task CheckBookingsAsync(Customer customer, SeatSelection seat)
    {
        var answer = await customer.ReserveAsync(seat);
        Assert.True(answer.Status == 503 && answer.Code == "UNAVAILABLE" && answer.Headers.RetryAfter is not null, answer.ToString());
    }

    private static async Task CheckRefusedAsync(Task<Answer> request)
    {
        var answer = await request;
        Assert.True(answer.Status == 503 && answer.Headers.RetryAfter is not null, answer.ToString());
    }
}
